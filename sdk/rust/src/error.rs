//! Why a stage can't be opened, and why a call has no answer: the wall's variants, with
//! constructors.
//!
//! The case decides who reads the text: a client reads [`Failure::InvalidInput`] and
//! [`Failure::Unavailable`], the operator reads the rest. Bound: the host cuts a text after 4 KiB.

use crate::datatype::Datatype;

/// Why a stage can't be opened. The deploy is refused; what is served stays.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The settings do not make sense. Say which key, what it holds and what it should hold.
    #[error("{0}")]
    Settings(String),
    /// A file is missing, damaged or of another kind. Say which.
    #[error("{0}")]
    File(String),
    /// A defect of the stage.
    #[error("{0}")]
    Internal(String),
}

impl OpenError {
    /// The settings do not make sense.
    pub fn settings(text: impl Into<String>) -> Self {
        Self::Settings(text.into())
    }

    /// A file is missing, damaged or of another kind.
    pub fn file(text: impl Into<String>) -> Self {
        Self::File(text.into())
    }

    /// A defect of the stage.
    pub fn internal(text: impl Into<String>) -> Self {
        Self::Internal(text.into())
    }
}

/// Why a call has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The tensors have the right types but no meaning here. The client reads the text and should
    /// not retry. Say which input, which element, and what would be right.
    #[error("{0}")]
    InvalidInput(String),
    /// Not now, but maybe later. The client may retry.
    #[error("{0}")]
    Unavailable(String),
    /// A defect of the stage. Only the log sees the text.
    #[error("{0}")]
    Internal(String),
}

impl Failure {
    /// The client sent something that has no meaning here.
    pub fn invalid_input(text: impl Into<String>) -> Self {
        Self::InvalidInput(text.into())
    }

    /// Not now, but maybe later.
    pub fn unavailable(text: impl Into<String>) -> Self {
        Self::Unavailable(text.into())
    }

    /// A defect of the stage.
    pub fn internal(text: impl Into<String>) -> Self {
        Self::Internal(text.into())
    }
}

/// A tensor that is not what the stage's code takes it for. Inside a call that is a defect of the
/// stage: the host has already checked what came in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum TensorError {
    #[error("the tensor is {given}, looked at as {expected}")]
    Datatype { expected: Datatype, given: Datatype },
    #[error("shape {shape:?} takes {expected} elements of {datatype}, given {given}")]
    Elements {
        datatype: Datatype,
        shape: Vec<u64>,
        expected: usize,
        given: usize,
    },
    #[error("shape {shape:?} of {datatype} is more than memory can hold")]
    TooLarge { datatype: Datatype, shape: Vec<u64> },
    #[error("a shape of {0} dimensions; at most 16 are allowed")]
    TooManyDimensions(usize),
    #[error("an element of BYTES holds {0} bytes; at most 4294967295 are allowed")]
    ElementTooLong(usize),
    #[error("the bytes are no elements of {0}")]
    NotElements(Datatype),
}

impl From<TensorError> for Failure {
    fn from(error: TensorError) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<TensorError> for OpenError {
    fn from(error: TensorError) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<ndarray::ShapeError> for Failure {
    fn from(error: ndarray::ShapeError) -> Self {
        Self::Internal(format!("array shapes do not fit: {error}"))
    }
}

impl From<ndarray::ShapeError> for OpenError {
    fn from(error: ndarray::ShapeError) -> Self {
        Self::Internal(format!("array shapes do not fit: {error}"))
    }
}
