//! From manifests to pipelines that are ready to serve: read → resolve → compile → open → wire →
//! golden tests → warm.
//!
//! This runs off the request path. A pipeline must pass every step; a failure leaves what is served
//! unchanged and names the step, the file and position, and the reason. All referenced bytes are in
//! the blob store before anything is compiled, so a pipeline never depends on a path afterwards.
//! never depends on a path again.

mod ceilings;
mod golden;
mod graph;
mod load;
mod open;
mod progress;
mod read;
mod resolve;
mod shared;
mod transient;
mod unused;
mod warm;

use std::collections::BTreeMap;
use std::sync::Arc;

use hotstage_core::digest::Digest;
use hotstage_core::graph::ResolvedGraph;
use hotstage_core::limits::StageLimits;
use hotstage_core::manifest::{KeyPath, Place, Problem, Problems, Resolved, Written, WrittenGraph};
use hotstage_engine::engine::Engine;

pub use self::golden::{Named, Outcome};
pub use self::graph::{in_order, pinned};
pub use self::load::{Failed, Failing, Loaded};
pub use self::open::Opened;
pub use self::progress::{Progress, Quiet};
pub use self::read::{documents, sent, texts};
pub use self::resolve::{ComponentDirs, Material, Paths};
use self::shared::Shared;
pub use self::warm::{Unwarmed, warm};
use crate::control::compiler::Compilers;
use crate::executors::compute::yield_to_requests;
use crate::extensions::Prepare;
use crate::files::Allowed;
use crate::serving::cache::Cache;
use crate::serving::pipeline::Pipeline;
use crate::state::store::{Store, StoreError};

/// Shared parts of every deployment.
pub struct Deployer {
    /// Runs guests.
    pub engine: Engine,
    /// The blob store.
    pub store: Arc<Store>,
    /// Folders that are searched for components named without a path.
    pub boxes: ComponentDirs,
    /// Maximum number of requests that may wait for a pipeline.
    pub queue: usize,
    /// Cache for the answers of pipelines with `cache: true`.
    pub cache: Option<Arc<Cache>>,
    /// Directories outside the manifest's folder that manifests may read.
    pub allowed: Allowed,
    /// Ceilings for `limits` in manifests.
    pub ceiling: StageLimits,
    /// Whether a pipeline with an inference graph gets a warm-up call before the first request.
    pub warms: bool,
    compilers: Compilers,
    /// What each protocol prepares for a version.
    prepare: &'static [Prepare],
    shared: Arc<Shared>,
}

/// Why a deployment failed.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// The manifests, or what they reference, are wrong. One line per problem.
    #[error("{0}")]
    Refused(Problems),
    /// The store failed.
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
    /// Creates a deployer from its parts.
    pub fn new(
        engine: Engine,
        store: Arc<Store>,
        boxes: ComponentDirs,
        queue: usize,
        compilers: Compilers,
        prepare: &'static [Prepare],
    ) -> Self {
        let shared = Arc::new(Shared::new(Arc::clone(&store)));
        let (allowed, ceiling) = (Allowed::default(), StageLimits::ceiling());
        Self {
            engine,
            store,
            boxes,
            queue,
            cache: None,
            allowed,
            ceiling,
            warms: true,
            compilers,
            prepare,
            shared,
        }
    }

    /// From now on, compilation must not disturb requests.
    pub fn give_way(&self) {
        self.compilers.give_way();
    }

    /// Resolves everything that a document references, and stores it.
    pub fn resolve(&self, document: &Written, paths: Paths<'_>) -> Result<Material, DeployError> {
        resolve::resolve(document, self, paths)
    }

    /// The same, but reports all problems at once: when a reference is missing, the complete stages
    /// are opened nevertheless, to check them too.
    pub async fn resolve_or_explain(
        &self,
        document: &Written,
        paths: Paths<'_>,
        progress: &dyn Progress,
    ) -> Result<Material, DeployError> {
        let (material, mut problems) = resolve::resolve_partly(document, self, paths)?;
        if problems.is_empty() {
            return Ok(material);
        }
        problems.append(ceilings::check(&self.ceiling, document, &material.manifest));
        match Box::pin(open::stages(self, document, &material, progress)).await {
            Ok(_) => {}
            Err(DeployError::Refused(more)) => problems.append(more),
            Err(error) => return Err(error),
        }
        problems.sort();
        Err(problems.into())
    }

    /// Builds and checks the pipeline, and stores its canonical manifest.
    pub async fn make(
        &self,
        document: &Written,
        material: &Material,
        tests: Tests,
        progress: &dyn Progress,
    ) -> Result<Pipeline, DeployError> {
        ceilings::check(&self.ceiling, document, &material.manifest).or(())?;
        let (opened, compiled) = open::stages(self, document, material, progress).await?;
        let mut pipeline = open::wire(document, material, opened, self.queue, self.prepare)?;
        pipeline.made.compiled = compiled;
        pipeline.cache = self.cache.clone().filter(|_| material.manifest.cache);
        if tests == Tests::Run {
            yield_to_requests();
            let problem = |path: &KeyPath, message| document.problem(path, message);
            let document_of = |digest: &Digest| material.document(digest);
            golden::run(
                &material.manifest.tests,
                document_of,
                problem,
                &pipeline,
                progress,
            )
            .await?;
            pipeline.made.tests = u32::try_from(material.manifest.tests.len()).unwrap_or(u32::MAX);
        }
        let computes = pipeline
            .steps()
            .iter()
            .any(|step| !step.stage.engines().is_empty());
        if self.warms && computes && (tests == Tests::Skip || material.manifest.tests.is_empty()) {
            // The result is ignored: a stage may reject the made-up request.
            let _ = warm(&pipeline).await;
        }
        yield_to_requests();
        // A restart or an audit finds the manifest by its digest.
        self.store.put(material.manifest.canonical().as_bytes())?;
        Ok(pipeline)
    }

    /// Reads a canonical manifest from the store.
    pub fn recorded(&self, called: &str, digest: &Digest) -> Result<Recorded, DeployError> {
        let gone = |message: String| {
            let file = called.into();
            Problem {
                file,
                place: Place::START,
                path: KeyPath::default(),
                message,
            }
        };
        let text = self
            .store
            .get(digest)?
            .ok_or_else(|| gone(format!("its manifest {digest} is not in the store")))?;
        let text = String::from_utf8_lossy(&text);
        if let Ok((document, graph)) = ResolvedGraph::read(called, &text) {
            return Ok(Recorded::Graph(Box::new(PendingGraph { document, graph })));
        }
        let (document, _) =
            Resolved::read(called, &text).map_err(|error| gone(format!("{digest} is {error}")))?;
        let material = self.resolve(&document, Paths::Sent(&BTreeMap::new()))?;
        Ok(Recorded::Pipeline(Box::new(Unopened {
            document,
            material,
        })))
    }

    /// Bytes of its components that must be compiled before it can be opened.
    pub fn bytes_to_compile(&self, unopened: &Unopened) -> u64 {
        let stages = unopened.material.manifest.stages.iter();
        let missing = stages.filter(|stage| {
            self.shared.compiled(stage.component, stage.role).is_none()
                && !self.engine.is_cached(&stage.component, &*self.store)
        });
        missing
            .map(|stage| self.store.size(&stage.component).unwrap_or_default())
            .sum()
    }

    /// Opens a recorded pipeline. It passed its golden tests when it was applied, and stages are
    /// pure functions, so the tests are not run again.
    pub async fn open(&self, unopened: &Unopened) -> Result<Pipeline, DeployError> {
        self.make(&unopened.document, &unopened.material, Tests::Skip, &Quiet)
            .await
    }

    /// Reads and opens the pipeline of a canonical manifest. A graph is returned without its
    /// members.
    pub async fn restore(&self, called: &str, digest: &Digest) -> Result<Restored, DeployError> {
        match self.recorded(called, digest)? {
            Recorded::Graph(graph) => Ok(Restored::Graph(graph)),
            Recorded::Pipeline(unopened) => {
                Ok(Restored::Pipeline(Box::new(self.open(&unopened).await?)))
            }
        }
    }

    /// Drops shared data that no pipeline uses; returns the freed bytes of files.
    pub fn sweep(&self) -> u64 {
        self.shared.sweep()
    }
}

/// Content of a canonical manifest.
pub enum Recorded {
    /// A pipeline.
    Pipeline(Box<Unopened>),
    /// A graph.
    Graph(Box<PendingGraph>),
}

/// A pipeline from the store whose stages are not yet compiled and opened.
pub struct Unopened {
    document: Written,
    material: Material,
}

/// Result of restoring a canonical manifest.
pub enum Restored {
    /// Ready to serve.
    Pipeline(Box<Pipeline>),
    /// A graph whose members are not yet linked.
    Graph(Box<PendingGraph>),
}

/// A graph from the store whose members are not yet linked.
pub struct PendingGraph {
    /// The canonical document.
    pub document: WrittenGraph,
    /// The parsed document.
    pub graph: ResolvedGraph,
}

/// Whether golden tests are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Tests {
    Run,
    Skip,
}
