//! From manifests on disk to pipelines that serve: read → resolve → compile → open → wire → golden
//! tests → warm.
//!
//! Beside the request path, never on it. Nothing is served that did not pass every step; a failure
//! at any of them leaves what is served untouched and says which step, where in which file, and
//! why. Whatever a manifest points at is in the store before anything is compiled, so a pipeline
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

/// What every deploy works with.
pub struct Deployer {
    /// Runs guests.
    pub engine: Engine,
    /// Keeps bytes.
    pub store: Arc<Store>,
    /// Where components with a mere name are looked for.
    pub boxes: ComponentDirs,
    /// Requests that may wait for a pipeline.
    pub queue: usize,
    /// Where pipelines that ask for it keep their answers.
    pub cache: Option<Arc<Cache>>,
    /// Where manifests may find files beside their own folders.
    pub allowed: Allowed,
    /// What a manifest may ask for under `limits`.
    pub ceiling: StageLimits,
    /// Whether a pipeline that computes a graph gets a call before the first client's.
    pub warms: bool,
    compilers: Compilers,
    /// What protocols prepare for each version.
    prepare: &'static [Prepare],
    shared: Arc<Shared>,
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
    /// Puts the parts together.
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

    /// From now on there are requests that compiling must not disturb.
    pub fn give_way(&self) {
        self.compilers.give_way();
    }

    /// Finds everything that a document points at, and keeps it in the store.
    pub fn resolve(&self, document: &Written, paths: Paths<'_>) -> Result<Material, DeployError> {
        resolve::resolve(document, self, paths)
    }

    /// The same for somebody who is told everything at once: where something is not found, the
    /// stages that have everything are opened nevertheless, to say what is wrong with them.
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

    /// Makes the pipeline, checks it, and keeps its canonical manifest in the store.
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
            // Whatever comes of it: it may be no request that makes sense.
            let _ = warm(&pipeline).await;
        }
        yield_to_requests();
        // So that a restart, or an auditor, finds what the digest stands for.
        self.store.put(material.manifest.canonical().as_bytes())?;
        Ok(pipeline)
    }

    /// Reads what a canonical manifest in the store describes.
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

    /// Makes the pipeline that was recorded. It passed its tests then, and stages are pure
    /// functions: they are not run again.
    pub async fn open(&self, unopened: &Unopened) -> Result<Pipeline, DeployError> {
        self.make(&unopened.document, &unopened.material, Tests::Skip, &Quiet)
            .await
    }

    /// Both: the pipeline of a canonical manifest in the store. A graph waits for its members.
    pub async fn restore(&self, called: &str, digest: &Digest) -> Result<Restored, DeployError> {
        match self.recorded(called, digest)? {
            Recorded::Graph(graph) => Ok(Restored::Graph(graph)),
            Recorded::Pipeline(unopened) => {
                Ok(Restored::Pipeline(Box::new(self.open(&unopened).await?)))
            }
        }
    }

    /// Forgets what no pipeline uses any more; says how many bytes of files that were.
    pub fn sweep(&self) -> u64 {
        self.shared.sweep()
    }
}

/// What a canonical manifest in the store describes.
pub enum Recorded {
    /// A pipeline.
    Pipeline(Box<Unopened>),
    /// A graph.
    Graph(Box<PendingGraph>),
}

/// A pipeline from the store whose stages are still to be compiled and opened.
pub struct Unopened {
    document: Written,
    material: Material,
}

/// What a canonical manifest in the store became.
pub enum Restored {
    /// Ready to serve.
    Pipeline(Box<Pipeline>),
    /// Still without its members.
    Graph(Box<PendingGraph>),
}

/// A graph from the store whose members are still to be found.
pub struct PendingGraph {
    /// Its canonical document.
    pub document: WrittenGraph,
    /// What that says.
    pub graph: ResolvedGraph,
}

/// Whether golden tests are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Tests {
    Run,
    Skip,
}
