//! From manifests on disk to pipelines that serve: read → resolve → compile → open → wire → golden tests → warm.
//!
//! Beside the request path, never on it. Nothing is served that did not pass every step; a failure at any of them
//! leaves what is served untouched and says which step, where in which file, and why. Whatever a manifest points at is
//! in the store before anything is compiled, so a pipeline never depends on a path again.

mod golden;
mod open;
mod progress;
mod read;
mod resolve;

use std::path::PathBuf;
use std::sync::Arc;

use hotstage_core::manifest::{Problem, Problems, Written};
use hotstage_engine::engine::Engine;

pub use self::open::Opened;
pub use self::progress::{Progress, Quiet};
pub use self::resolve::Boxes;
use crate::pipeline::Pipeline;
use crate::store::{Store, StoreError};

/// What every deploy works with.
pub struct Deployer {
    /// Runs guests.
    pub engine: Engine,
    /// Keeps bytes.
    pub store: Store,
    /// Where components with a mere name are looked for.
    pub boxes: Boxes,
    /// Requests that may wait for a pipeline.
    pub queue: usize,
}

/// Why nothing was deployed.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// The manifests, or what they point at, are wrong. One line each.
    #[error("{0}")]
    Refused(Problems),
    /// The store can't do its work.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Problems> for DeployError {
    fn from(problems: Problems) -> Self {
        Self::Refused(problems)
    }
}

impl From<Problem> for DeployError {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem.into())
    }
}

impl Deployer {
    /// Makes pipelines of all documents of the paths, or says everything that is wrong with any of them.
    pub async fn load(&self, paths: &[PathBuf], progress: &dyn Progress) -> Result<Vec<Arc<Pipeline>>, DeployError> {
        let documents = read::documents(paths)?;
        let mut problems = Problems::default();
        let mut pipelines = Vec::new();
        for document in &documents {
            match self.make(document, progress).await {
                Ok(pipeline) => pipelines.push(Arc::new(pipeline)),
                Err(DeployError::Refused(found)) => problems.append(found),
                Err(error) => return Err(error),
            }
        }
        Ok(problems.or(pipelines)?)
    }

    async fn make(&self, document: &Written, progress: &dyn Progress) -> Result<Pipeline, DeployError> {
        let material = resolve::resolve(document, &self.store, &self.boxes)?;
        let opened = open::stages(self, document, &material, progress).await?;
        let pipeline = open::wire(document, &material, opened, self.queue)?;
        golden::run(document, &material, &pipeline, progress).await?;
        // So that a restart, or an auditor, finds what the digest stands for.
        self.store.put(material.manifest.canonical().as_bytes())?;
        Ok(pipeline)
    }
}
