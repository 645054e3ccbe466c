//! Why a request has no answer: the kind (for machines), the message for the client, and the cause
//! for the log.
//!
//! The kind has a class, on which fallbacks, circuit breakers and guards decide; front ends map it
//! to their protocol's status. A message never holds a path, an address or a guest's backtrace;
//! those belong to `cause`, which goes to the log only. Bounds: message and cause have
//! [`FAILURE_TEXT_BYTES_MAX`] bytes at most, whatever text they quote; a [`Failure`] is made only
//! by its constructors, which cut both.

use std::fmt;

use crate::limits::FAILURE_TEXT_BYTES_MAX;
use crate::printable;

/// What happened. Part of the interface: metrics, logs and the `hotstage-failure` header carry
/// [`Kind::code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// The request is invalid; the message says where.
    InvalidInput,
    /// The model, version or path does not exist.
    NotFound,
    /// The path exists, but does not support the method.
    MethodNotAllowed,
    /// The client sent its body too slowly.
    RequestTimeout,
    /// The body is larger than the server accepts.
    BodyTooLarge,
    /// The server does not accept the content encoding, or a raw body's content type.
    UnsupportedMediaType,
    /// The headers are larger than the server accepts.
    HeadersTooLarge,
    /// The host in the request is not this server's.
    MisdirectedRequest,
    /// Every queue is full.
    Overloaded,
    /// The model, or the server, is not ready yet, or no longer.
    NotReady,
    /// A stage reported that it can't answer now.
    StageUnavailable,
    /// A stage reported a defect of its own.
    StageFailed,
    /// A stage trapped: it aborted, divided by zero, or accessed memory out of bounds.
    StageTrapped,
    /// A stage requested more memory than its limit.
    StageMemory,
    /// A stage ran longer than its limit.
    StageTimeout,
    /// A stage returned more bytes than its limit.
    StageOutput,
    /// A stage held more handles than its limit.
    StageHandles,
    /// A stage's answer does not match its signature.
    StageSignature,
    /// A graph took longer than its deadline.
    DeadlineExceeded,
    /// The answer took longer than the client's timeout.
    ClientTimeout,
    /// A defect of the server.
    Internal,
}

impl Kind {
    /// All of them, in order.
    pub const ALL: [Self; 21] = [
        Self::InvalidInput,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::BodyTooLarge,
        Self::UnsupportedMediaType,
        Self::HeadersTooLarge,
        Self::MisdirectedRequest,
        Self::Overloaded,
        Self::NotReady,
        Self::StageUnavailable,
        Self::StageFailed,
        Self::StageTrapped,
        Self::StageMemory,
        Self::StageTimeout,
        Self::StageOutput,
        Self::StageHandles,
        Self::StageSignature,
        Self::DeadlineExceeded,
        Self::ClientTimeout,
        Self::Internal,
    ];

    /// The word for machines: `stage_memory`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::InvalidInput => "invalid_input",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::RequestTimeout => "request_timeout",
            Self::BodyTooLarge => "body_too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::HeadersTooLarge => "headers_too_large",
            Self::MisdirectedRequest => "misdirected_request",
            Self::Overloaded => "overloaded",
            Self::NotReady => "not_ready",
            Self::StageUnavailable => "stage_unavailable",
            Self::StageFailed => "stage_failed",
            Self::StageTrapped => "stage_trapped",
            Self::StageMemory => "stage_memory",
            Self::StageTimeout => "stage_timeout",
            Self::StageOutput => "stage_output",
            Self::StageHandles => "stage_handles",
            Self::StageSignature => "stage_signature",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::ClientTimeout => "client_timeout",
            Self::Internal => "internal",
        }
    }

    /// The class, on which fallbacks, circuit breakers and guards decide.
    pub const fn class(self) -> Class {
        match self {
            Self::InvalidInput
            | Self::NotFound
            | Self::MethodNotAllowed
            | Self::RequestTimeout
            | Self::BodyTooLarge
            | Self::UnsupportedMediaType
            | Self::HeadersTooLarge
            | Self::MisdirectedRequest => Class::Client,
            Self::Overloaded => Class::Overload,
            Self::NotReady | Self::StageUnavailable => Class::Unavailable,
            Self::StageTimeout | Self::DeadlineExceeded => Class::Deadline,
            Self::ClientTimeout => Class::Cancelled,
            Self::StageFailed
            | Self::StageTrapped
            | Self::StageMemory
            | Self::StageOutput
            | Self::StageHandles
            | Self::StageSignature
            | Self::Internal => Class::Server,
        }
    }

    /// Whether the same request may succeed a little later.
    pub const fn is_retryable(self) -> bool {
        matches!(self.class(), Class::Overload | Class::Unavailable)
    }
}

/// Whose fault a failure is, in the terms of every protocol. A front end maps the kind to its
/// protocol's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The request is wrong: sent again, it fails again.
    Client,
    /// All queues are full.
    Overload,
    /// The version, a stage of it or the server can't answer now.
    Unavailable,
    /// A stage or the server is defective.
    Server,
    /// The answer took too long.
    Deadline,
    /// The client stopped waiting.
    Cancelled,
}

impl Class {
    /// Whether the version that got the request is to blame: a fallback answers, and circuit
    /// breakers and guards count the failure.
    pub const fn is_failure_of_the_version(self) -> bool {
        !matches!(self, Self::Client | Self::Cancelled)
    }
}

/// A request that has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// For machines.
    pub kind: Kind,
    /// For the client.
    pub message: String,
    /// For the log only.
    pub cause: Option<String>,
}

impl Failure {
    /// A failure that the message explains.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: printable::cut(message.into(), FAILURE_TEXT_BYTES_MAX),
            cause: None,
        }
    }

    /// The most common one: the client's request is invalid.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::InvalidInput, message)
    }

    /// Adds the cause, which goes to the log only.
    #[must_use]
    pub fn because(mut self, cause: impl fmt::Display) -> Self {
        self.cause = Some(printable::within(cause, FAILURE_TEXT_BYTES_MAX));
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique() {
        for (index, kind) in Kind::ALL.into_iter().enumerate() {
            assert!(
                Kind::ALL[..index]
                    .iter()
                    .all(|other| other.code() != kind.code())
            );
            assert_eq!(Kind::ALL[index] as usize, index);
        }
    }

    /// Holds for texts as long as a guest's memory, too.
    #[test]
    fn no_constructor_makes_a_long_text() {
        let long = "é".repeat(1 << 20);
        let kinds = Kind::ALL.map(|kind| Failure::new(kind, long.clone()).because(&long));
        for failure in kinds
            .into_iter()
            .chain([Failure::invalid(long.as_str()).because(&long)])
        {
            let cause = failure.cause.unwrap();
            for text in [&failure.message, &cause] {
                assert!(
                    text.len() <= FAILURE_TEXT_BYTES_MAX && text.ends_with(" bytes more)"),
                    "{}",
                    text.len()
                );
            }
        }
        assert_eq!(Failure::invalid("x").because("y").cause.unwrap(), "y");
    }
}
