//! The host's stand-in under `cargo test`: held bytes lie in a vector, and log lines go to stderr.

use crate::log::Level;

/// Bytes that nobody has looked at yet.
#[derive(Debug)]
pub(crate) struct Buffer(pub(crate) Vec<u8>);

impl Buffer {
    pub(crate) fn consume(self) -> Vec<u8> {
        self.0
    }
}

#[expect(clippy::print_stderr, reason = "natively there is no host; a test's output is where a log line helps")]
pub(crate) fn log_write(level: Level, message: &str) {
    eprintln!("{level:?}: {message}");
}

/// Everything is listened to in a test.
pub(crate) const fn log_threshold() -> Level {
    Level::Trace
}
