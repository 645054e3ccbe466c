//! What went wrong in a call, in words for the client and a cause for the log.
//!
//! The client learns the kind and the limit; a guest's backtrace, and the text of a defect that it reported, go to the
//! log alone.

use hotstage_core::failure::Kind;
use hotstage_core::limits::{FAILURE_TEXT_BYTES_MAX, StageLimits};
use wasmtime::{Error, Trap};
use wasmtime_wasi::I32Exit;

use crate::bindings::stages;
use crate::host::{Breach, Guest};

const NO_ROOM: &str = "found no room for another instance: the server runs as many as `--instances` allows";

/// A call without an answer. The text leaves out the stage's name: whoever reports it says whose call it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallError {
    /// For machines.
    pub kind: Kind,
    /// For the client.
    pub message: String,
    /// For the log.
    pub cause: Option<String>,
}

impl CallError {
    /// Every instance that the server may have is at work.
    pub(crate) fn no_room() -> Self {
        Self::new(Kind::Overloaded, NO_ROOM)
    }

    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), cause: None }
    }

    pub(crate) fn signature(message: impl Into<String>) -> Self {
        Self::new(Kind::StageSignature, message)
    }

    /// What a guest's own failure becomes.
    pub(crate) fn reported(failure: stages::Failure) -> Self {
        match failure {
            stages::Failure::InvalidInput(text) => Self::new(Kind::InvalidInput, cut(text)),
            stages::Failure::Unavailable(text) => {
                Self::new(Kind::StageUnavailable, format!("can't answer now: {}", cut(text)))
            }
            stages::Failure::Internal(text) => Self {
                cause: Some(cut(text)),
                ..Self::new(Kind::StageFailed, "reported a defect of its own; the server's log has its text")
            },
        }
    }

    /// What a trap becomes, with the state that the call left.
    pub(crate) fn trapped(error: &Error, guest: &Guest, limits: &StageLimits) -> Self {
        let (kind, message) = explain(error, guest, limits);
        Self { kind, message, cause: Some(format!("{error:?}")) }
    }
}

fn explain(error: &Error, guest: &Guest, limits: &StageLimits) -> (Kind, String) {
    let raise = |key: &str| format!("; raise `limits.{key}` in the manifest if it needs more");
    match error.downcast_ref::<Breach>() {
        Some(Breach::Time) => {
            return (Kind::StageTimeout, format!("ran longer than {:?}{}", limits.time, raise("time")));
        }
        Some(Breach::Output) => return (Kind::StageOutput, output_message(limits)),
        Some(Breach::Handles) => {
            return (Kind::StageHandles, format!("held more than {} buffers{}", limits.handles, raise("handles")));
        }
        None => {}
    }
    if error.is::<wasmtime::PoolConcurrencyLimitError>() {
        return (Kind::Overloaded, NO_ROOM.to_owned());
    }
    // wasmtime keeps the type of this one to itself; a test with a real guest pins the words.
    if format!("{error:#}").contains("fuel allocated for hostcalls") {
        return (Kind::StageOutput, output_message(limits));
    }
    if guest.memory.refused {
        return (Kind::StageMemory, format!("wanted more memory than {} bytes{}", limits.memory, raise("memory")));
    }
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return (Kind::StageTrapped, format!("trapped: {trap}"));
    }
    if error.downcast_ref::<I32Exit>().is_some() {
        return (Kind::StageTrapped, "trapped: it asked to end the process".to_owned());
    }
    (Kind::StageTrapped, "trapped: it broke the rules of the component model".to_owned())
}

pub(crate) fn output_message(limits: &StageLimits) -> String {
    let bytes = limits.output_bytes;
    format!("handed out more than {bytes} bytes; raise `limits.output_bytes` in the manifest if it needs more")
}

/// A guest's text within its bound, without control characters that could forge lines or drive a terminal.
pub(crate) fn cut(text: String) -> String {
    let fine = text.len() <= FAILURE_TEXT_BYTES_MAX && !text.chars().any(char::is_control);
    if fine {
        return text;
    }
    let mut end = text.len().min(FAILURE_TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}
