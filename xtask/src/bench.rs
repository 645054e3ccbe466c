//! `cargo xtask bench`: the benchmarks, on what was just built.

use std::ffi::OsString;
use std::process::Command;

use crate::build;
use crate::peers;
use crate::run::{Outcome, check, step};
use crate::workspace::Workspace;

const PROGRAM: &str = "hotstage-bench";

/// Builds everything, then runs the benchmarks.
///
/// Numbers mean something on an idle machine only. `cargo xtask bench -- --help` lists what there is to measure;
/// `cargo xtask bench peers` measures other model servers in turns with ours, and takes `--help` as well.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Passed on to the benchmarks
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

pub(crate) fn main(args: &Args) -> Outcome {
    if let Some((first, rest)) = args.args.split_first()
        && first == "peers"
    {
        return peers::main(PROGRAM, rest);
    }
    let workspace = Workspace::read()?;
    build::all(&workspace)?;
    build::guests(&workspace)?;
    step("building the benchmarks", || build::program(&workspace, PROGRAM))?;
    let mut command = Command::new(workspace.program(PROGRAM));
    command.args(&args.args);
    workspace.export(&mut command);
    step("measuring", || check(&mut command))
}
