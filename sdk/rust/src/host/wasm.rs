//! The real host, through the ABI's imports.

use crate::error::Failure;
use crate::graphs::{Arena, Engine, GraphError, Options};
use crate::log::Level;
use crate::signature::Signature;
use crate::tensor::Tensor;
use crate::wall::bindings::model::hotstage::serving::{files, graphs, log, metrics};
use crate::wall::guest::{from_wall, into_wall, signature_from_wall};

pub(crate) use crate::wall::bindings::model::hotstage::serving::tensors::Buffer;

pub(crate) fn log_write(level: Level, message: &str) {
    let level = match level {
        Level::Trace => log::Level::Trace,
        Level::Debug => log::Level::Debug,
        Level::Info => log::Level::Info,
        Level::Warn => log::Level::Warn,
        Level::Error => log::Level::Error,
    };
    log::write(level, message);
}

pub(crate) fn log_threshold() -> Level {
    match log::threshold() {
        log::Level::Trace => Level::Trace,
        log::Level::Debug => Level::Debug,
        log::Level::Info => Level::Info,
        log::Level::Warn => Level::Warn,
        log::Level::Error => Level::Error,
    }
}

pub(crate) fn observe(name: &str, value: f64) {
    metrics::observe(name, value);
}

pub(crate) fn file_names() -> Vec<String> {
    files::names()
}

/// The bytes, or `None` when the manifest gives the stage no file of this name.
pub(crate) fn file_read(name: &str) -> Option<Vec<u8>> {
    files::open(name).ok().map(Buffer::consume)
}

/// A graph that the host runs.
#[derive(Debug)]
pub(crate) struct Graph(graphs::Graph);

impl Graph {
    pub(crate) fn open(file: &str, options: &Options) -> Result<Self, GraphError> {
        let Options {
            engine,
            threads,
            concurrency,
            providers,
            outputs,
            arena,
        } = options;
        let engine = match engine {
            Engine::Auto => graphs::Engine::Auto,
            Engine::OnnxRuntime => graphs::Engine::Onnxruntime,
            Engine::Tract => graphs::Engine::Tract,
        };
        let options = graphs::Options {
            engine,
            threads: *threads,
            concurrency: *concurrency,
            providers: providers.clone(),
            outputs: outputs.clone(),
            arena: match arena {
                Arena::Keep => graphs::Arena::Keep,
                Arena::Shrink => graphs::Arena::Shrink,
            },
        };
        graphs::Graph::open(file, &options)
            .map(Self)
            .map_err(|error| match error {
                graphs::GraphError::NotFound => GraphError::NotFound(file.to_owned()),
                graphs::GraphError::Refused(text) => GraphError::Refused(text),
                graphs::GraphError::Unavailable(text) => GraphError::Unavailable(text),
            })
    }

    pub(crate) fn signature(&self) -> Signature {
        signature_from_wall(self.0.signature())
    }

    pub(crate) fn compute(&self, inputs: Vec<Tensor>) -> Result<Vec<Tensor>, Failure> {
        let inputs: Vec<_> = inputs.into_iter().map(into_wall).collect();
        match self.0.compute(inputs) {
            Ok(outputs) => Ok(outputs.into_iter().map(from_wall).collect()),
            Err(graphs::ComputeError::InvalidInput(text)) => Err(Failure::InvalidInput(text)),
            Err(graphs::ComputeError::Failed(text)) => Err(Failure::Internal(text)),
        }
    }
}
