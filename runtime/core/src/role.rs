//! The role of a stage in its pipeline.

use std::fmt;

/// The role, which determines the interface that the component exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Makes the model's inputs from the client's request.
    Preprocess,
    /// Computes the prediction.
    Model,
    /// Makes the answer from the model's outputs.
    Postprocess,
}

impl Role {
    /// All of them, in pipeline order.
    pub const ALL: [Self; 3] = [Self::Preprocess, Self::Model, Self::Postprocess];

    /// The word in manifests.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Preprocess => "preprocess",
            Self::Model => "model",
            Self::Postprocess => "postprocess",
        }
    }

    /// The interface of the package `hotstage:serving` that a component of this role exports.
    pub const fn interface(self) -> &'static str {
        match self {
            Self::Preprocess => "preprocess",
            Self::Model => "infer",
            Self::Postprocess => "postprocess",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
