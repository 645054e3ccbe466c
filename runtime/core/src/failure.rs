//! Why a request has no answer: what happened (for machines), what the client reads, and what the
//! log keeps.
//!
//! The kind decides the status, in one table. A message never holds a path, an address or a guest's
//! backtrace; those belong to `cause`, which only the log sees. Bounds: message and cause have
//! [`FAILURE_TEXT_BYTES_MAX`] bytes at most, whoever they quote; nobody outside this file makes a
//! [`Failure`] but by its constructors, which cut.

use std::fmt;

use crate::limits::FAILURE_TEXT_BYTES_MAX;
use crate::printable;

/// What happened. Part of the interface: metrics, logs and the `hotstage-failure` header carry
/// [`Kind::code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// The request makes no sense; the text says where.
    InvalidInput,
    /// No such model, version or path.
    NotFound,
    /// The path is right, the method is not.
    MethodNotAllowed,
    /// The client was too slow with its body.
    RequestTimeout,
    /// The body is longer than the server takes.
    BodyTooLarge,
    /// The content encoding, or a raw body's content type, is none that is taken here.
    UnsupportedMediaType,
    /// The headers are longer than the server takes.
    HeadersTooLarge,
    /// The host that the request names is not this server's.
    MisdirectedRequest,
    /// Everything that may wait already waits.
    Overloaded,
    /// The model, or the server, is not ready yet or any more.
    NotReady,
    /// A stage said: not now.
    StageUnavailable,
    /// A stage reported a defect of its own.
    StageFailed,
    /// A stage trapped: it aborted, divided by zero, touched memory that is not there.
    StageTrapped,
    /// A stage wanted more memory than its limit.
    StageMemory,
    /// A stage ran longer than its limit.
    StageTimeout,
    /// A stage handed out more bytes than its limit.
    StageOutput,
    /// A stage held more handles than its limit.
    StageHandles,
    /// A stage answered something else than its signature says.
    StageSignature,
    /// A graph took longer than its deadline.
    DeadlineExceeded,
    /// Our own defect.
    Internal,
}

impl Kind {
    /// All of them, in order.
    pub const ALL: [Self; 20] = [
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
        Self::Internal,
    ];

    /// The word for machines, and the HTTP status.
    const fn row(self) -> (&'static str, u16) {
        match self {
            Self::InvalidInput => ("invalid_input", 400),
            Self::NotFound => ("not_found", 404),
            Self::MethodNotAllowed => ("method_not_allowed", 405),
            Self::RequestTimeout => ("request_timeout", 408),
            Self::BodyTooLarge => ("body_too_large", 413),
            Self::UnsupportedMediaType => ("unsupported_media_type", 415),
            Self::HeadersTooLarge => ("headers_too_large", 431),
            Self::MisdirectedRequest => ("misdirected_request", 421),
            Self::Overloaded => ("overloaded", 503),
            Self::NotReady => ("not_ready", 503),
            Self::StageUnavailable => ("stage_unavailable", 503),
            Self::StageFailed => ("stage_failed", 500),
            Self::StageTrapped => ("stage_trapped", 500),
            Self::StageMemory => ("stage_memory", 500),
            Self::StageTimeout => ("stage_timeout", 504),
            Self::StageOutput => ("stage_output", 500),
            Self::StageHandles => ("stage_handles", 500),
            Self::StageSignature => ("stage_signature", 500),
            Self::DeadlineExceeded => ("deadline_exceeded", 504),
            Self::Internal => ("internal", 500),
        }
    }

    /// The word for machines: `stage_memory`.
    pub const fn code(self) -> &'static str {
        self.row().0
    }

    /// The HTTP status.
    pub const fn status(self) -> u16 {
        self.row().1
    }

    /// Whether the same request may succeed a little later.
    pub const fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::Overloaded | Self::NotReady | Self::StageUnavailable
        )
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
    /// For the log alone.
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

    /// The commonest one: the client's request makes no sense.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::InvalidInput, message)
    }

    /// Keeps what only the log may see.
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
    fn codes_are_unique_and_statuses_are_errors() {
        for (index, kind) in Kind::ALL.into_iter().enumerate() {
            assert!((400..600).contains(&kind.status()));
            assert!(
                Kind::ALL[..index]
                    .iter()
                    .all(|other| other.code() != kind.code())
            );
            assert_eq!(Kind::ALL[index] as usize, index);
        }
    }

    /// Also where a text is as long as a guest's memory.
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
