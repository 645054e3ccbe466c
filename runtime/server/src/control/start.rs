//! The start: serves exactly what the last acknowledged revision recorded, from the blob store and
//! the compile cache.
//!
//! Each version goes into service soon after it is opened, independently of the others: compiled
//! ones first, then the others by size. A version that can't be opened is out of service with a
//! reason; with `--require-all` the server refuses to start instead.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use hotstage_core::digest::Digest;
use hotstage_core::journal::State;
use hotstage_core::manifest::WrittenRoute;
use tokio::task::JoinSet;

use super::line::Line;
use super::models::{Found, Versions};
use super::retire::Retired;
use super::{Control, ControlError, ErrorKind, Ledger, Options, WARM_MAX};
use crate::control::deploy::{DeployError, Deployer, PendingGraph, Restored};
use crate::executors::compute::run_below_requests;
use crate::serving::Serving;
use crate::serving::pipeline::Pipeline;
use crate::serving::registry::{DefaultTarget, Why};
use crate::state::journal::{Journal, JournalHandle};

/// Interval at which loaded versions are put into service.
const SWAP_EVERY: Duration = Duration::from_millis(100);

/// Maximum number of loaded pipelines waiting to be put into service.
const LOADED_WAITING: usize = 64;

/// One version and its result.
type Loaded = (String, Digest, Result<Restored, DeployError>);

/// Progress reports during loading.
pub trait Loading: Sync {
    /// `done` of `of` versions are loaded.
    fn loaded(&self, done: usize, of: usize);
}

/// Progress of a start.
struct Start<'a> {
    state: &'a State,
    routes: HashMap<Digest, WrittenRoute>,
    opened: HashMap<Digest, Arc<Pipeline>>,
    failed: HashMap<Digest, Arc<str>>,
    /// Graphs whose members are not all loaded.
    asleep: Vec<PendingGraph>,
    /// Names with changes that are not in service yet.
    news: BTreeSet<String>,
    /// What can't be served, with the reasons.
    problems: Vec<String>,
}

impl Control {
    /// Opens and replays the journal. Nothing is loaded yet.
    pub fn open(
        serving: Arc<Serving>,
        deployer: Arc<Deployer>,
        options: Options,
    ) -> Result<Self, ControlError> {
        let journal = Journal::open(deployer.store.root())?;
        let replayed = journal.replay(None)?;
        let no_thread =
            |error| ControlError::new(ErrorKind::Defect, format!("can't start a thread: {error}"));
        let ledger = Ledger {
            state: replayed.state,
            head: replayed.head,
        };
        if options.allow_damaged {
            serving.registry.allow_dark();
        }
        Ok(Self {
            serving,
            deployer,
            journal: JournalHandle::start(journal, run_below_requests).map_err(no_thread)?,
            ledger: ArcSwap::from_pointee(ledger),
            turn: tokio::sync::Mutex::new(()),
            retired: Mutex::new(Retired::default()),
            options,
            began: Instant::now(),
            measuring: tokio::sync::Semaphore::new(super::traffic::MEASURED_AT_ONCE),
            inference: OnceLock::new(),
            rollouts: Mutex::default(),
            not_applied: Mutex::default(),
            rollout_moved: tokio::sync::Notify::new(),
        })
    }

    /// Loads everything that is recorded as served; each version is put into service soon after it
    /// is loaded.
    pub async fn start(&self, loading: &dyn Loading) -> Result<(), ControlError> {
        let permit = self.turn.lock().await;
        let ledger = self.ledger.load_full();
        let mut start = Start::of(&ledger.state);
        self.read_routes(&mut start);
        // From now on, requests for these versions are refused as loading, not as unknown.
        start.news = ledger
            .state
            .models()
            .map(|(name, _)| name.to_string())
            .collect();
        self.put_in_service(&mut start);
        let (mut arriving, many) = self.load_all(&ledger.state);
        let (mut done, mut swapped) = (0, Instant::now());
        loop {
            // Opened versions are put into service even when the next one takes long.
            match tokio::time::timeout(SWAP_EVERY, arriving.recv()).await {
                Ok(None) => break,
                Ok(Some((called, digest, revived))) => {
                    done += 1;
                    loading.loaded(done, many);
                    start.take(&called, digest, revived);
                }
                Err(_) => {}
            }
            if swapped.elapsed() >= SWAP_EVERY && start.has_news() {
                self.link(&mut start).await;
                self.put_in_service(&mut start);
                swapped = Instant::now();
            }
        }
        self.link(&mut start).await;
        self.give_up(&mut start).await;
        self.put_in_service(&mut start);
        // The component bytes are not needed once they are compiled.
        self.deployer.sweep();
        drop(permit);
        self.report(&start.problems, ledger.head.number)
    }

    /// Starts threads that open all versions; results arrive as they are ready. Returns the number
    /// of versions.
    fn load_all(&self, state: &State) -> (tokio::sync::mpsc::Receiver<Loaded>, usize) {
        let wanted: Vec<(String, Digest)> = state
            .pipelines()
            .map(|(name, version, digest)| (format!("{name}/{version}"), digest))
            .collect();
        let many = wanted.len();
        let is_warm = many <= WARM_MAX;
        let line = Arc::new(Line::of(wanted));
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        let (loaded, arriving) = tokio::sync::mpsc::channel(LOADED_WAITING);
        let mut tasks = JoinSet::new();
        for _ in 0..threads {
            let (deployer, line, loaded) = (
                Arc::clone(&self.deployer),
                Arc::clone(&line),
                loaded.clone(),
            );
            let load = async move {
                while let Some((called, digest, revived)) = line.next(&deployer).await {
                    if let (Ok(Restored::Pipeline(pipeline)), false) = (&revived, is_warm) {
                        pipeline.rest();
                    }
                    if loaded.send((called, digest, revived)).await.is_err() {
                        return;
                    }
                }
            };
            tasks.spawn_on(load, self.serving.compute.threads());
        }
        // The threads end when everything is loaded or the receiver is dropped.
        tasks.detach_all();
        (arriving, many)
    }

    /// Reads the routes in force.
    fn read_routes(&self, start: &mut Start<'_>) {
        for (name, routed) in start.state.routes() {
            match self.stored_route(&routed.digest) {
                Ok(route) => drop(start.routes.insert(routed.digest, route)),
                Err(error) => start.problems.push(format!("route {name}: {error}")),
            }
        }
    }

    /// Links the graphs whose members are loaded.
    async fn link(&self, start: &mut Start<'_>) {
        while !start.asleep.is_empty() {
            let is_there = |asleep: &PendingGraph| {
                let mut members = asleep.graph.branches();
                members.all(|(_, branch)| start.opened.contains_key(&branch.digest))
            };
            let (ready, left): (Vec<_>, Vec<_>) = std::mem::take(&mut start.asleep)
                .into_iter()
                .partition(is_there);
            start.asleep = left;
            if ready.is_empty() {
                return;
            }
            self.make_graphs(start, ready).await;
        }
    }

    /// Marks everything that did not load as failed.
    async fn give_up(&self, start: &mut Start<'_>) {
        let left = std::mem::take(&mut start.asleep);
        self.make_graphs(start, left).await;
        let wanted: Vec<(String, Digest)> = start
            .state
            .pipelines()
            .map(|(name, version, digest)| (format!("{name}/{version}"), digest))
            .collect();
        for (called, digest) in wanted {
            if !start.opened.contains_key(&digest) && !start.failed.contains_key(&digest) {
                start.failed(
                    &called,
                    digest,
                    "it was lost while it was loaded; this is a defect of the server",
                );
            }
        }
    }

    async fn make_graphs(&self, start: &mut Start<'_>, graphs: Vec<PendingGraph>) {
        let digests: HashMap<String, Digest> = graphs
            .iter()
            .map(|asleep| (called(asleep), asleep.graph.digest()))
            .collect();
        let (made, failures) = self
            .deployer
            .link(graphs, &mut start.opened, |_| None)
            .await;
        made.into_iter().for_each(|graph| start.opened(graph));
        for (called, error) in failures {
            if let Some(digest) = digests.get(&called) {
                start.failed(&called, *digest, &error.to_string());
            }
        }
    }

    fn report(&self, problems: &[String], head: u64) -> Result<(), ControlError> {
        for failure in problems {
            tracing::error!(
                failure,
                "what should be served can't be, and is out of service"
            );
        }
        if problems.is_empty() || !self.options.require_all {
            return Ok(());
        }
        let message = format!(
            "revision {head} can't be served as it was recorded, and --require-all was given:\n{}\nTo put \
             damaged bytes back, start with the manifest that they came from: `hotstage serve -f …`; to serve the rest \
             meanwhile, leave --require-all out",
            problems.join("\n")
        );
        Err(ControlError::new(ErrorKind::Defect, message))
    }

    /// Publishes new versions in the registry.
    fn put_in_service(&self, start: &mut Start<'_>) {
        let names = std::mem::take(&mut start.news);
        let models: Vec<_> = names
            .into_iter()
            .filter_map(|name| Some((name.clone(), start.model(&name)?)))
            .collect();
        let next = self
            .serving
            .registry
            .read()
            .with(models.into_iter().map(|(name, model)| (name, Some(model))));
        self.serving.registry.replace(next);
    }
}

impl<'a> Start<'a> {
    fn of(state: &'a State) -> Self {
        Self {
            state,
            routes: HashMap::new(),
            opened: HashMap::new(),
            failed: HashMap::new(),
            asleep: Vec::new(),
            news: BTreeSet::new(),
            problems: Vec::new(),
        }
    }

    fn take(&mut self, called: &str, digest: Digest, revived: Result<Restored, DeployError>) {
        match revived {
            Ok(Restored::Pipeline(pipeline)) => self.opened(Arc::new(*pipeline)),
            Ok(Restored::Graph(graph)) => self.asleep.push(*graph),
            Err(error) => self.failed(called, digest, &error.to_string()),
        }
    }

    fn has_news(&self) -> bool {
        !self.news.is_empty()
    }

    fn opened(&mut self, pipeline: Arc<Pipeline>) {
        self.news.insert(pipeline.name.clone());
        self.opened.insert(pipeline.digest, pipeline);
    }

    fn failed(&mut self, called: &str, digest: Digest, why: &str) {
        self.problems.push(format!("{called}: {why}"));
        self.failed.insert(digest, why.into());
        self.news
            .extend(called.rsplit_once('/').map(|(name, _)| name.to_owned()));
    }

    /// The model of a name, as far as it is loaded.
    fn model(&self, name: &str) -> Option<crate::serving::registry::Model> {
        let entry = self.state.model(name)?;
        let versions = Versions::of(entry, |_, digest| {
            let why = || {
                self.failed
                    .get(digest)
                    .map_or(Why::Loading, |why| Why::Failed(Arc::clone(why)))
            };
            Some(self.opened.get(digest).map_or_else(
                || Found::Absent(why()),
                |found| Found::Serves(Arc::clone(found)),
            ))
        })?;
        let default_target = match &entry.route {
            None => DefaultTarget::Newest,
            // A route that can't be read stays closed.
            Some(routed) => {
                let route = self.routes.get(&routed.digest);
                route
                    .and_then(|route| versions.default_target(route, None).ok())
                    .unwrap_or(DefaultTarget::Closed)
            }
        };
        versions.model(entry, default_target)
    }
}

fn called(asleep: &PendingGraph) -> String {
    format!("{}/{}", asleep.graph.name, asleep.graph.version)
}
