//! Errors of opening and calling a stage: the ABI's variants, with constructors.
//!
//! The client receives the text of [`Failure::InvalidInput`] and [`Failure::Unavailable`]; the
//! texts of all other variants go to the operator only. Bound: the host cuts a text after 4 KiB.

use crate::datatype::Datatype;

/// Why a stage can't be opened. The deploy is refused and serving does not change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The settings are not valid. Say which key, its value and what is expected.
    #[error("{0}")]
    Settings(String),
    /// A file is missing, damaged or of the wrong format. Say which file.
    #[error("{0}")]
    File(String),
    /// A defect of the stage.
    #[error("{0}")]
    Internal(String),
}

impl OpenError {
    /// The settings are not valid.
    pub fn settings(text: impl Into<String>) -> Self {
        Self::Settings(text.into())
    }

    /// A file is missing, damaged or of the wrong format.
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
    /// The tensors match the signature, but their content is not valid. The client receives the
    /// text and should not retry. Say which input, which element, and what is expected.
    #[error("{0}")]
    InvalidInput(String),
    /// A temporary condition. The client receives the text and may retry.
    #[error("{0}")]
    Unavailable(String),
    /// A defect of the stage. The text is logged and not sent to the client.
    #[error("{0}")]
    Internal(String),
}

impl Failure {
    /// The client's input is not valid.
    pub fn invalid_input(text: impl Into<String>) -> Self {
        Self::InvalidInput(text.into())
    }

    /// A temporary condition; the client may retry.
    pub fn unavailable(text: impl Into<String>) -> Self {
        Self::Unavailable(text.into())
    }

    /// A defect of the stage.
    pub fn internal(text: impl Into<String>) -> Self {
        Self::Internal(text.into())
    }
}

/// The stage's code misuses a tensor. Inside a call this is a defect of the stage, because the host
/// has already checked the inputs against the signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages document the variants")]
pub enum TensorError {
    #[error("the tensor is {given}, read as {expected}")]
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
    #[error("the bytes are not valid elements of {0}")]
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
