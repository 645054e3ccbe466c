//! Why a change was not made, or a question not answered.

use hotstage_core::journal::Misfit;
use hotstage_core::manifest::Problems;

use crate::control::deploy::DeployError;
use crate::state::journal::JournalError;
use crate::state::store::StoreError;

/// What kind of trouble it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request makes no sense.
    Invalid,
    /// There is no such thing.
    NotFound,
    /// It does not fit what is served now.
    Conflict,
    /// The documents, or what they point at, are refused.
    Refused,
    /// The disk is full.
    Full,
    /// The state directory, or the server, is broken.
    Defect,
}

/// One or more sentences that say what was wrong, where, and what to do. What is served was left as
/// it was.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
#[expect(missing_docs, reason = "the type's line says it")]
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
