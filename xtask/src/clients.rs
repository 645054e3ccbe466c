//! The Python that the client tests run: `target/venv`, made from `tests/clients/requirements.txt`.
//!
//! A test that drives somebody else's client lives in a module named `clients` of the black-box suite. Where the
//! packages can't be had, those tests are left out by name, so that they count as skipped and never as passed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{Outcome, Stop, check, step};
use crate::workspace::Workspace;

/// What libtest leaves out where there is no client to test with.
pub(crate) const TESTS: &str = "clients::";

/// Whether the client tests can run.
pub(crate) enum Clients {
    /// With this interpreter.
    Ready(PathBuf),
    /// No, and here is why and what to do.
    Missing(String),
}

impl Clients {
    /// Makes the environment, or brings it up to date.
    ///
    /// Missing clients are an error where `required`: an automated run must not turn green because it tested less.
    pub(crate) fn prepare(workspace: &Workspace, required: bool) -> Outcome<Self> {
        let wanted = workspace.root.join("tests/clients/requirements.txt");
        let Ok(requirements) = fs::read_to_string(&wanted) else {
            return Ok(Self::Missing(format!("{} is not there", workspace.short(&wanted).display())));
        };
        let venv = workspace.target.join("venv");
        let python = venv.join("bin/python");
        // Written last: an environment that was interrupted half-way has none and is made again.
        let stamp = venv.join("installed.txt");
        let is_current = python.exists() && fs::read_to_string(&stamp).is_ok_and(|had| had == requirements);
        if !is_current && let Err(stop) = step("installing clients", || install(&wanted, &venv, &python)) {
            let why = format!("{stop}; install Python 3 with its venv module and see that pip reaches an index");
            return if required { Err(Stop::new(why)) } else { Ok(Self::Missing(why)) };
        }
        // A stamp that can't be written costs the next run the same installation again, nothing else.
        let _ = fs::write(&stamp, requirements);
        Ok(Self::Ready(python))
    }
}

fn install(wanted: &Path, venv: &Path, python: &Path) -> Outcome {
    check(Command::new("python3").args(["-m", "venv", "--clear"]).arg(venv))?;
    let quiet = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
    check(Command::new(python).args(quiet).arg(wanted))
}
