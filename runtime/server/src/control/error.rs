//! Errors of the control plane.

use hotstage_core::journal::Misfit;
use hotstage_core::manifest::Problems;

use crate::control::deploy::DeployError;
use crate::state::journal::JournalError;
use crate::state::store::StoreError;

/// The kind of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request is malformed.
    Invalid,
    /// The name, version or revision does not exist.
    NotFound,
    /// The request conflicts with what is served now.
    Conflict,
    /// The documents, or what they reference, are rejected.
    Refused,
    /// The disk is full.
    Full,
    /// The state directory or the server is broken.
    Defect,
}

/// One or more sentences: what is wrong, where, and what to do. What is served is unchanged.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
#[expect(missing_docs, reason = "described on the type")]
pub struct ControlError {
    pub kind: ErrorKind,
    pub message: String,
}

impl ControlError {
    pub(super) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }
}

impl From<Misfit> for ControlError {
    fn from(misfit: Misfit) -> Self {
        let kind = match misfit {
            Misfit::NotServed { .. } | Misfit::NoPipeline { .. } | Misfit::NoLabel { .. } => {
                ErrorKind::NotFound
            }
            _ => ErrorKind::Conflict,
        };
        Self::new(kind, misfit.to_string())
    }
}

impl From<Problems> for ControlError {
    fn from(problems: Problems) -> Self {
        Self::new(ErrorKind::Refused, problems.to_string())
    }
}

impl From<StoreError> for ControlError {
    fn from(error: StoreError) -> Self {
        let kind = if matches!(error, StoreError::Full { .. }) {
            ErrorKind::Full
        } else {
            ErrorKind::Defect
        };
        Self::new(kind, error.to_string())
    }
}

impl From<JournalError> for ControlError {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Store(error) => error.into(),
            JournalError::Full { .. } => Self::new(ErrorKind::Full, error.to_string()),
            _ => Self::new(ErrorKind::Defect, error.to_string()),
        }
    }
}

impl From<DeployError> for ControlError {
    fn from(error: DeployError) -> Self {
        match error {
            DeployError::Refused(problems) => problems.into(),
            DeployError::Store(error) => error.into(),
        }
    }
}
