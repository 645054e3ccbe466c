//! ONNX Runtime: a shared library that is found and loaded when the first graph asks for it, or
//! never.
//!
//! Where to look is the caller's business ([`FindLibrary`]). What was loaded stays for the life of
//! the process.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use ort::ep::{self, ExecutionProvider as _, ExecutionProviderDispatch};

use super::GraphError;
use super::errors::plain;

/// The provider that every library has.
pub(super) const CPU: &str = "cpu";

/// Knows where ONNX Runtime is.
pub trait FindLibrary: fmt::Debug + Send + Sync {
    /// A library that can be loaded; or why there is none, and what would help.
    fn find(&self) -> Result<PathBuf, String>;
    /// Whether somebody named it: then nothing else will do.
    fn is_named(&self) -> bool;
}

/// Knows of no library.
#[derive(Clone, Copy, Debug)]
pub struct NoLibrary;

impl FindLibrary for NoLibrary {
    fn find(&self) -> Result<PathBuf, String> {
        Err("ONNX Runtime was not looked for".to_owned())
    }

    fn is_named(&self) -> bool {
        false
    }
}

/// What was loaded.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The library.
    pub path: PathBuf,
    /// Its version: `1.32`.
    pub version: String,
    /// Execution providers that it has, of those that a graph may ask for.
    pub providers: Vec<&'static str>,
}

/// Loads a library, and says what is in it.
pub fn probe(path: &Path) -> Result<Loaded, String> {
    Runtime::load(path).map(|runtime| runtime.about)
}

/// The library, once somebody needed it.
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

    /// Where it is; looked for once.
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
        // What is wrong comes back as an error, and is said there once.
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

/// An execution provider that a graph may ask for.
struct Provider {
    name: &'static str,
    is_available: fn() -> bool,
    /// None for the one that is always last.
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

/// `1.32`: what the library says of itself, without its patch level, which no safe call tells.
fn version(path: &Path) -> String {
    ort::util::probe(path).map_or_else(
        || "of an unknown version".to_owned(),
        |minor| format!("1.{minor}"),
    )
}
