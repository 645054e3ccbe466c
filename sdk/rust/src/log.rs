//! Lines for the operator: `log::info!("opened {n} columns")`.
//!
//! A line is formatted only when somebody listens to its level; the host is asked for that level at
//! most once a call. Natively the lines go to stderr. Bounds: the stage's limit `log_bytes` for
//! each call, and the host's rate limit.

use std::cell::Cell;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each case is the level that everybody knows")]
pub enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

thread_local! {
    /// The lowest level that the host listens to, if this call has asked already.
    static THRESHOLD: Cell<Option<Level>> = const { Cell::new(None) };
}

/// Whether anybody listens to this level. Ask before you compute something only to log it.
pub fn enabled(level: Level) -> bool {
    let threshold = THRESHOLD.get().unwrap_or_else(|| {
        let asked = crate::host::log_threshold();
        THRESHOLD.set(Some(asked));
        asked
    });
    threshold <= level
}

/// Writes one line, whether or not anybody listens. The macros of this module ask first.
pub fn write(level: Level, message: &str) {
    crate::host::log_write(level, message);
}

/// The operator may change the level between two calls.
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

/// Writes a line that only somebody who hunts a defect reads, with `format!`'s arguments.
pub use crate::__debug as debug;
/// Writes a line about something that is broken, with `format!`'s arguments.
pub use crate::__error as error;
/// Writes a line about something worth knowing, with `format!`'s arguments.
pub use crate::__info as info;
/// Writes a line about every step, with `format!`'s arguments.
pub use crate::__trace as trace;
/// Writes a line about something that may be wrong, with `format!`'s arguments.
pub use crate::__warn as warn;
