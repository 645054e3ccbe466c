//! What a stage does in its pipeline.

use std::fmt;

/// The place of a stage, and with it the interface that its component exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// From what a client sent to what the model takes.
    Preprocess,
    /// The model.
    Model,
    /// From what the model said to what a client asked for.
    Postprocess,
}

impl Role {
    /// All of them, in pipeline order.
    pub const ALL: [Self; 3] = [Self::Preprocess, Self::Model, Self::Postprocess];

    /// The manifest's word.
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
