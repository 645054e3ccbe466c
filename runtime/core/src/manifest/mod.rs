//! Pipelines as documents, in two representations.
//!
//! *As written*: [`Written`], one document of a file. Its references are names and paths, and it
//! knows the line of every key, so problems that are found later (a missing file, settings that a
//! stage refuses) are reported with their place. *As used*: [`Resolved`], in which every reference
//! is a digest, every name is checked and every default is spelled out. The blob store keeps its
//! canonical text, whose SHA-256 is the pipeline's digest.
//!
//! ```text
//! text ── parse ──> Written ── resolve ──> Resolved ── canonical ──> text
//! ```
//!
//! `resolve` reads files, so the server does it.
//!
//! Defaults: no settings, no files, no renames, [`StageLimits::default`], the last stage's outputs,
//! no tests, a tolerance of 0. Bounds: [`limits`](crate::limits), and `check` for stages against
//! each other.

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

/// A pipeline, with its references to components, files and documents as `C`, `F` and `D`. Only
/// this module constructs one, so it is always checked: by [`parse`] or by
/// [`Resolved::parse`](Pipeline::parse).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Pipeline<C, F, D> {
    /// The name that clients use.
    pub name: ModelName,
    /// The label that a person gave to this version.
    pub version: Version,
    /// In the order in which they run; at least one.
    pub stages: Vec<Stage<C, F>>,
    /// The tensors of the answer, as `spec.outputs` names them. `None`: the last stage's outputs.
    pub outputs: Option<Vec<String>>,
    /// The golden tests.
    pub tests: Vec<Test<D>>,
    /// Whether answers may be cached.
    pub cache: bool,
}

/// One stage.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Stage<C, F> {
    /// Unique in its pipeline.
    pub name: StageName,
    /// Its role.
    pub role: Role,
    /// The component that runs.
    pub component: C,
    /// The settings that the component is opened with, passed as [`canonical_text`].
    pub settings: Map<String, Value>,
    /// The files that the component may open, by the names that it uses.
    pub files: BTreeMap<FileName, F>,
    /// Inputs that take a tensor of another name: input to source (`tensor`, `stage.tensor` or
    /// `request.tensor`).
    pub inputs: BTreeMap<String, String>,
    /// Outputs that the pipeline knows by another name: output to name.
    pub outputs: BTreeMap<String, String>,
    /// The resources that it may use.
    pub limits: StageLimits,
    /// How requests for it are batched; `None`: not at all.
    pub batch: Option<Batching>,
    /// Where its native graphs compute; `None`: the server decides.
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
    /// How much a float may differ.
    pub tolerance: f64,
}

/// A pipeline whose references are as the operator wrote them.
pub type Declared = Pipeline<ComponentRef, FileRef, DocumentRef>;

/// A pipeline in which every reference is a digest.
pub type Resolved = Pipeline<Digest, Digest, Digest>;
