//! From manifests on disk to pipelines that serve: read → resolve → compile → open → wire → golden tests → warm.
//!
//! Beside the request path, never on it. Nothing is served that did not pass every step; a failure at any of them
//! leaves what is served untouched and says which step, where in which file, and why. Whatever a manifest points at is
//! in the store before anything is compiled, so a pipeline never depends on a path again.

mod golden;
mod graph;
mod open;
mod progress;
mod read;
mod resolve;
mod shared;
mod transient;
mod warm;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use hotstage_core::digest::Digest;
use hotstage_core::graph::ResolvedGraph;
use hotstage_core::manifest::{
    KeyPath, Place, Problem, Problems, Resolved, Written, WrittenGraph, WrittenRollout, WrittenRoute,
};
use hotstage_engine::engine::Engine;

pub use self::graph::{in_order, pinned};
pub use self::open::Opened;
pub use self::progress::{Progress, Quiet};
pub use self::read::{documents, sent, texts};
pub use self::resolve::{Boxes, Material, Paths};
use self::shared::Shared;
use crate::cache::Cache;
use crate::compiler::Compilers;
use crate::pipeline::Pipeline;
use crate::place::make_way;
use crate::routing::{Routing, Unfit};
use crate::store::{Store, StoreError};

/// What every deploy works with.
pub struct Deployer {
    /// Runs guests.
    pub engine: Engine,
    /// Keeps bytes.
    pub store: Arc<Store>,
    /// Where components with a mere name are looked for.
    pub boxes: Boxes,
    /// Requests that may wait for a pipeline.
    pub queue: usize,
    /// Where pipelines that ask for it keep their answers.
    pub cache: Option<Arc<Cache>>,
    compilers: Compilers,
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
    pub fn new(engine: Engine, store: Arc<Store>, boxes: Boxes, queue: usize, compilers: Compilers) -> Self {
        let shared = Arc::new(Shared::new(Arc::clone(&store)));
        Self { engine, store, boxes, queue, cache: None, compilers, shared }
    }

    /// Makes pipelines of all documents of the paths, or says everything that is wrong with any of them.
    pub async fn load(&self, paths: &[PathBuf], progress: &dyn Progress) -> Result<Loaded, DeployError> {
        let documents = documents(paths)?;
        let mut problems = Problems::default();
        let mut pipelines = Vec::new();
        for document in &documents.pipelines {
            let made = async { self.make(document, &self.resolve(document, Paths::Disk)?, Tests::Run, progress).await };
            match made.await {
                Ok(pipeline) => pipelines.push(Arc::new(pipeline)),
                Err(DeployError::Refused(found)) => problems.append(found),
                Err(error) => return Err(error),
            }
        }
        let mut pipelines = problems.or(pipelines)?;
        self.load_graphs(&documents.graphs, &mut pipelines, progress).await?;
        let (routes, rollouts) = (documents.routes, documents.rollouts);
        check_routes(&routes, &pipelines)?;
        Ok(Loaded { pipelines, routes, rollouts })
    }

    /// From now on there are requests that compiling must not disturb.
    pub fn give_way(&self) {
        self.compilers.give_way();
    }

    /// Finds everything that a document points at, and keeps it in the store.
    pub fn resolve(&self, document: &Written, paths: Paths<'_>) -> Result<Material, DeployError> {
        resolve::resolve(document, self, paths)
    }

    /// Makes the pipeline, checks it, and keeps its canonical manifest in the store.
    pub async fn make(
        &self,
        document: &Written,
        material: &Material,
        tests: Tests,
        progress: &dyn Progress,
    ) -> Result<Pipeline, DeployError> {
        let (opened, compiled) = open::stages(self, document, material, progress).await?;
        let mut pipeline = open::wire(document, material, opened, self.queue)?;
        pipeline.made.compiled = compiled;
        pipeline.cache = self.cache.clone().filter(|_| material.manifest.cache);
        if tests == Tests::Run {
            make_way();
            let problem = |path: &KeyPath, message| document.problem(path, message);
            let document_of = |digest: &Digest| material.document(digest);
            golden::run(&material.manifest.tests, document_of, problem, &pipeline, progress).await?;
            pipeline.made.tests = u32::try_from(material.manifest.tests.len()).unwrap_or(u32::MAX);
        }
        let computes = pipeline.steps().iter().any(|step| !step.stage.engines().is_empty());
        if computes && (tests == Tests::Skip || material.manifest.tests.is_empty()) {
            warm::warm(&pipeline).await;
        }
        make_way();
        // So that a restart, or an auditor, finds what the digest stands for.
        self.store.put(material.manifest.canonical().as_bytes())?;
        Ok(pipeline)
    }

    /// Makes the pipeline that a canonical manifest in the store describes. It passed its tests when it was recorded,
    /// and stages are pure functions: they are not run again. A graph waits for its members.
    pub async fn revive(&self, called: &str, digest: &Digest) -> Result<Revived, DeployError> {
        let gone = |message: String| {
            let file = called.into();
            Problem { file, place: Place::START, path: KeyPath::default(), message }
        };
        let text = self.store.get(digest)?.ok_or_else(|| gone(format!("its manifest {digest} is not in the store")))?;
        let text = String::from_utf8_lossy(&text);
        if let Ok((document, graph)) = ResolvedGraph::read(called, &text) {
            return Ok(Revived::Graph(Box::new(Asleep { document, graph })));
        }
        let (document, _) = Resolved::read(called, &text).map_err(|error| gone(format!("{digest} is {error}")))?;
        let material = self.resolve(&document, Paths::Sent(&BTreeMap::new()))?;
        Ok(Revived::Pipeline(Box::new(self.make(&document, &material, Tests::Skip, &Quiet).await?)))
    }

    /// Forgets what no pipeline uses any more; says how many bytes of files that were.
    pub fn sweep(&self) -> u64 {
        self.shared.sweep()
    }
}

/// What a canonical manifest in the store became.
pub enum Revived {
    /// Ready to serve.
    Pipeline(Box<Pipeline>),
    /// Still without its members.
    Graph(Box<Asleep>),
}

/// A graph from the store whose members are still to be found.
pub struct Asleep {
    /// Its canonical document.
    pub document: WrittenGraph,
    /// What that says.
    pub graph: ResolvedGraph,
}

/// What documents became.
pub struct Loaded {
    /// Ready to serve.
    pub pipelines: Vec<Arc<Pipeline>>,
    /// The routes beside them.
    pub routes: Vec<WrittenRoute>,
    /// The rollouts beside them. What they move is known to a server alone.
    pub rollouts: Vec<WrittenRollout>,
}

/// Routes fit the versions that are there. One whose versions are elsewhere can't be looked at.
fn check_routes(routes: &[WrittenRoute], pipelines: &[Arc<Pipeline>]) -> Result<(), Problems> {
    let mut problems = Problems::default();
    for route in routes {
        let of_name = || pipelines.iter().filter(|pipeline| pipeline.name == route.name().as_str());
        if of_name().next().is_none() {
            continue;
        }
        let find = |version: &str| of_name().find(|pipeline| pipeline.version == version).map(Arc::clone);
        match Routing::new(route, find, None) {
            Ok(_) => {}
            Err(Unfit::Input { message }) => problems.push(route.problem(&KeyPath::default().key("spec"), message)),
            Err(Unfit::Disagrees { variant, message }) => problems.push(route.version_problem(variant, message)),
            Err(Unfit::Absent { variant }) => {
                let message = format!("no file here describes this version of `{}`", route.name());
                problems.push(route.version_problem(variant, message));
            }
        }
    }
    problems.or(())
}

/// Whether golden tests are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Tests {
    Run,
    Skip,
}
