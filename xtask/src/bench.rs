//! `cargo xtask bench`: builds everything and runs the benchmarks.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use crate::build;
use crate::peers;
use crate::run::{Outcome, Stop, check, step};
use crate::workspace::{SERVER, Workspace};

/// The benchmark program; it includes the floor.
pub(crate) const PROGRAM: &str = "hotstage-bench";

/// Builds everything, then runs the benchmarks.
///
/// Results are meaningful on an idle machine only. `cargo xtask bench -- --help` lists the
/// benchmarks; `cargo xtask bench peers` compares with other model servers and has its own
/// `--help`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Measure target/dist, which `cargo xtask dist --with-bench` made, and build only guests
    #[arg(long)]
    dist: bool,
    /// Arguments for the benchmarks
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// Which build is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Build {
    /// The release profile, built now.
    Release,
    /// The distribution in target/dist, as it is.
    Dist,
}

impl Build {
    /// The benchmark program, after everything that it measures is built.
    pub(crate) fn program(self, workspace: &Workspace) -> Outcome<PathBuf> {
        if self == Self::Release {
            build::all(workspace)?;
            step("building the benchmarks", || {
                build::program(workspace, PROGRAM)
            })?;
            return Ok(workspace.program(PROGRAM));
        }
        let place = workspace.dist();
        match [SERVER, PROGRAM]
            .map(|name| place.join(name))
            .into_iter()
            .find(|path| !path.is_file())
        {
            Some(missing) => {
                let missing = workspace.short(&missing).display();
                Err(Stop::new(format!(
                    "{missing} does not exist; `cargo xtask dist --with-bench` makes it"
                )))
            }
            None => Ok(place.join(PROGRAM)),
        }
    }

    /// Sets the environment variables with the paths of the build.
    pub(crate) fn export(self, workspace: &Workspace, command: &mut Command) {
        workspace.export(command);
        if self == Self::Dist {
            let place = workspace.dist();
            command
                .env("HOTSTAGE_BIN", place.join(SERVER))
                .env("HOTSTAGE_COMPONENTS", place.join("components"));
        }
    }
}

pub(crate) fn main(args: &Args) -> Outcome {
    let what = if args.dist {
        Build::Dist
    } else {
        Build::Release
    };
    if let Some((first, rest)) = args.args.split_first()
        && first == "peers"
    {
        return peers::main(what, rest);
    }
    let workspace = Workspace::read()?;
    let program = what.program(&workspace)?;
    build::guests(&workspace)?;
    let mut command = Command::new(program);
    command.args(&args.args);
    what.export(&workspace, &mut command);
    step("measuring", || check(&mut command))
}
