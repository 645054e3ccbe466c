//! The Python that the client tests run: `target/venv`, made from `tests/clients/requirements.txt`.
//!
//! A test that drives somebody else's client lives in a module named `clients` of the black-box
//! suite. Where the packages can't be had, those tests are left out by name, so that they count as
//! skipped and never as passed.

use std::path::PathBuf;

use crate::python;
use crate::run::Outcome;
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
    /// Missing clients are an error where `required`: an automated run must not turn green because
    /// it tested less.
    pub(crate) fn prepare(workspace: &Workspace, required: bool) -> Outcome<Self> {
        let wanted = workspace.root.join("tests/clients/requirements.txt");
        if !wanted.exists() {
            return Ok(Self::Missing(format!(
                "{} is not there",
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
