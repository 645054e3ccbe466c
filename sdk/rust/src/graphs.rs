//! Neural networks on the host's engines: ONNX graphs, at native speed, for models.
//!
//! Open one in [`Model::open`](crate::Model::open) and keep it; then a call only computes. Tensors
//! pass through as handles, so a large one is never copied into the stage. Natively there is no
//! engine: a test says with [`stand_in`] what a file computes. Bounds: computing counts towards the
//! call's `time`, what it answers towards `output_bytes`.

use crate::error::{Failure, OpenError};
use crate::host;
use crate::signature::Signature;
use crate::tensor::Tensor;

/// Which engine computes a graph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// ONNX Runtime where the server found one, tract otherwise.
    #[default]
    Auto,
    /// ONNX Runtime.
    OnnxRuntime,
    /// tract, which every server has.
    Tract,
}

/// What becomes of ONNX Runtime's arena, the memory for what flows between operators, when a
/// computation is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arena {
    /// It stays for the next computation, which is then faster.
    #[default]
    Keep,
    /// It is given back after every computation.
    Shrink,
}

/// How a graph is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Which engine computes it.
    pub engine: Engine,
    /// Threads that one computation is spread over.
    pub threads: u32,
    /// Computations at once; 0: as many as the server computes on.
    pub concurrency: u32,
    /// Execution providers of ONNX Runtime, the preferred first: `cuda`.
    pub providers: Vec<String>,
    /// The outputs that are wanted, in this order; none: all.
    pub outputs: Vec<String>,
    /// What becomes of the engine's arena when a computation is over.
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
    /// The file is no graph, or none that the engine can compute.
    #[error("{0}")]
    Refused(String),
    /// The engine or the execution provider is not here.
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

/// A graph that is ready to compute.
#[derive(Debug)]
pub struct Graph(host::Graph);

impl Graph {
    /// Opens a file of the stage. Stages that open the same file with the same options share one
    /// graph.
    pub fn open(file: &str, options: &Options) -> Result<Self, GraphError> {
        host::Graph::open(file, options).map(Self)
    }

    /// The graph's inputs and outputs, by their own names.
    pub fn signature(&self) -> Signature {
        self.0.signature()
    }

    /// Takes one tensor for each input, in order; answers one for each output.
    pub fn compute(&self, inputs: Vec<Tensor>) -> Result<Vec<Tensor>, Failure> {
        self.0.compute(inputs)
    }
}

/// What opening `file` gives and what it computes, natively and on this thread: a test's engine.
#[cfg(not(target_arch = "wasm32"))]
pub fn stand_in(
    file: &str,
    signature: Signature,
    compute: impl Fn(Vec<Tensor>) -> Result<Vec<Tensor>, Failure> + 'static,
) {
    host::Graph::stand_in(file, signature, compute);
}
