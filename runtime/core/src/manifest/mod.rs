//! What the operator writes, in two representations.
//!
//! *As written*: [`Written`], one document of a file. Its references are still names and paths, and
//! it knows the line of every key, so that whoever finds something wrong later (a file that is not
//! there, settings that a stage refuses) says where. *As used*: [`Resolved`], in which every
//! reference is a digest, every name is checked and every default is spelled out. Its canonical
//! text is what the store keeps, and the text's SHA-256 is the pipeline's digest.
//!
//! ```text
//! text ── parse ──> Written ── resolve ──> Resolved ── canonical ──> text
//! ```
//!
//! `resolve` reads files, so the server does it.
//!
//! Defaults: no settings, no files, no renames, [`StageLimits::default`], the last stage's outputs,
//! no tests, a tolerance of 0. Bounds: [`limits`](crate::limits), and `check` for what stages are
//! to each other.

mod batch;
mod beside;
mod canonical;
mod check;
mod condition;
mod decode;
mod experiment;
mod graph;
mod limits;
mod node;
mod problem;
mod read;
mod reference;
mod resolved;
mod rollout;
mod route;
mod span;
mod stage;
#[cfg(test)]
mod tests;
mod written;
mod yaml;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

pub use self::canonical::canonical_text;
pub use self::check::check_set;
pub use self::graph::WrittenGraph;
pub use self::problem::{KeyPath, PROBLEMS_MAX, Place, Problem, Problems, Step};
pub use self::read::{Documents, parse};
pub use self::reference::{ComponentRef, DocumentRef, FileRef};
pub use self::resolved::NotCanonical;
pub use self::rollout::WrittenRollout;
pub use self::route::WrittenRoute;
pub use self::span::span;
pub use self::written::{Metadata, Partly, Resolve, Written};
use crate::batch::Batching;
use crate::digest::Digest;
use crate::isolation::Isolation;
use crate::limits::StageLimits;
use crate::name::{FileName, ModelName, StageName, Version};
use crate::role::Role;

/// The only version of the format so far.
pub const API_VERSION: &str = "hotstage.dev/v1";

/// A pipeline, with its references to components, files and documents as `C`, `F` and `D`. Nobody
/// outside this module makes one: it comes checked, from [`parse`] or from
/// [`Resolved::parse`](Pipeline::parse).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Pipeline<C, F, D> {
    /// What clients call.
    pub name: ModelName,
    /// The label that a person gave to this one.
    pub version: Version,
    /// In the order in which they run; at least one.
    pub stages: Vec<Stage<C, F>>,
    /// The tensors that are answered, as `spec.outputs` names them. `None`: the last stage's
    /// outputs.
    pub outputs: Option<Vec<String>>,
    /// The golden tests.
    pub tests: Vec<Test<D>>,
    /// Whether answers may be kept and given again.
    pub cache: bool,
}

/// One stage.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Stage<C, F> {
    /// Unique in its pipeline.
    pub name: StageName,
    /// What it is for.
    pub role: Role,
    /// What runs.
    pub component: C,
    /// What the component is opened with; [`canonical_text`] is what crosses the wall.
    pub settings: Map<String, Value>,
    /// The files that the component may open, by its own names for them.
    pub files: BTreeMap<FileName, F>,
    /// Inputs that take a tensor of another name: input to source (`tensor`, `stage.tensor` or
    /// `request.tensor`).
    pub inputs: BTreeMap<String, String>,
    /// Outputs that the pipeline knows by another name: output to name.
    pub outputs: BTreeMap<String, String>,
    /// What it may use.
    pub limits: StageLimits,
    /// How requests for it are joined, if they are.
    pub batch: Option<Batching>,
    /// Where its native graphs compute, if it is not left to the server.
    pub isolation: Option<Isolation>,
}

/// A golden test: a request and the answer that it must get before anything is served.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Test<D> {
    /// Unique in its pipeline; for people.
    pub name: String,
    /// An Open Inference Protocol request, or a raw body.
    pub request: D,
    /// The outputs that must come back.
    pub expect: D,
    /// By how much a float may differ.
    pub tolerance: f64,
}

/// A pipeline whose references are as the operator wrote them.
pub type Declared = Pipeline<ComponentRef, FileRef, DocumentRef>;

/// A pipeline in which every reference is a digest.
pub type Resolved = Pipeline<Digest, Digest, Digest>;
