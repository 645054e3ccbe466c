//! Why a call failed: a message for the client and a cause for the log.
//!
//! The client gets the kind and the limit; a guest's backtrace, and the text of a defect that it
//! reported, go to the log only. Bounds: those of [`Failure`](hotstage_core::failure::Failure), in
//! the same way: a [`CallError`] is made by its constructors, which cut.

use std::collections::BTreeSet;
use std::fmt;

use hotstage_core::failure::Kind;
use hotstage_core::limits::{FAILURE_TEXT_BYTES_MAX, StageLimits};
use hotstage_core::printable;
use wasmtime::{Error, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use crate::bindings::stages;
use crate::host::{Breach, Guest};

const NO_ROOM: &str =
    "could not get another instance: the server runs as many as `--instances` allows";

const STACK_FULL: &str =
    "; probably the stack is full: the same functions call each other again and again";

/// Frames of a backtrace that can show a recursion. wasmtime keeps 20.
const FRAMES_MIN: usize = 12;

/// A call without an answer. The message leaves out the stage's name, which the caller adds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallError {
    /// For machines.
    pub kind: Kind,
    /// For the client.
    pub message: String,
    /// For the log.
    pub cause: Option<String>,
}

impl CallError {
    /// All instances that the server may have are at work, or too many for the units that this one
    /// needs.
    pub(crate) fn no_room(places: u32) -> Self {
        if places == 1 {
            return Self::new(Kind::Overloaded, NO_ROOM);
        }
        Self::new(
            Kind::Overloaded,
            format!("{NO_ROOM}, and one of this component counts as {places}"),
        )
    }

    /// A call whose failure the message explains.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: printable::cut(message.into(), FAILURE_TEXT_BYTES_MAX),
            cause: None,
        }
    }

    /// Adds the cause, which goes to the log only.
    pub(crate) fn because(mut self, cause: impl fmt::Display) -> Self {
        self.cause = Some(printable::within(cause, FAILURE_TEXT_BYTES_MAX));
        self
    }

    pub(crate) fn signature(message: impl Into<String>) -> Self {
        Self::new(Kind::StageSignature, message)
    }

    /// The error for a guest's own failure.
    pub(crate) fn reported(failure: stages::Failure) -> Self {
        match failure {
            stages::Failure::InvalidInput(text) => Self::new(Kind::InvalidInput, cut(text)),
            stages::Failure::Unavailable(text) => Self::new(
                Kind::StageUnavailable,
                format!("can't answer now: {}", cut(text)),
            ),
            stages::Failure::Internal(text) => Self::new(
                Kind::StageFailed,
                "reported a defect of its own; the server's log has its text",
            )
            .because(cut(text)),
        }
    }

    /// The error for a trap, from the state that the call left.
    pub(crate) fn trapped(error: &Error, guest: &Guest, limits: &StageLimits) -> Self {
        let (kind, message) = explain(error, guest, limits);
        let mut failed = Self::new(kind, message).because(format_args!("{error:?}"));
        // A backtrace quotes the names that the component gives its functions. Its lines stay.
        failed.cause = failed
            .cause
            .map(|cause| printable::lines(&cause).into_owned());
        failed
    }
}

fn explain(error: &Error, guest: &Guest, limits: &StageLimits) -> (Kind, String) {
    let raise = |key: &str| format!("; raise `limits.{key}` in the manifest if it needs more");
    match error.downcast_ref::<Breach>() {
        Some(Breach::Time) => {
            return (
                Kind::StageTimeout,
                format!("ran longer than {:?}{}", limits.time, raise("time")),
            );
        }
        Some(Breach::Output) => return (Kind::StageOutput, output_message(limits)),
        Some(Breach::Handles) => {
            return (
                Kind::StageHandles,
                format!(
                    "held more than {} buffers{}",
                    limits.handles,
                    raise("handles")
                ),
            );
        }
        None => {}
    }
    if error.is::<wasmtime::PoolConcurrencyLimitError>() {
        return (Kind::Overloaded, NO_ROOM.to_owned());
    }
    // wasmtime does not export the type of this error; a test with a real guest pins its message.
    if printable::within(format_args!("{error:#}"), FAILURE_TEXT_BYTES_MAX)
        .contains("fuel allocated for hostcalls")
    {
        return (Kind::StageOutput, output_message(limits));
    }
    if guest.memory.refused {
        return (
            Kind::StageMemory,
            format!(
                "wanted more memory than {} bytes{}",
                limits.memory,
                raise("memory")
            ),
        );
    }
    if let Some(trap) = error.downcast_ref::<Trap>() {
        let full = if is_stack_full(error, *trap) {
            STACK_FULL
        } else {
            ""
        };
        return (Kind::StageTrapped, format!("trapped: {trap}{full}"));
    }
    if error.downcast_ref::<I32Exit>().is_some() {
        return (
            Kind::StageTrapped,
            "trapped: it asked to end the process".to_owned(),
        );
    }
    (
        Kind::StageTrapped,
        "trapped: it broke the rules of the component model".to_owned(),
    )
}

/// Whether the guest probably recursed until its stack was full. Compiled languages keep most of
/// their stack in linear memory, so the overflow is an access out of bounds; the sign is that few
/// functions make up the end of the backtrace.
fn is_stack_full(error: &Error, trap: Trap) -> bool {
    let frames = match (trap, error.downcast_ref::<WasmBacktrace>()) {
        (Trap::StackOverflow, _) => return true,
        (Trap::MemoryOutOfBounds, Some(backtrace)) => backtrace.frames(),
        _ => return false,
    };
    let functions: BTreeSet<u32> = frames.iter().map(wasmtime::FrameInfo::func_index).collect();
    is_repeated(frames.len(), functions.len())
}

/// Whether so many frames of so few functions show an endless recursion, as far as a cut backtrace
/// does.
const fn is_repeated(frames: usize, functions: usize) -> bool {
    frames >= FRAMES_MIN && functions * 3 <= frames
}

pub(crate) fn output_message(limits: &StageLimits) -> String {
    let bytes = limits.output_bytes;
    format!(
        "handed out more than {bytes} bytes; raise `limits.output_bytes` in the manifest if it needs more"
    )
}

/// A guest's text within its bound, on one line, without characters that could forge lines or
/// control a terminal.
pub(crate) fn cut(text: String) -> String {
    // Cut first: escaping makes text longer, and must not be paid for text that is cut off.
    let cut = printable::cut(text, FAILURE_TEXT_BYTES_MAX);
    if cut.is_empty() {
        return "it gave no reason".to_owned();
    }
    if cut.chars().any(printable::is_unprintable) {
        return printable::cut(
            printable::one_line(&cut).into_owned(),
            FAILURE_TEXT_BYTES_MAX,
        );
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_without_a_text_has_one() {
        let failed = |failure| CallError::reported(failure).message;
        assert_eq!(
            failed(stages::Failure::InvalidInput(String::new())),
            "it gave no reason"
        );
        assert_eq!(
            failed(stages::Failure::Unavailable(String::new())),
            "can't answer now: it gave no reason"
        );
    }

    #[test]
    fn no_constructor_makes_a_long_text() {
        let long = || "é".repeat(1 << 20);
        let reported = [
            stages::Failure::InvalidInput(long()),
            stages::Failure::Unavailable(long()),
            stages::Failure::Internal(long()),
        ]
        .map(CallError::reported);
        let made = [
            CallError::new(Kind::Internal, long()).because(long()),
            CallError::signature(long()),
        ];
        for CallError { message, cause, .. } in reported.into_iter().chain(made) {
            for text in [Some(message), cause].into_iter().flatten() {
                assert!(text.len() <= FAILURE_TEXT_BYTES_MAX, "{}", text.len());
            }
        }
    }

    #[test]
    fn a_guests_text_is_one_harmless_line() {
        assert_eq!(
            cut("a\u{1b}[31m\r\nb\u{202e}".to_owned()),
            "a\\u001b[31m\\r\\nb\\u202e"
        );
        let cut = cut("\u{1b}".repeat(FAILURE_TEXT_BYTES_MAX));
        assert!(
            cut.len() <= FAILURE_TEXT_BYTES_MAX
                && !cut.contains('\u{1b}')
                && cut.ends_with(" bytes more)")
        );
    }

    #[test]
    fn many_frames_of_few_functions_are_a_recursion() {
        for (frames, functions, is) in [
            (20, 1, true),
            (20, 3, true),
            (20, 7, false),
            (11, 1, false),
            (0, 0, false),
        ] {
            assert_eq!(is_repeated(frames, functions), is, "{frames} {functions}");
        }
    }
}
