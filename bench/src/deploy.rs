//! Pipelines in this process, built as the server builds them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hotstage_core::compile_limits::CompileLimits;
use hotstage_engine::engine::{Engine, EngineOptions};
use hotstage_server::control::compiler::Compilers;
use hotstage_server::control::deploy::{ComponentDirs, Deployer, Quiet};
use hotstage_server::executors::compute::ComputePool;
use hotstage_server::protocols;
use hotstage_server::serving::pipeline::Pipeline;
use hotstage_server::state::store::{Access, Store};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::Outcome;
use crate::origin::Origin;

/// What a server needs for its pipelines: two runtimes, an engine and a store.
pub(crate) struct Host {
    /// For short guest calls.
    pub(crate) io: Runtime,
    /// For long guest calls.
    pub(crate) compute: Runtime,
    deployer: Deployer,
    /// For manifests and state; removed at the end.
    directory: TempDir,
}

impl Host {
    pub(crate) fn open(origin: &Origin) -> Outcome<Self> {
        let directory = tempfile::tempdir()?;
        let store = Store::open(&directory.path().join("state"), Access::Share)?;
        let engine = Engine::new(&EngineOptions::default())?;
        let boxes = ComponentDirs(vec![origin.components.clone(), origin.guests.clone()]);
        let compilers = Compilers::new(CompileLimits::default());
        let deployer = Deployer::new(engine, store.into(), boxes, 1024, compilers, protocols::ALL);
        Ok(Self {
            io: runtime("io")?,
            compute: runtime("compute")?,
            deployer,
            directory,
        })
    }

    /// The compute pool for `Pipeline::infer`.
    pub(crate) fn place(&self) -> ComputePool {
        ComputePool::new(self.compute.handle().clone())
    }

    /// The one pipeline of a manifest, after all checks of the server.
    pub(crate) fn load(&self, manifest: &Path) -> Outcome<Arc<Pipeline>> {
        let loaded = self
            .compute
            .block_on(self.deployer.load(&[manifest.to_owned()], &Quiet));
        Ok(loaded?
            .pipelines
            .pop()
            .ok_or("the manifest has no pipeline")?)
    }

    /// Writes a file to the folder that manifests of this host may refer to.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Outcome<PathBuf> {
        let path = self.directory.path().join(name);
        std::fs::write(&path, bytes)?;
        Ok(path)
    }
}

/// One shard of counters for all threads of the runtime, as in the server's compute pool; I/O
/// threads have one each.
fn runtime(name: &str) -> Outcome<Runtime> {
    Ok(Builder::new_multi_thread()
        .thread_name(name)
        .enable_all()
        .build()?)
}
