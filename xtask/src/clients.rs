//! The Python environment of the client tests: `target/venv`, made from
//! `tests/clients/requirements.txt`.
//!
//! A test that runs a third-party client is in a module named `clients` of the black-box suite. If
//! the packages can't be installed, libtest skips those tests by name, so that they count as
//! skipped and never as passed.

use std::path::PathBuf;

use crate::python;
use crate::run::Outcome;
use crate::workspace::Workspace;

/// The filter that skips the client tests.
pub(crate) const TESTS: &str = "clients::";

/// Whether the client tests can run.
pub(crate) enum Clients {
    /// Yes, with this interpreter.
    Ready(PathBuf),
    /// No; the text says why and what to do.
    Missing(String),
}

impl Clients {
    /// Creates or updates the environment.
    ///
    /// Missing clients are an error if `required`: a CI run must not pass because it tested less.
    pub(crate) fn prepare(workspace: &Workspace, required: bool) -> Outcome<Self> {
        let wanted = workspace.root.join("tests/clients/requirements.txt");
        if !wanted.exists() {
            return Ok(Self::Missing(format!(
                "{} does not exist",
                workspace.short(&wanted).display()
            )));
        }
        match python::environment(
            &wanted,
            &workspace.target.join("venv"),
            "installing clients",
        ) {
            Ok(python) => Ok(Self::Ready(python)),
            Err(stop) if required => Err(stop),
            Err(stop) => Ok(Self::Missing(stop.to_string())),
        }
    }
}
