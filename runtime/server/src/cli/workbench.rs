//! What `check` and `run` work on: everything of a deploy, and nothing of a server.
//!
//! The state directory is shared with whoever serves from it: what is compiled here is compiled
//! there.

use std::path::PathBuf;
use std::sync::Arc;

use hotstage_core::limits::ServerLimits;
use hotstage_engine::engine::Engine;
use tokio::runtime::{Builder, Runtime};
use tracing_appender::non_blocking::WorkerGuard;

use super::allow::Bounds;
use super::{CliError, Common, Exit, console};
use crate::control::deploy::{Deployer, Failing, Loaded};
use crate::files::Allowed;
use crate::protocols;
use crate::state::store::{Access, Store};
use crate::telemetry::logging;

/// A deployer, and a thread to run it on.
pub(super) struct Workbench {
    deployer: Deployer,
    pub(super) runtime: Runtime,
    /// What a component prints while it is tried is for whoever tries it.
    _logging: WorkerGuard,
}

impl Workbench {
    pub(super) fn open(common: &Common, bounds: &Bounds) -> Result<Self, CliError> {
        let logging = logging::start(logging::Format::Text, "warn,guest=info");
        let store = Arc::new(Store::open(&common.state(), Access::Share)?);
        let engine =
            Engine::new(&common.engine()).map_err(|error| CliError::new(Exit::Defect, error))?;
        let mut deployer = Deployer::new(
            engine,
            store,
            common.boxes(),
            ServerLimits::default().queue,
            common.compilers(),
            protocols::ALL,
        );
        bounds.set(&mut deployer);
        // Whoever tries pipelines makes the first call, and looks at what comes of it.
        deployer.warms = false;
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| CliError::new(Exit::Defect, error))?;
        Ok(Self {
            deployer,
            runtime,
            _logging: logging,
        })
    }

    /// Everything that the manifests describe, checked; what becomes of golden tests that fail is
    /// the caller's choice.
    pub(super) fn load(&self, paths: &[PathBuf], failing: Failing) -> Result<Loaded, CliError> {
        Ok(self
            .runtime
            .block_on(self.deployer.load_as(paths, failing, &console::Steps))?)
    }

    /// The directories that manifests may reach.
    pub(super) fn allowed(&self) -> &Allowed {
        &self.deployer.allowed
    }
}
