//! Neural networks on the host's engines: ONNX graphs at native speed, for the role model.
//!
//! Open a graph in [`Model::open`](crate::Model::open) and keep it, so that a call only computes.
//! Large tensors pass through as handles and are not copied into the stage. Natively there is no
//! engine: a test registers a function for a file with [`stand_in`]. Bounds: computation counts
//! towards the call's `time`, outputs towards `output_bytes`.

use crate::error::{Failure, OpenError};
use crate::host;
use crate::signature::Signature;
use crate::tensor::Tensor;

/// The engine that runs a graph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// ONNX Runtime if the server found it, tract otherwise.
    #[default]
    Auto,
    /// ONNX Runtime.
    OnnxRuntime,
    /// tract, which every server contains.
    Tract,
}

/// What happens to ONNX Runtime's arena, the memory for intermediate tensors, after a computation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arena {
    /// Keep it for the next computation, which is then faster.
    #[default]
    Keep,
    /// Free it after every computation.
    Shrink,
}

/// Options for opening a graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The engine that runs the graph.
    pub engine: Engine,
    /// Threads for one computation.
    pub threads: u32,
    /// Concurrent computations; 0 means the number of the server's compute threads.
    pub concurrency: u32,
    /// Execution providers of ONNX Runtime in order of preference, for example `cuda`.
    pub providers: Vec<String>,
    /// The requested outputs, in this order; empty means all.
    pub outputs: Vec<String>,
    /// What happens to the engine's arena after a computation.
    pub arena: Arena,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            engine: Engine::Auto,
            threads: 1,
            concurrency: 0,
            providers: Vec::new(),
            outputs: Vec::new(),
            arena: Arena::Keep,
        }
    }
}

/// Why a graph can't be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// The manifest gives the stage no file of this name.
    #[error("no file `{0}`: add it to the stage's `files` in the manifest")]
    NotFound(String),
    /// The file is not a graph, or the engine can't run it.
    #[error("{0}")]
    Refused(String),
    /// The server lacks the engine or the execution provider.
    #[error("{0}")]
    Unavailable(String),
}

impl From<GraphError> for OpenError {
    fn from(error: GraphError) -> Self {
        match error {
            GraphError::NotFound(_) | GraphError::Refused(_) => Self::file(error.to_string()),
            GraphError::Unavailable(text) => Self::settings(text),
        }
    }
}

/// An opened graph.
#[derive(Debug)]
pub struct Graph(host::Graph);

impl Graph {
    /// Opens one of the stage's files. Stages that open the same file with the same options share
    /// one graph.
    pub fn open(file: &str, options: &Options) -> Result<Self, GraphError> {
        host::Graph::open(file, options).map(Self)
    }

    /// The graph's inputs and outputs, with the names of the ONNX file.
    pub fn signature(&self) -> Signature {
        self.0.signature()
    }

    /// Takes one tensor for each input, in order; returns one for each output.
    pub fn compute(&self, inputs: Vec<Tensor>) -> Result<Vec<Tensor>, Failure> {
        self.0.compute(inputs)
    }
}

/// Registers a stand-in for the graph in `file`, on this thread. For native tests only.
#[cfg(not(target_arch = "wasm32"))]
pub fn stand_in(
    file: &str,
    signature: Signature,
    compute: impl Fn(Vec<Tensor>) -> Result<Vec<Tensor>, Failure> + 'static,
) {
    host::Graph::stand_in(file, signature, compute);
}
