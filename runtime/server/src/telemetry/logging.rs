//! Log lines on stderr: plain text, or one JSON object per line.
//!
//! `RUST_LOG` sets the level (default: `info`). Lines go through a queue of `LINES`; lines that do
//! not fit are dropped, so logging never blocks. Client text in a line can neither drive a terminal
//! nor forge another line (`escaped`).

use std::io::IsTerminal as _;

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

use super::escaped::Escaped;

/// Maximum lines waiting to be written.
const LINES: usize = 8192;

/// Format of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Plain text.
    #[default]
    Text,
    /// JSON.
    Json,
}

/// Starts logging. Waiting lines are written when the guard is dropped.
pub fn start(format: Format, default_level: &str) -> WorkerGuard {
    let has_colours = format == Format::Text && std::io::stderr().is_terminal() && !no_colour();
    let stderr = Escaped {
        inner: std::io::stderr(),
        format,
        has_colours,
    };
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(LINES)
        .lossy(true)
        .finish(stderr);
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default_level));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer);
    match format {
        Format::Text => lines.with_ansi(has_colours).init(),
        Format::Json => lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .init(),
    }
    guard
}

/// Whether colours are off, by the convention of no-color.org.
pub fn no_colour() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}
