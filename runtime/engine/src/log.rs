//! Log lines of guests.
//!
//! A line goes to `tracing` under the target `guest` with the names of its pipeline and stage.
//! Bounds: a line is cut at [`LOG_LINE_BYTES_MAX`]; a call may log the stage's `log_bytes`; a stage
//! may log [`LOG_LINES_PER_SECOND`] over all its instances. What exceeds them is dropped and
//! counted, and a later line reports the number. Control characters are escaped, so a guest can't
//! forge a line or control a terminal.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use hotstage_core::limits::{LOG_LINE_BYTES_MAX, LOG_LINES_PER_SECOND};
use hotstage_core::printable;
use tracing::level_filters::LevelFilter;

/// The origin of lines: one for a stage, shared by its instances.
pub(crate) struct StageLog {
    pipeline: String,
    stage: String,
    began: Instant,
    /// The second that `lines` counts, since `began`.
    second: AtomicU64,
    lines: AtomicU32,
    dropped: AtomicU64,
}

impl StageLog {
    pub(crate) fn new(pipeline: &str, stage: &str) -> Arc<Self> {
        Arc::new(Self {
            pipeline: pipeline.to_owned(),
            stage: stage.to_owned(),
            began: Instant::now(),
            second: AtomicU64::new(0),
            lines: AtomicU32::new(0),
            dropped: AtomicU64::new(0),
        })
    }

    /// Lines that were dropped so far.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    /// Whether the rate allows one more. Two threads at a second's edge may let a few lines more
    /// through; that does no harm, and a lock would cost time.
    fn admits(&self) -> bool {
        let second = self.began.elapsed().as_secs();
        if self.second.swap(second, Relaxed) != second {
            self.lines.store(0, Relaxed);
        }
        self.lines.fetch_add(1, Relaxed) < LOG_LINES_PER_SECOND
    }

    fn emit(&self, level: tracing::Level, text: &str) {
        let (pipeline, stage, dropped) =
            (self.pipeline.as_str(), self.stage.as_str(), self.dropped());
        macro_rules! emit {
            ($level:ident) => {
                tracing::event!(target: "guest", tracing::Level::$level, pipeline, stage, dropped, "{text}")
            };
        }
        match level {
            tracing::Level::TRACE => emit!(TRACE),
            tracing::Level::DEBUG => emit!(DEBUG),
            tracing::Level::INFO => emit!(INFO),
            tracing::Level::WARN => emit!(WARN),
            tracing::Level::ERROR => emit!(ERROR),
        }
    }
}

/// The lowest level with a subscriber; `None` if there is none.
pub(crate) fn threshold() -> Option<tracing::Level> {
    LevelFilter::current().into_level()
}

/// One instance's handle to the log. Clones share the rest of the call's bytes.
#[derive(Clone)]
pub(crate) struct Writer {
    log: Arc<StageLog>,
    left: Arc<AtomicU32>,
}

impl Writer {
    pub(crate) fn new(log: Arc<StageLog>) -> Self {
        Self {
            log,
            left: Arc::new(AtomicU32::new(0)),
        }
    }

    pub(crate) fn begin_call(&self, bytes: u32) {
        self.left.store(bytes, Relaxed);
    }

    /// A line of the host about the instance. It does not count towards the call's bytes, but
    /// towards the stage's rate.
    pub(crate) fn warn(&self, text: &str) {
        if self.log.admits() {
            self.log.emit(tracing::Level::WARN, &escape(text));
        } else {
            self.log.dropped.fetch_add(1, Relaxed);
        }
    }

    /// One line.
    pub(crate) fn line(&self, level: tracing::Level, text: &str) {
        if threshold().is_none_or(|lowest| level > lowest) {
            return;
        }
        let cost = u32::try_from(text.len().clamp(1, LOG_LINE_BYTES_MAX)).unwrap_or(u32::MAX);
        let paid = self
            .left
            .try_update(Relaxed, Relaxed, |left| left.checked_sub(cost))
            .is_ok();
        if paid && self.log.admits() {
            self.log.emit(level, &escape(text));
        } else {
            self.log.dropped.fetch_add(1, Relaxed);
        }
    }
}

/// stdout or stderr. A line of the log is a line of the stream, in however many pieces it was
/// written: Rust writes each part of an `eprintln!` by itself. An unfinished line is logged when
/// its instance ends.
pub(crate) struct Lines {
    writer: Writer,
    /// The unfinished line, up to the bound.
    open: Vec<u8>,
}

impl Lines {
    pub(crate) const fn new(writer: Writer) -> Self {
        Self {
            writer,
            open: Vec::new(),
        }
    }

    /// Bytes that a guest printed.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let (text, ends) = piece
                .strip_suffix(b"\n")
                .map_or((piece, false), |text| (text, true));
            // Bytes beyond the cut are neither kept nor decoded: a flood must not cost more than
            // its bound.
            let free = LOG_LINE_BYTES_MAX.saturating_sub(self.open.len());
            self.open.extend_from_slice(&text[..text.len().min(free)]);
            if ends {
                self.end();
            }
        }
    }

    fn end(&mut self) {
        if !self.open.is_empty() {
            self.writer
                .line(tracing::Level::INFO, &String::from_utf8_lossy(&self.open));
            self.open.clear();
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.end();
    }
}

/// The text with control characters escaped, cut at the bound.
fn escape(text: &str) -> Cow<'_, str> {
    // Cut first, so that a flood costs no more than its bound; and again, since escaping makes it
    // longer.
    let start = &text[..text.floor_char_boundary(LOG_LINE_BYTES_MAX)];
    let line = printable::one_line(start);
    if start.len() == text.len() && line.len() <= LOG_LINE_BYTES_MAX {
        return line;
    }
    Cow::Owned(format!(
        "{}…",
        &line[..line.floor_char_boundary(LOG_LINE_BYTES_MAX)]
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_written_out() {
        assert_eq!(
            escape("a\u{1b}[2Jb\r\nc\u{202e}"),
            "a\\u001b[2Jb\\r\\nc\\u202e"
        );
        assert_eq!(escape("Grüße"), "Grüße");
    }

    #[test]
    fn a_line_is_cut() {
        let long = "x".repeat(LOG_LINE_BYTES_MAX * 2);
        assert_eq!(escape(&long).len(), LOG_LINE_BYTES_MAX + '…'.len_utf8());
        assert_eq!(
            escape(&"\u{1b}".repeat(LOG_LINE_BYTES_MAX)).len(),
            LOG_LINE_BYTES_MAX + '…'.len_utf8()
        );
    }

    #[test]
    fn a_stage_has_a_rate() {
        let log = StageLog::new("p", "s");
        let admitted: u32 = (0..3 * LOG_LINES_PER_SECOND)
            .map(|_| u32::from(log.admits()))
            .sum();
        // The loop may run over a second's edge once.
        assert!((LOG_LINES_PER_SECOND..=2 * LOG_LINES_PER_SECOND).contains(&admitted));
    }
}
