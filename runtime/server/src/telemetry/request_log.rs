//! Rate limit and escaping for log lines about requests.
//!
//! Any client can cause log lines. Default: [`LOG_RATE`] lines per second for refused requests and
//! as many for failed ones, so that neither hides the other; `--log-rate` changes it. Further lines
//! are dropped and counted, and the number is logged once a second. Client text is cut and escaped.
//!
//! [`LOG_RATE`]: hotstage_core::limits::LOG_RATE

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use hotstage_core::printable;
use tokio::runtime::Handle;

/// Interval of logging the number of dropped lines.
const SECOND: Duration = Duration::from_secs(1);

/// Rate limits of a server's request log. Clones share them.
#[derive(Clone, Debug)]
pub struct RequestLog {
    refused: Arc<Rate>,
    failed: Arc<Rate>,
}

impl RequestLog {
    /// With a limit of `per_second` lines of each kind.
    pub fn new(per_second: u32) -> Self {
        let rate = |what| Arc::new(Rate::new(per_second, what));
        Self {
            refused: rate("refused"),
            failed: rate("failed"),
        }
    }

    /// Whether a line about a refused request may be written.
    pub(crate) fn refused(&self) -> bool {
        self.refused.line()
    }

    /// Whether a line about a failed request may be written.
    pub(crate) fn failed(&self) -> bool {
        self.failed.line()
    }

    /// Number of dropped lines.
    pub fn dropped(&self) -> u64 {
        self.refused.dropped.load(Relaxed) + self.failed.dropped.load(Relaxed)
    }
}

/// Rate limit of one kind of line.
#[derive(Debug)]
struct Rate {
    per_second: u32,
    what: &'static str,
    began: Instant,
    /// The second for which `lines` counts, since `began`.
    second: AtomicU64,
    lines: AtomicU32,
    dropped: AtomicU64,
    /// Number of dropped lines that were already reported.
    reported: AtomicU64,
}

/// What happens to a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Written,
    /// The first dropped line of a second.
    FirstDropped,
    Dropped,
}

impl Rate {
    fn new(per_second: u32, what: &'static str) -> Self {
        let zero = || AtomicU64::new(0);
        let (second, dropped, reported) = (zero(), zero(), zero());
        Self {
            per_second,
            what,
            began: Instant::now(),
            second,
            lines: AtomicU32::new(0),
            dropped,
            reported,
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
                this.report();
            });
        }
        fate == Fate::Written
    }

    /// Two threads at the edge of a second may let a few more lines through; a lock would cost
    /// more.
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

    fn report(&self) {
        let dropped = self.unreported();
        if dropped > 0 {
            tracing::warn!(target: "request", dropped, outcome = self.what, "log lines were left out");
        }
    }

    fn unreported(&self) -> u64 {
        let dropped = self.dropped.load(Relaxed);
        dropped - self.reported.swap(dropped, Relaxed).min(dropped)
    }
}

/// Client text for a log field: at most `bytes_max` bytes, and without characters that drive a
/// terminal or reorder the line. Both formats escape line breaks themselves.
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
        assert_eq!((rate.unreported(), rate.unreported()), (3, 0));
        rate.next(1);
        assert_eq!((rate.unreported(), rate.dropped.load(Relaxed)), (1, 4));
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
