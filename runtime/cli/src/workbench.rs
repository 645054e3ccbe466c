//! What `check` and `run` use: all steps of a deployment, and no server.
//!
//! The state directory may belong to a server that runs: components compiled here are in its cache
//! too.

use std::path::PathBuf;
use std::sync::Arc;

use hotstage_core::limits::ServerLimits;
use hotstage_engine::engine::Engine;
use tokio::runtime::{Builder, Runtime};
use tracing_appender::non_blocking::WorkerGuard;

use super::allow::Bounds;
use super::{CliError, Common, Exit, console};
use hotstage_server::control::deploy::{Deployer, Failing, Loaded};
use hotstage_server::files::Allowed;
use hotstage_server::protocols;
use hotstage_server::state::store::{Access, Store};
use hotstage_server::telemetry::logging;

/// A deployer, and a runtime for it.
pub(super) struct Workbench {
    deployer: Deployer,
    pub(super) runtime: Runtime,
    /// Keeps the log open: guests' log lines go to the person who tries the pipeline.
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
            common.component_dirs(),
            ServerLimits::default().queue,
            common.compilers(),
            protocols::ALL,
        );
        bounds.set(&mut deployer);
        // `check` and `run` make the first call themselves and report its result.
        deployer.warms = false;
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| CliError::new(Exit::Defect, error))?;
        Ok(Self {
            deployer,
            runtime,
            _logging: logging,
        })
    }

    /// Loads and checks everything that the manifests describe. `failing` decides what a failing
    /// golden test does.
    pub(super) fn load(&self, paths: &[PathBuf], failing: Failing) -> Result<Loaded, CliError> {
        Ok(self
            .runtime
            .block_on(self.deployer.load_as(paths, failing, &console::Steps))?)
    }

    /// The directories that manifests may refer to.
    pub(super) fn allowed(&self) -> &Allowed {
        &self.deployer.allowed
    }
}
