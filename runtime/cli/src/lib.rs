//! The command line: one file for each verb, which parses its arguments, does its work and prints.
//!
//! Exit codes are part of the public interface: see [`Exit`].

mod allow;
mod ceilings;
mod check;
mod compiling;
mod console;
mod engines;
pub mod fuzzing;
mod goldens;
mod graph_flags;
mod infer;
mod recover;
mod remote;
mod run;
mod serve;
mod target;
mod workbench;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory as _, Parser, Subcommand};
use hotstage_engine::engine::EngineOptions;

use self::graph_flags::GraphFlags;
use hotstage_server::control::compiler::{Compilers, worker};
use hotstage_server::control::deploy::{ComponentDirs, DeployError};
use hotstage_server::control::onnxruntime::{Finder, graph_process};
use hotstage_server::control::{ControlError, ErrorKind};
use hotstage_server::state::store::{StoreError, default_directory};

/// Serve machine-learning pipelines made of sandboxed WebAssembly stages.
#[derive(Debug, Parser)]
#[command(name = "hotstage", version, max_term_width = 100, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

const EXIT_CODES: &str = "Exit codes: 0 done · 1 a defect of the program · 2 wrong arguments · 3 a manifest or what \
it points at is refused · 4 the state directory can't be used · 5 the disk is full · 6 the address can't be listened \
on · 7 the server can't be reached · 8 the server refused the request · 9 there are differences · \
10 requests in flight were cut off";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Serve pipelines over HTTP.
    Serve(serve::Args),
    /// Check pipelines and run their golden tests, without serving them.
    Check(check::Args),
    /// Run one request through a pipeline without a server, and show what each stage costs.
    Run(run::Args),
    /// Send rows or a request to a server, and print the answer.
    Infer(infer::Args),
    #[command(flatten)]
    Remote(remote::Verb),
    /// List the engines for ONNX graphs on this machine.
    Engines(engines::Args),
    /// Repair a damaged journal: keep the revisions before the damage.
    Recover(recover::Args),
    /// Run one ONNX graph for the server that started this process.
    #[command(hide = true)]
    GraphProcess,
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Success.
    Done = 0,
    /// A defect of this program or of the machine.
    Defect = 1,
    /// Wrong arguments (clap's own code).
    Usage = 2,
    /// A manifest, or a file that it refers to, is refused.
    Refused = 3,
    /// The state directory can't be used.
    State = 4,
    /// The disk is full.
    DiskFull = 5,
    /// The address can't be listened on.
    Address = 6,
    /// The server can't be reached.
    Unreachable = 7,
    /// The server refused the request.
    Failed = 8,
    /// What is served differs from the manifests.
    Different = 9,
    /// Requests in flight were cut off.
    CutOff = 10,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command failed: an exit code and a message.
struct CliError {
    exit: Exit,
    message: String,
}

impl CliError {
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers pass errors by value"
    )]
    fn new(exit: Exit, message: impl ToString) -> Self {
        Self {
            exit,
            message: message.to_string(),
        }
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        let exit = match error {
            StoreError::Full { .. } => Exit::DiskFull,
            _ => Exit::State,
        };
        Self::new(exit, error)
    }
}

impl From<ControlError> for CliError {
    fn from(error: ControlError) -> Self {
        let exit = match error.kind {
            ErrorKind::Invalid | ErrorKind::NotFound | ErrorKind::Conflict | ErrorKind::Refused => {
                Exit::Refused
            }
            ErrorKind::Full => Exit::DiskFull,
            ErrorKind::Defect => Exit::State,
        };
        Self::new(exit, error)
    }
}

impl From<DeployError> for CliError {
    fn from(error: DeployError) -> Self {
        match error {
            DeployError::Store(error) => error.into(),
            DeployError::Refused(_) => Self::new(Exit::Refused, error),
        }
    }
}

/// Options of every verb that opens pipelines.
#[derive(Debug, clap::Args)]
struct Common {
    /// Directory for components, files and compiled code [default: the user's state folder,
    /// ~/.local/state/hotstage].
    #[arg(long, value_name = "DIR", env = "HOTSTAGE_STATE")]
    state: Option<PathBuf>,
    /// Folder of the components that manifests refer to by name alone [default: beside the
    /// program].
    #[arg(long, value_name = "DIR", env = "HOTSTAGE_COMPONENTS")]
    components: Option<PathBuf>,
    /// ONNX Runtime's library, or the folder that holds it [default: searched; `hotstage engines`
    /// shows where].
    #[arg(long, value_name = "PATH", env = "HOTSTAGE_ONNXRUNTIME")]
    onnxruntime: Option<PathBuf>,
    #[command(flatten)]
    compiling: compiling::Args,
    #[command(flatten)]
    graphs: GraphFlags,
}

impl Common {
    fn state(&self) -> PathBuf {
        state_directory(self.state.as_deref())
    }

    /// How graphs find ONNX Runtime.
    fn onnxruntime(&self) -> Arc<Finder> {
        Arc::new(Finder {
            named: self.onnxruntime.clone(),
        })
    }

    /// The processes that compile components.
    fn compilers(&self) -> Compilers {
        Compilers::new(self.compiling.limits())
    }

    /// The engine options that all verbs share.
    fn engine(&self) -> EngineOptions {
        let (onnxruntime, policy, launch) =
            (self.onnxruntime(), self.graphs.policy(), graph_process());
        EngineOptions {
            onnxruntime,
            policy,
            launch,
            ..EngineOptions::default()
        }
    }

    fn component_dirs(&self) -> ComponentDirs {
        ComponentDirs::new(self.components.clone())
    }
}

/// The given state directory, or the user's.
fn state_directory(named: Option<&Path>) -> PathBuf {
    let from = |name| std::env::var_os(name).map(PathBuf::from);
    named.map_or_else(
        || default_directory(from("XDG_STATE_HOME"), from("HOME")),
        Path::to_owned,
    )
}

#[cfg(target_os = "linux")]
fn graph_work() -> Result<Exit, CliError> {
    hotstage_onnx::work()
        .map(|()| Exit::Done)
        .map_err(|error| CliError::new(Exit::Defect, error))
}

#[cfg(not(target_os = "linux"))]
fn graph_work() -> Result<Exit, CliError> {
    Err(CliError::new(
        Exit::Usage,
        "graph processes are supported on Linux only",
    ))
}

/// Parses the arguments and runs the verb.
pub fn main() -> ExitCode {
    if worker::is_one() {
        return worker::main();
    }
    let ending = match Cli::parse().verb {
        Verb::Serve(args) => serve::run(&args),
        Verb::Check(args) => check::run(&args).map(|()| Exit::Done),
        Verb::Run(args) => run::run(&args).map(|()| Exit::Done),
        Verb::Infer(args) => infer::run(&args).map(|()| Exit::Done),
        Verb::Engines(args) => engines::run(&args).map(|()| Exit::Done),
        Verb::Recover(args) => recover::run(&args).map(|()| Exit::Done),
        Verb::GraphProcess => graph_work(),
        Verb::Remote(verb) => remote::run(&verb),
        Verb::Completions { shell } => {
            clap_complete::generate(
                shell,
                &mut Cli::command(),
                "hotstage",
                &mut std::io::stdout(),
            );
            Ok(Exit::Done)
        }
    };
    match ending {
        Ok(exit) => exit.into(),
        Err(CliError { exit, message }) => {
            console::error(&message);
            exit.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
