//! Neural networks on native engines: ONNX graphs that model stages open through `hotstage:serving/graphs`.
//!
//! Two engines behind one trait (`Network`): ONNX Runtime, a shared library that is loaded when the first graph
//! asks for it, and tract, which is part of the program. `auto` takes ONNX Runtime where there is one. A graph that is
//! open already, for the same bytes and options, is shared: two versions with the same weights hold them once.
//! Opening takes as long as parsing and optimising do, so it happens while a stage is opened, before a swap; a request
//! only ever computes. Bounds: a computation counts towards its call's `time`; memory is the engine's own, beside the
//! stage's limit.

mod declared;
mod errors;
mod library;
mod onnxruntime;
mod tract;
mod values;
mod watch;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use bytes::Bytes;
use hotstage_core::digest::Digest;
use hotstage_core::signature::Signature;
use hotstage_core::tensor::Tensor;

pub(crate) use self::errors::ComputeError;
pub use self::errors::GraphError;
use self::library::Library;
pub use self::library::{FindLibrary, Loaded, NoLibrary, probe};
pub use self::tract::VERSION as TRACT_VERSION;
use crate::host::File;

/// Which engine a graph asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the case of `engine` in wit/graphs.wit")]
pub enum Choice {
    Auto,
    OnnxRuntime,
    Tract,
}

/// What becomes of the engine's arena when a computation is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the case of `arena` in wit/graphs.wit")]
pub enum Arena {
    Keep,
    Shrink,
}

/// How a graph is opened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the field of `options` in wit/graphs.wit")]
pub struct Options {
    pub engine: Choice,
    pub threads: usize,
    pub concurrency: usize,
    pub providers: Vec<String>,
    pub outputs: Vec<String>,
    pub arena: Arena,
}

/// A graph on one engine.
trait Network: Send + Sync {
    fn signature(&self) -> &Signature;
    /// The inputs fit the signature. What is still computing when `deadline` has passed is stopped, if the engine can.
    fn compute(&self, inputs: &[Tensor], deadline: Instant) -> Result<Vec<Tensor>, ComputeError>;
}

/// An open graph; a clone is another handle.
#[derive(Clone)]
pub struct Graph(Arc<Opened>);

struct Opened {
    network: Box<dyn Network>,
    engine: String,
}

impl Graph {
    pub(crate) fn signature(&self) -> &Signature {
        self.0.network.signature()
    }

    /// The engine for people: `onnxruntime 1.32 (cpu)`.
    pub(crate) fn engine(&self) -> &str {
        &self.0.engine
    }

    /// One computation. Inputs that do not fit are the caller's mistake, and said by name.
    pub(crate) fn compute(&self, inputs: &[Tensor], deadline: Instant) -> Result<Vec<Tensor>, ComputeError> {
        let ports = &self.signature().inputs;
        if inputs.len() != ports.len() {
            let message = format!("the graph takes {} tensors, given {}", ports.len(), inputs.len());
            return Err(ComputeError::InvalidInput(message));
        }
        for (port, tensor) in ports.iter().zip(inputs) {
            port.accepts(tensor)
                .map_err(|misfit| ComputeError::InvalidInput(format!("input `{}`: {misfit}", port.name)))?;
        }
        self.0.network.compute(inputs, deadline)
    }
}

/// All graphs that are open, and the engines that open more.
pub(crate) struct Graphs {
    library: Library,
    /// Computations at once, of a graph that leaves it open.
    concurrency: usize,
    open: Mutex<HashMap<(Digest, Options), Weak<Opened>>>,
    /// Held while a graph is loaded: two stages that want the same one wait for it, and share it.
    loading: Mutex<()>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Graphs {
    pub(crate) fn new(finder: Arc<dyn FindLibrary>, concurrency: usize) -> Self {
        Self { library: Library::new(finder), concurrency, open: Mutex::default(), loading: Mutex::default() }
    }

    /// The graph of a file: the one that is open already, if it is.
    pub(crate) fn open(&self, file: &File, mut options: Options) -> Result<Graph, GraphError> {
        options.threads = options.threads.max(1);
        if options.concurrency == 0 {
            options.concurrency = self.concurrency.max(1);
        }
        let key = (file.digest, options);
        if let Some(graph) = self.find(&key) {
            return Ok(graph);
        }
        let _one_at_a_time = locked(&self.loading);
        if let Some(graph) = self.find(&key) {
            return Ok(graph);
        }
        let bytes = file.bytes().map_err(GraphError::Unavailable)?;
        let opened = Arc::new(self.load(&bytes, &key.1)?);
        let mut open = locked(&self.open);
        open.retain(|_, graph| graph.strong_count() > 0);
        open.insert(key, Arc::downgrade(&opened));
        Ok(Graph(opened))
    }

    fn find(&self, key: &(Digest, Options)) -> Option<Graph> {
        locked(&self.open).get(key).and_then(Weak::upgrade).map(Graph)
    }

    fn load(&self, bytes: &Bytes, options: &Options) -> Result<Opened, GraphError> {
        let declared = declared::read(bytes)?;
        let runtime = match options.engine {
            Choice::Tract => None,
            Choice::OnnxRuntime => Some(self.library.get().map_err(GraphError::Unavailable)?),
            Choice::Auto => match self.library.get() {
                Err(reason) if self.library.is_named() => return Err(GraphError::Unavailable(reason)),
                found => found.ok(),
            },
        };
        Ok(match runtime {
            Some(runtime) => Opened {
                network: Box::new(onnxruntime::Sessions::open(runtime, bytes, declared.ports, options)?),
                engine: format!("onnxruntime {} ({})", runtime.version(), providers(options)),
            },
            None => {
                refuse_providers(options)?;
                Opened {
                    network: Box::new(tract::Plan::open(declared, options)?),
                    engine: format!("tract {}", tract::VERSION),
                }
            }
        })
    }
}

fn providers(options: &Options) -> String {
    let named: Vec<&str> = options.providers.iter().map(String::as_str).filter(|name| *name != library::CPU).collect();
    named.into_iter().chain([library::CPU]).collect::<Vec<_>>().join(", ")
}

fn refuse_providers(options: &Options) -> Result<(), GraphError> {
    match options.providers.iter().find(|name| *name != library::CPU) {
        None => Ok(()),
        Some(name) => Err(GraphError::Unavailable(format!(
            "execution provider `{name}` needs ONNX Runtime, and the engine here is tract, which has `cpu` alone"
        ))),
    }
}
