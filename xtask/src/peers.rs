//! `cargo xtask bench peers`: compares Hotstage with other model servers on the same ONNX file.
//!
//! The harness is in `bench/peers` and uses Python's standard library only; `--help` lists its
//! options. Environments, models and results are in `target/peers`. Everything that is measured is
//! built first, unless `HOTSTAGE_BIN` names a server: then that server is measured, with the
//! components of `HOTSTAGE_COMPONENTS`.

use std::env;
use std::ffi::OsString;
use std::process::Command;

use crate::bench::Build;
use crate::run::{Outcome, check};
use crate::workspace::Workspace;

/// Options with which nothing is measured.
const WITHOUT_SERVERS: [&str; 3] = ["-h", "--help", "--from"];

pub(crate) fn main(what: Build, args: &[OsString]) -> Outcome {
    let workspace = Workspace::read()?;
    let mut command = Command::new("python3");
    // Prevents compiled Python files in the source tree.
    command
        .arg("-B")
        .arg(workspace.root.join("bench/peers"))
        .args(args)
        .env("CARGO_TARGET_DIR", &workspace.target);
    let measures = !args.iter().any(|arg| {
        WITHOUT_SERVERS
            .iter()
            .any(|known| arg.to_string_lossy().starts_with(known))
    });
    if measures && env::var_os("HOTSTAGE_BIN").is_none() {
        let floor = what.program(&workspace)?;
        what.export(&workspace, &mut command);
        command.env("HOTSTAGE_BENCH", floor);
    }
    check(&mut command)
}
