//! Pipelines in this process, made as the server makes them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hotstage::control::compiler::Compilers;
use hotstage::control::deploy::{ComponentDirs, Deployer, Quiet};
use hotstage::executors::compute::ComputePool;
use hotstage::protocols;
use hotstage::serving::pipeline::Pipeline;
use hotstage::state::store::{Access, Store};
use hotstage_core::compile_limits::CompileLimits;
use hotstage_engine::engine::{Engine, EngineOptions};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::Outcome;
use crate::origin::Origin;

/// What the server has around its pipelines: two runtimes, an engine and a store of its own.
pub(crate) struct Host {
    /// For short guests.
    pub(crate) io: Runtime,
    /// For long ones.
    pub(crate) compute: Runtime,
    deployer: Deployer,
    /// For manifests and state; gone afterwards.
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

    /// Where `Pipeline::infer` may move a chain.
    pub(crate) fn place(&self) -> ComputePool {
        ComputePool::new(self.compute.handle().clone())
    }

    /// The one pipeline of a manifest, with everything a server checks before it serves.
    pub(crate) fn load(&self, manifest: &Path) -> Outcome<Arc<Pipeline>> {
        let loaded = self
            .compute
            .block_on(self.deployer.load(&[manifest.to_owned()], &Quiet));
        Ok(loaded?
            .pipelines
            .pop()
            .ok_or("the manifest has no pipeline")?)
    }

    /// Puts a file where manifests of this host may name it.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Outcome<PathBuf> {
        let path = self.directory.path().join(name);
        std::fs::write(&path, bytes)?;
        Ok(path)
    }
}

/// One for all its threads, as the server has for long guests; its connections have one for each
/// thread.
fn runtime(name: &str) -> Outcome<Runtime> {
    Ok(Builder::new_multi_thread()
        .thread_name(name)
        .enable_all()
        .build()?)
}
