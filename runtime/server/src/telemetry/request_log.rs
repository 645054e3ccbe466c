//! Log lines about requests: how many there may be, and what of a client's text is in them.
//!
//! Whoever can send requests can cause lines. Default: [`LOG_RATE`] a second about requests that
//! were refused, and as many about those that failed here, so that neither hides the other;
//! `--log-rate` says otherwise. What is beyond is left out and counted, and once a second a line
//! says how many. Text is cut, and what drives a terminal or reorders a line is written out.
//!
//! [`LOG_RATE`]: hotstage_core::limits::LOG_RATE

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use hotstage_core::printable;
use tokio::runtime::Handle;

/// How often it is said how many lines were left out.
const SECOND: Duration = Duration::from_secs(1);

/// The lines of a server. Clones share what is left.
#[derive(Clone, Debug)]
pub struct RequestLog {
    refused: Arc<Rate>,
    failed: Arc<Rate>,
}

impl RequestLog {
    /// So many a second of each kind.
    pub fn new(per_second: u32) -> Self {
        let rate = |what| Arc::new(Rate::new(per_second, what));
        Self {
            refused: rate("refused"),
            failed: rate("failed"),
        }
    }

    /// Whether there may be one more about a request that was refused.
    pub(crate) fn refused(&self) -> bool {
        self.refused.line()
    }

    /// Whether there may be one more about a request that failed here.
    pub(crate) fn failed(&self) -> bool {
        self.failed.line()
    }

    /// RequestLog that were left out.
    pub fn dropped(&self) -> u64 {
        self.refused.dropped.load(Relaxed) + self.failed.dropped.load(Relaxed)
    }
}

/// So many lines a second.
#[derive(Debug)]
struct Rate {
    per_second: u32,
    what: &'static str,
    began: Instant,
    /// The second that `lines` counts, since `began`.
    second: AtomicU64,
    lines: AtomicU32,
    dropped: AtomicU64,
    /// Of those, the ones that a line told of.
    told: AtomicU64,
}

/// What becomes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Written,
    /// The first one of a second that is not.
    FirstDropped,
    Dropped,
}

impl Rate {
    fn new(per_second: u32, what: &'static str) -> Self {
        let zero = || AtomicU64::new(0);
        let (second, dropped, told) = (zero(), zero(), zero());
        Self {
            per_second,
            what,
            began: Instant::now(),
            second,
            lines: AtomicU32::new(0),
            dropped,
            told,
        }
    }

    fn line(self: &Arc<Self>) -> bool {
        let fate = self.next(self.began.elapsed().as_secs());
        if fate == Fate::FirstDropped
            && let Ok(threads) = Handle::try_current()
        {
            let this = Arc::clone(self);
            threads.spawn(async move {
                tokio::time::sleep(SECOND).await;
                this.tell();
            });
        }
        fate == Fate::Written
    }

    /// Two threads at a second's edge may let a few lines more through; that costs nothing, and a
    /// lock would.
    fn next(&self, second: u64) -> Fate {
        if self.second.swap(second, Relaxed) != second {
            self.lines.store(0, Relaxed);
        }
        let before = self.lines.fetch_add(1, Relaxed);
        if before < self.per_second {
            return Fate::Written;
        }
        self.dropped.fetch_add(1, Relaxed);
        if before == self.per_second {
            Fate::FirstDropped
        } else {
            Fate::Dropped
        }
    }

    fn tell(&self) {
        let dropped = self.untold();
        if dropped > 0 {
            tracing::warn!(target: "request", dropped, outcome = self.what, "log lines were left out");
        }
    }

    fn untold(&self) -> u64 {
        let dropped = self.dropped.load(Relaxed);
        dropped - self.told.swap(dropped, Relaxed).min(dropped)
    }
}

/// A client's text as a field of a log line: at most so many bytes of it, and nothing in it that
/// drives a terminal or reorders the line. Both formats write out ends of lines themselves.
pub(crate) fn logged(text: &str, bytes_max: usize) -> Cow<'_, str> {
    let kept = &text[..text.floor_char_boundary(bytes_max)];
    let shown = printable::lines(kept);
    if kept.len() == text.len() {
        shown
    } else {
        Cow::Owned(format!("{shown}…"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_its_lines_and_what_is_beyond_is_counted() {
        let rate = Rate::new(2, "refused");
        let fates: Vec<Fate> = [0, 0, 0, 0, 1, 1, 1].map(|second| rate.next(second)).into();
        use Fate::{Dropped, FirstDropped, Written};
        assert_eq!(
            fates,
            [
                Written,
                Written,
                FirstDropped,
                Dropped,
                Written,
                Written,
                FirstDropped
            ]
        );
        assert_eq!((rate.untold(), rate.untold()), (3, 0));
        rate.next(1);
        assert_eq!((rate.untold(), rate.dropped.load(Relaxed)), (1, 4));
    }

    #[test]
    fn a_rate_of_none_writes_none() {
        let rate = Rate::new(0, "refused");
        assert_eq!(
            [0, 0].map(|second| rate.next(second)),
            [Fate::FirstDropped, Fate::Dropped]
        );
    }

    #[test]
    fn text_is_cut_and_harmless() {
        assert!(matches!(
            logged("/v2/models/größe", 256),
            Cow::Borrowed("/v2/models/größe")
        ));
        assert_eq!(
            logged("a\u{1b}[2J\u{202e}b\u{9b}\u{7f}\n", 256),
            "a\\u001b[2J\\u202eb\\u009b\\u007f\n"
        );
        assert_eq!(
            logged(&"é".repeat(200), 257),
            format!("{}…", "é".repeat(128))
        );
        assert_eq!(logged("abc", 3), "abc");
    }
}
