//! Graphs: pipelines combined into one model, with a name and version of its own.
//!
//! A graph's *nodes* run in order and are wired by tensor name as a pipeline's stages are. A node
//! calls one pipeline, or chooses among several *branches*: an ensemble calls all of them and
//! merges their outputs, a switch calls the first whose condition holds, a splitter distributes
//! requests by weight. Branches name a pipeline and a version; resolved, they carry its digest as
//! well, so a graph's digest covers everything that it computes.
//!
//! Defaults: no deadline, no timeouts, hard members, a switch whose conditions hold for any
//! element, a splitter that draws at random, the last node's outputs. Bounds:
//! [`NODES_MAX`](crate::limits::NODES_MAX) nodes and branches of each,
//! [`GRAPH_DEPTH_MAX`](crate::limits::GRAPH_DEPTH_MAX) levels,
//! [`GRAPH_RUNS_MAX`](crate::limits::GRAPH_RUNS_MAX) pipelines for one request.

mod condition;
mod element;
mod ensemble;
mod fit;
mod merge;
mod order;
mod plan;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

pub use self::condition::{Condition, Number, Rows, Test, Value};
pub use self::merge::{Method, Unmerged, merge};
pub use self::order::order;
pub use self::plan::{Given, Gives, NodePlan, Plan, plan};
use crate::digest::Digest;
use crate::manifest::{DocumentRef, KeyPath, Test as Golden};
use crate::name::{ModelName, NodeName, Version};

/// A graph, with its references to members and documents as `M` and `D`.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph<M, D> {
    /// The name that clients use.
    pub name: ModelName,
    /// The label that a person gave to this version.
    pub version: Version,
    /// How long a request may take in total.
    pub deadline: Option<Duration>,
    /// In the order in which they run; at least one.
    pub nodes: Vec<Node<M>>,
    /// The tensors of the answer. `None`: the last node's outputs.
    pub outputs: Option<Vec<String>>,
    /// The golden tests.
    pub tests: Vec<Golden<D>>,
}

/// A graph as the operator wrote it. A reference has a digest if the operator wrote one.
pub type DeclaredGraph = Graph<Option<Digest>, DocumentRef>;

/// A graph whose references are digests.
pub type ResolvedGraph = Graph<Digest, Digest>;

/// One node.
#[derive(Clone, Debug, PartialEq)]
pub struct Node<M> {
    /// Unique in its graph.
    pub name: NodeName,
    /// What it does with its branches.
    pub does: Does,
    /// The pipelines that it may call.
    pub branches: Vec<Branch<M>>,
    /// Inputs that take a tensor of another name: input to source.
    pub inputs: BTreeMap<String, String>,
    /// Outputs that the graph knows by another name: output to name.
    pub outputs: BTreeMap<String, String>,
}

/// A pipeline that a node may call.
#[derive(Clone, Debug, PartialEq)]
pub struct Branch<M> {
    /// Its name.
    pub pipeline: ModelName,
    /// Its version.
    pub version: Version,
    /// Its digest.
    pub digest: M,
    /// How long a call may take; a longer one has failed.
    pub timeout: Option<Duration>,
    /// Inputs of the pipeline that the node knows by another name.
    pub inputs: BTreeMap<String, String>,
    /// Outputs of the pipeline that the node knows by another name.
    pub outputs: BTreeMap<String, String>,
}

/// What a node does with its branches.
#[derive(Clone, Debug, PartialEq)]
pub enum Does {
    /// Calls its only branch.
    Call,
    /// Calls all branches at the same time.
    Ensemble {
        /// For each branch, whether a failure of it is tolerated; otherwise it fails the request.
        soft: Vec<bool>,
        /// How outputs that several branches give are merged.
        merge: BTreeMap<String, Method>,
    },
    /// Calls the first branch whose condition holds.
    Switch {
        /// One for each branch, except a last branch that is the default.
        cases: Vec<Condition>,
        /// What happens when no condition holds.
        default: Default,
    },
    /// Calls one of the branches, each in proportion to its weight.
    Split {
        /// One for each branch.
        weights: Vec<f64>,
        /// A tensor: requests in which it is equal get the same branch.
        sticky: Option<String>,
    },
}

/// What a switch does when no condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Default {
    /// It outputs the tensors that had its outputs' names before it.
    Pass,
    /// It calls its last branch.
    Ask,
}

impl<M> Node<M> {
    /// Whether it always calls one pipeline.
    pub fn is_call(&self) -> bool {
        self.does == Does::Call
    }

    /// The path of a branch in the document.
    pub fn path(&self, index: usize, branch: usize) -> KeyPath {
        let node = KeyPath::node(index);
        match &self.does {
            Does::Call => node,
            Does::Ensemble { .. } => node.key("ensemble").index(branch),
            Does::Switch { cases, .. } if branch >= cases.len() => node.key("default"),
            Does::Switch { .. } => node.key("switch").index(branch),
            Does::Split { .. } => node.key("splitter").index(branch),
        }
    }
}

impl<M> Branch<M> {
    /// `tumor/1`.
    pub fn shown(&self) -> String {
        format!("{}/{}", self.pipeline, self.version)
    }
}

impl<M, D> Graph<M, D> {
    /// Every branch, with its path in the document.
    pub fn branches(&self) -> impl Iterator<Item = (KeyPath, &Branch<M>)> {
        self.nodes.iter().enumerate().flat_map(|(index, node)| {
            node.branches
                .iter()
                .enumerate()
                .map(move |(branch, asked)| (node.path(index, branch), asked))
        })
    }
}
