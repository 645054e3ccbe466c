//! From a file to a graph on an engine: checks the file, chooses the engine, and falls back to the
//! other one.
//!
//! Runs where the graph will compute: in the server, or in a process of the graph's own. Default
//! (`auto`): ONNX Runtime if it is available; tract if it is not, or if ONNX Runtime refuses the
//! graph and no device is requested.

use bytes::Bytes;

use super::declared::{self, Declared};
use super::library::{self, Library, Runtime};
use super::registers::CleanAfter;
use super::{Choice, GraphError, Network, Options, onnxruntime, tract};

/// Characters of the reason that is kept with an engine's name.
const REASON_MAX: usize = 200;

/// Operators whose cost, or whose answer's size, depends on a value in the data rather than on its
/// shape.
const CHANGING: [&str; 14] = [
    "Compress",
    "ConstantOfShape",
    "Expand",
    "If",
    "Loop",
    "NonMaxSuppression",
    "NonZero",
    "OneHot",
    "Pad",
    "Range",
    "Resize",
    "Scan",
    "Tile",
    "Upsample",
];

/// A graph that an engine opened.
pub(super) struct Loaded {
    pub(super) network: Box<dyn Network>,
    /// The engine for messages, and why it is not the preferred one.
    pub(super) engine: String,
    /// Whether its cost depends on more than the shapes of its inputs.
    pub(super) changes_with_values: bool,
}

/// The path of ONNX Runtime, for a graph that may need it.
#[cfg(target_os = "linux")]
pub(super) fn library_path(
    library: &Library,
    options: &Options,
) -> Result<Option<std::path::PathBuf>, GraphError> {
    match options.engine {
        Choice::Tract => Ok(None),
        Choice::OnnxRuntime => library.path().map(Some).map_err(GraphError::Unavailable),
        Choice::Auto => match library.path() {
            Err(reason) if library.is_named() => Err(GraphError::Unavailable(reason)),
            found => Ok(found.ok()),
        },
    }
}

/// Opens the graph.
pub(super) fn load(
    library: &Library,
    bytes: &Bytes,
    options: &Options,
) -> Result<Loaded, GraphError> {
    // Constants are computed while a graph is prepared.
    let _clean = CleanAfter;
    let declared = declared::read(bytes)?;
    let changes_with_values = declared.uses(&CHANGING);
    let runtime = match options.engine {
        Choice::Tract => None,
        Choice::OnnxRuntime => Some(library.get().map_err(GraphError::Unavailable)?),
        Choice::Auto => match library.get() {
            Err(reason) if library.is_named() => return Err(GraphError::Unavailable(reason)),
            found => found.ok(),
        },
    };
    let (network, engine) = match runtime {
        None => on_tract(declared, options)?,
        Some(runtime) => match on_runtime(runtime, bytes, &declared, options) {
            Err(GraphError::Refused(reason))
                if options.engine == Choice::Auto && providers(options) == library::CPU =>
            {
                instead(runtime, &reason, declared, options)?
            }
            opened => opened?,
        },
    };
    Ok(Loaded {
        network,
        engine,
        changes_with_values,
    })
}

type Opened = (Box<dyn Network>, String);

fn on_tract(declared: Declared, options: &Options) -> Result<Opened, GraphError> {
    refuse_providers(options)?;
    Ok((
        Box::new(tract::Plan::open(declared, options)?),
        format!("tract {}", tract::VERSION),
    ))
}

fn on_runtime(
    runtime: &Runtime,
    bytes: &[u8],
    declared: &Declared,
    options: &Options,
) -> Result<Opened, GraphError> {
    let network = onnxruntime::Sessions::open(runtime, bytes, declared.ports.clone(), options)?;
    Ok((
        Box::new(network),
        format!("onnxruntime {} ({})", runtime.version(), providers(options)),
    ))
}

/// Opens the graph on tract, where ONNX Runtime refused it for this reason.
fn instead(
    runtime: &Runtime,
    reason: &str,
    declared: Declared,
    options: &Options,
) -> Result<Opened, GraphError> {
    match on_tract(declared, options) {
        Ok((network, engine)) => {
            let reason: String = reason
                .chars()
                .filter(|character| !character.is_control())
                .take(REASON_MAX)
                .collect();
            let first = runtime.version();
            tracing::warn!(engine, onnxruntime = first, %reason, "a graph is computed by the other engine");
            Ok((network, format!("{engine}, as: {reason}")))
        }
        Err(GraphError::Refused(other)) if other != reason => {
            Err(GraphError::Refused(format!("{reason}; and {other}")))
        }
        Err(error) => Err(error),
    }
}

fn providers(options: &Options) -> String {
    let named: Vec<&str> = options
        .providers
        .iter()
        .map(String::as_str)
        .filter(|name| *name != library::CPU)
        .collect();
    named
        .into_iter()
        .chain([library::CPU])
        .collect::<Vec<_>>()
        .join(", ")
}

fn refuse_providers(options: &Options) -> Result<(), GraphError> {
    match options.providers.iter().find(|name| *name != library::CPU) {
        None => Ok(()),
        Some(name) => Err(GraphError::Unavailable(format!(
            "execution provider `{name}` needs ONNX Runtime, and the engine here is tract, which has `cpu` alone"
        ))),
    }
}
