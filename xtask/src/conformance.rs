//! `cargo xtask conformance`: runs the ONNX project's backend tests, each through a served
//! pipeline.
//!
//! Builds the server, creates `target/conformance/venv` from `tests/conformance/requirements.txt`,
//! and runs `tests/conformance/run.py`. Results, logs and the vectors with unexpected answers are
//! kept beside the environment. It takes some minutes for each engine; `cargo xtask test` does not
//! include it.

use std::path::PathBuf;
use std::process::Command;

use crate::run::{Outcome, check, step};
use crate::workspace::Workspace;
use crate::{build, python};

const ENGINES: [&str; 3] = ["onnxruntime", "tract", "onnx-sandboxed"];

/// Serves every backend test of the ONNX project, and compares the answers.
///
/// Fails if a vector that passed before does not pass now, and on a wrong answer, a failure, a
/// crash or a hang that tests/conformance/expected.json does not list.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Test only this engine; repeatable [default: onnxruntime and tract]
    #[arg(long, value_name = "NAME", value_parser = ENGINES)]
    engine: Vec<String>,
    /// Test only vectors whose folder.name contains this, such as node.test_conv
    #[arg(long, value_name = "FILTER")]
    only: Option<String>,
    /// Vectors tested at the same time
    #[arg(long, value_name = "N", default_value_t = 2)]
    jobs: u16,
    /// Folder for results, logs and failures [default: target/conformance]
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Rewrite docs/conformance.md and tests/conformance/expected.json
    #[arg(long, conflicts_with = "only")]
    update: bool,
    /// Path of the server program [default: built now]
    #[arg(long, value_name = "PATH", requires = "components")]
    program: Option<PathBuf>,
    /// Folder of its components
    #[arg(long, value_name = "DIR", requires = "program")]
    components: Option<PathBuf>,
}

pub(crate) fn main(args: &Args) -> Outcome {
    let workspace = Workspace::read()?;
    if args.program.is_none() {
        build::all(&workspace)?;
    }
    let here = workspace.root.join("tests/conformance");
    let place = workspace.target.join("conformance");
    let python = python::environment(
        &here.join("requirements.txt"),
        &place.join("venv"),
        "installing vectors",
    )?;
    let mut command = Command::new(python);
    command.arg(here.join("run.py"));
    command
        .arg("--program")
        .arg(args.program.clone().unwrap_or_else(|| workspace.binary()));
    command.arg("--components").arg(
        args.components
            .clone()
            .unwrap_or_else(|| workspace.components()),
    );
    command
        .arg("--output")
        .arg(args.output.as_ref().unwrap_or(&place));
    command.args(["--jobs", &args.jobs.max(1).to_string()]);
    for engine in &args.engine {
        command.args(["--engine", engine]);
    }
    if let Some(only) = &args.only {
        command.args(["--only", only]);
    }
    if args.update {
        command
            .arg("--update")
            .arg(workspace.root.join("docs/conformance.md"));
    }
    step("testing the vectors", || check(&mut command))
}
