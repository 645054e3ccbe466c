//! ONNX Runtime: a shared library that is located and loaded when the first graph needs it.
//!
//! The caller locates it ([`FindLibrary`]). A loaded library stays for the life of the process.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use ort::ep::{self, ExecutionProvider as _, ExecutionProviderDispatch};

use super::GraphError;
use super::errors::plain;

/// The provider that every library has.
pub(super) const CPU: &str = "cpu";

/// Locates ONNX Runtime.
pub trait FindLibrary: fmt::Debug + Send + Sync {
    /// The path of a library that can be loaded; the error says why there is none, and what to do.
    fn find(&self) -> Result<PathBuf, String>;
    /// Whether the operator chose the library: then no other engine is used in its place.
    fn is_named(&self) -> bool;
}

/// Finds no library.
#[derive(Clone, Copy, Debug)]
pub struct NoLibrary;

impl FindLibrary for NoLibrary {
    fn find(&self) -> Result<PathBuf, String> {
        Err("ONNX Runtime was not searched for".to_owned())
    }

    fn is_named(&self) -> bool {
        false
    }
}

/// A library that was loaded.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Its path.
    pub path: PathBuf,
    /// Its version: `1.32`.
    pub version: String,
    /// The execution providers that it has, of those that a graph may use.
    pub providers: Vec<&'static str>,
}

/// Loads a library, and reports its version and execution providers.
pub fn probe(path: &Path) -> Result<Loaded, String> {
    Runtime::load(path).map(|runtime| runtime.about)
}

/// The library, loaded on first use.
pub(super) struct Library {
    finder: Arc<dyn FindLibrary>,
    path: OnceLock<Result<PathBuf, String>>,
    runtime: OnceLock<Result<Runtime, String>>,
}

/// A library that is loaded.
pub(super) struct Runtime {
    about: Loaded,
    pub(super) environment: ort::environment::Environment,
}

impl Library {
    pub(super) const fn new(finder: Arc<dyn FindLibrary>) -> Self {
        Self {
            finder,
            path: OnceLock::new(),
            runtime: OnceLock::new(),
        }
    }

    pub(super) fn is_named(&self) -> bool {
        self.finder.is_named()
    }

    /// Its path; located once.
    pub(super) fn path(&self) -> Result<PathBuf, String> {
        self.path.get_or_init(|| self.finder.find()).clone()
    }

    pub(super) fn get(&self) -> Result<&Runtime, String> {
        self.runtime
            .get_or_init(|| Runtime::load(&self.path()?))
            .as_ref()
            .map_err(Clone::clone)
    }
}

impl Runtime {
    fn load(path: &Path) -> Result<Self, String> {
        let failed = |what: &dyn fmt::Display| format!("{}: {what}", path.display());
        let environment = ort::init_from(path)
            .map_err(|error| failed(&error))?
            .with_name("hotstage")
            .with_telemetry(false)
            .build()
            .map_err(|error| failed(&plain(&error.to_string())))?;
        // Errors are returned, and so logged once.
        environment.set_log_level(ort::logging::LogLevel::Fatal);
        let providers = PROVIDERS
            .iter()
            .filter(|provider| (provider.is_available)())
            .map(|provider| provider.name);
        let about = Loaded {
            path: path.to_owned(),
            version: version(path),
            providers: providers.collect(),
        };
        Ok(Self { about, environment })
    }

    pub(super) fn version(&self) -> &str {
        &self.about.version
    }

    /// The providers of these names, in this order.
    pub(super) fn providers(
        &self,
        names: &[String],
    ) -> Result<Vec<ExecutionProviderDispatch>, GraphError> {
        let mut found = Vec::new();
        for name in names {
            let provider = PROVIDERS
                .iter()
                .find(|provider| provider.name == name)
                .ok_or_else(|| {
                    let known: Vec<&str> = PROVIDERS.iter().map(|provider| provider.name).collect();
                    GraphError::Unavailable(format!(
                        "there is no execution provider `{name}`; known: {}",
                        known.join(", ")
                    ))
                })?;
            if !self.about.providers.contains(&provider.name) {
                let Loaded {
                    path,
                    version,
                    providers,
                } = &self.about;
                return Err(GraphError::Unavailable(format!(
                    "ONNX Runtime {version} at {} has no execution provider `{name}`; it has {}",
                    path.display(),
                    providers.join(", ")
                )));
            }
            found.extend((provider.build)());
        }
        Ok(found)
    }
}

/// An execution provider that a graph may use.
struct Provider {
    name: &'static str,
    is_available: fn() -> bool,
    /// `None` for the CPU, which is always last.
    build: fn() -> Option<ExecutionProviderDispatch>,
}

const PROVIDERS: [Provider; 4] = [
    Provider {
        name: "tensorrt",
        is_available: || ep::TensorRT::is_available().unwrap_or(false),
        build: || Some(ep::TensorRT::default().build().error_on_failure()),
    },
    Provider {
        name: "cuda",
        is_available: || ep::CUDA::is_available().unwrap_or(false),
        build: || Some(ep::CUDA::default().build().error_on_failure()),
    },
    Provider {
        name: "openvino",
        is_available: || ep::OpenVINO::is_available().unwrap_or(false),
        build: || Some(ep::OpenVINO::default().build().error_on_failure()),
    },
    Provider {
        name: CPU,
        is_available: || true,
        build: || None,
    },
];

/// `1.32`: the version that the library reports, without its patch level, which no safe call
/// returns.
fn version(path: &Path) -> String {
    ort::util::probe(path).map_or_else(
        || "of an unknown version".to_owned(),
        |minor| format!("1.{minor}"),
    )
}
