//! Log lines for the operator: `log::info!("opened {n} columns")`.
//!
//! A line is formatted only if its level is enabled; the SDK queries the host's level at most once
//! per call. Natively the lines go to stderr. Bounds: the stage's limit `log_bytes` per call, and
//! the host's rate limit.

use std::cell::Cell;

/// The severity of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each case is the well-known log level")]
pub enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

thread_local! {
    /// The host's lowest enabled level, cached for the current call.
    static THRESHOLD: Cell<Option<Level>> = const { Cell::new(None) };
}

/// Whether the host logs this level. Check it before computing something only to log it.
pub fn enabled(level: Level) -> bool {
    let threshold = THRESHOLD.get().unwrap_or_else(|| {
        let asked = crate::host::log_threshold();
        THRESHOLD.set(Some(asked));
        asked
    });
    threshold <= level
}

/// Writes one line without checking the level. The macros of this module check it first.
pub fn write(level: Level, message: &str) {
    crate::host::log_write(level, message);
}

/// Clears the cached level, because the operator may change it between calls.
pub(crate) fn forget_threshold() {
    THRESHOLD.set(None);
}

#[doc(hidden)]
#[macro_export]
macro_rules! __log {
    ($level:ident, $($text:tt)+) => {
        if $crate::log::enabled($crate::log::Level::$level) {
            $crate::log::write($crate::log::Level::$level, &::std::format!($($text)+));
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __trace {
    ($($text:tt)+) => { $crate::__log!(Trace, $($text)+) };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __debug {
    ($($text:tt)+) => { $crate::__log!(Debug, $($text)+) };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __info {
    ($($text:tt)+) => { $crate::__log!(Info, $($text)+) };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __warn {
    ($($text:tt)+) => { $crate::__log!(Warn, $($text)+) };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __error {
    ($($text:tt)+) => { $crate::__log!(Error, $($text)+) };
}

/// Logs at level debug, with the arguments of `format!`.
pub use crate::__debug as debug;
/// Logs at level error, with the arguments of `format!`: something is broken.
pub use crate::__error as error;
/// Logs at level info, with the arguments of `format!`.
pub use crate::__info as info;
/// Logs at level trace, with the arguments of `format!`: every step.
pub use crate::__trace as trace;
/// Logs at level warn, with the arguments of `format!`: something may be wrong.
pub use crate::__warn as warn;
