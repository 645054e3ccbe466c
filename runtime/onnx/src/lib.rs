//! Neural networks on native engines: ONNX graphs that model stages open through
//! `hotstage:serving/graphs`.
//!
//! Two engines implement one trait (`Network`): ONNX Runtime, a shared library that is loaded when
//! the first graph needs it, and tract, which is part of the program. `auto` uses ONNX Runtime if
//! it is available, and tract for graphs that it refuses. [`Policy`] and the stage decide where a
//! graph computes: in a process of its own (`process`), which can be killed and whose memory is
//! limited, or in the server's (`local`). An open graph is shared by all stages with the same bytes
//! and options: two versions with the same weights hold them once. Opening takes as long as parsing
//! and optimising do, so it happens while a stage is opened, before a swap; a request only
//! computes. Bounds: those of each call (`Bounds`).

mod declared;
mod errors;
mod library;
mod load;
mod local;
mod onnxruntime;
mod policy;
#[cfg(target_os = "linux")]
mod process;
mod registers;
mod session;
mod tract;
mod values;
mod watch;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use bytes::Bytes;
use hotstage_core::digest::Digest;
use hotstage_core::isolation::Isolation;
use hotstage_core::signature::Signature;
use hotstage_core::tensor::Tensor;

pub use self::errors::ComputeError;
pub use self::errors::GraphError;
use self::library::Library;
pub use self::library::{FindLibrary, Loaded, NoLibrary, probe};
use self::local::Local;
pub use self::policy::{Launch, Policy, Settings};
#[cfg(target_os = "linux")]
pub use self::process::work;
pub use self::tract::VERSION as TRACT_VERSION;
use hotstage_core::file::File;

/// The engine that a stage requests for a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    missing_docs,
    reason = "each is the case of `engine` in wit/graphs.wit"
)]
pub enum Choice {
    Auto,
    OnnxRuntime,
    Tract,
}

/// What happens to the engine's arena after a computation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the case of `arena` in wit/graphs.wit")]
pub enum Arena {
    Keep,
    Shrink,
}

/// How a graph is opened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(
    missing_docs,
    reason = "each is the field of `options` in wit/graphs.wit"
)]
pub struct Options {
    pub engine: Choice,
    pub threads: usize,
    pub concurrency: usize,
    pub providers: Vec<String>,
    pub outputs: Vec<String>,
    pub arena: Arena,
}

/// The bounds of one computation.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// When it must end.
    pub deadline: Instant,
    /// Bytes that it may hold beside the graph's weights.
    pub memory: u64,
    /// Bytes that it may answer.
    pub output: u64,
}

impl Bounds {
    /// Checks the sizes of an answer.
    fn answers(&self, sizes: impl Iterator<Item = u64>) -> Result<(), ComputeError> {
        let all = sizes.fold(0, u64::saturating_add);
        if all > self.output {
            Err(ComputeError::Output)
        } else {
            Ok(())
        }
    }
}

/// A graph on one engine.
trait Network: Send + Sync {
    fn signature(&self) -> &Signature;
    /// The inputs fit the signature. A computation past its deadline is stopped, if the engine can.
    fn compute(&self, inputs: &[Tensor], bounds: &Bounds) -> Result<Vec<Tensor>, ComputeError>;
    /// Copies of the weights that it may make later, beside those it has.
    fn copies_to_come(&self) -> u64 {
        0
    }
}

/// An open graph; a clone is another handle.
#[derive(Clone)]
pub struct Graph(Arc<Opened>);

struct Opened {
    place: Place,
    engine: String,
}

/// Where a graph computes.
enum Place {
    Here(Local),
    #[cfg(target_os = "linux")]
    Apart(process::Isolated),
}

impl Graph {
    /// What the graph takes and gives.
    pub fn signature(&self) -> &Signature {
        match &self.0.place {
            Place::Here(local) => local.signature(),
            #[cfg(target_os = "linux")]
            Place::Apart(isolated) => isolated.signature(),
        }
    }

    /// The engine, for messages: `onnxruntime 1.32 (cpu)`.
    pub fn engine(&self) -> &str {
        &self.0.engine
    }

    /// One computation. Inputs that do not fit are the caller's mistake, and reported by name.
    pub async fn compute(
        &self,
        inputs: &[Tensor],
        bounds: &Bounds,
    ) -> Result<Vec<Tensor>, ComputeError> {
        let ports = &self.signature().inputs;
        if inputs.len() != ports.len() {
            let message = format!(
                "the graph takes {} tensors, given {}",
                ports.len(),
                inputs.len()
            );
            return Err(ComputeError::InvalidInput(message));
        }
        for (port, tensor) in ports.iter().zip(inputs) {
            port.accepts(tensor).map_err(|misfit| {
                ComputeError::InvalidInput(format!("input `{}`: {misfit}", port.name))
            })?;
        }
        match &self.0.place {
            Place::Here(local) => local.compute(inputs, bounds).await,
            #[cfg(target_os = "linux")]
            Place::Apart(isolated) => isolated.compute(inputs, bounds).await,
        }
    }
}

/// The identity of an open graph. In a process of its own its memory is that of its stage.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    file: Digest,
    options: Options,
    apart: Option<u64>,
}

/// All open graphs, and the engines that open more.
pub struct Graphs {
    library: Library,
    settings: Settings,
    #[cfg(target_os = "linux")]
    keeper: Arc<process::Keeper>,
    open: Mutex<HashMap<Key, Weak<Opened>>>,
    /// Held while a graph is loaded in this process: two stages that need the same one wait for it,
    /// and share it.
    loading: Mutex<()>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Graphs {
    /// Nothing is open yet, and no library is loaded.
    pub fn new(finder: Arc<dyn FindLibrary>, settings: Settings) -> std::io::Result<Self> {
        Ok(Self {
            library: Library::new(finder),
            settings,
            #[cfg(target_os = "linux")]
            keeper: Arc::new(process::Keeper::start()?),
            open: Mutex::default(),
            loading: Mutex::default(),
        })
    }

    /// The graph of a file: the open one, if there is one. `isolation` is what its stage requests,
    /// `memory` what the stage may use.
    pub fn open(
        &self,
        file: &File,
        mut options: Options,
        isolation: Option<Isolation>,
        memory: u64,
    ) -> Result<Graph, GraphError> {
        options.threads = options.threads.max(1);
        if options.concurrency == 0 {
            options.concurrency = self.settings.concurrency.max(1);
        }
        let isolation = self
            .settings
            .policy
            .place(isolation)
            .map_err(GraphError::Unavailable)?;
        let apart = (isolation == Isolation::Process).then_some(memory);
        let key = Key {
            file: file.digest,
            options,
            apart,
        };
        if let Some(graph) = self.find(&key) {
            return Ok(graph);
        }
        // A graph that takes long to load in a process of its own delays no other: at worst one
        // graph is loaded twice.
        let _one_at_a_time = apart.is_none().then(|| locked(&self.loading));
        if let Some(graph) = self.find(&key) {
            return Ok(graph);
        }
        let opened = Arc::new(self.load(file, &key)?);
        let mut open = locked(&self.open);
        open.retain(|_, graph| graph.strong_count() > 0);
        open.insert(key, Arc::downgrade(&opened));
        Ok(Graph(opened))
    }

    fn find(&self, key: &Key) -> Option<Graph> {
        locked(&self.open)
            .get(key)
            .and_then(Weak::upgrade)
            .map(Graph)
    }

    fn load(&self, file: &File, Key { options, apart, .. }: &Key) -> Result<Opened, GraphError> {
        if let Some(memory) = *apart {
            return self.load_apart(file, options, memory);
        }
        let bytes: Bytes = file.bytes().map_err(GraphError::Unavailable)?;
        let load::Loaded {
            network,
            engine,
            changes_with_values,
        } = load::load(&self.library, &bytes, options)?;
        Ok(Opened {
            place: Place::Here(Local::new(network, changes_with_values)),
            engine,
        })
    }

    #[cfg(target_os = "linux")]
    fn load_apart(
        &self,
        file: &File,
        options: &Options,
        memory: u64,
    ) -> Result<Opened, GraphError> {
        let library = load::library_path(&self.library, options)?;
        let launch = self.settings.launch.clone();
        let (keeper, file, options) = (Arc::clone(&self.keeper), file.clone(), options.clone());
        let recipe = process::Recipe {
            keeper,
            launch,
            file,
            options,
            library,
            memory,
        };
        let (isolated, engine) = process::Isolated::open(recipe)?;
        Ok(Opened {
            place: Place::Apart(isolated),
            engine,
        })
    }

    #[cfg(not(target_os = "linux"))]
    fn load_apart(&self, _: &File, _: &Options, _: u64) -> Result<Opened, GraphError> {
        let why = "graphs compute in processes of their own on Linux alone; start with `--graphs in-process`";
        Err(GraphError::Unavailable(why.to_owned()))
    }
}
