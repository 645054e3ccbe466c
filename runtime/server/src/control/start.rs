//! The start: exactly what the last acknowledged revision says is served again, from the store and the compile cache.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use hotstage_core::digest::Digest;
use hotstage_core::journal::{Label, State};
use hotstage_core::manifest::WrittenRoute;
use hotstage_core::name::{ModelName, Version};
use tokio::task::JoinSet;

use super::retire::Retired;
use super::routes::door;
use super::{Control, ControlError, Ledger, Options, Trouble, WARM_MAX};
use crate::app::App;
use crate::board::{Door, Model};
use crate::deploy::{Deployer, Revived};
use crate::journal::{Clerk, Journal};
use crate::pipeline::Pipeline;
use crate::place::step_back;

/// How often what was loaded begins to serve.
const SWAP_EVERY: Duration = Duration::from_millis(100);

/// Pipelines that wait to be served after they were loaded.
const LOADED_WAITING: usize = 64;

/// What is told while pipelines are loaded.
pub trait Loading: Sync {
    /// So many of so many are loaded.
    fn loaded(&self, done: usize, of: usize);
}

impl Control {
    /// Opens the journal and reads it. Nothing is loaded yet.
    pub fn open(app: Arc<App>, deployer: Arc<Deployer>, options: Options) -> Result<Self, ControlError> {
        let journal = Journal::open(deployer.store.root())?;
        let replayed = journal.replay(None)?;
        let no_thread = |error| ControlError::new(Trouble::Defect, format!("can't start a thread: {error}"));
        let ledger = Ledger { state: replayed.state, head: replayed.head };
        Ok(Self {
            app,
            deployer,
            journal: Clerk::start(journal, step_back).map_err(no_thread)?,
            ledger: ArcSwap::from_pointee(ledger),
            turn: tokio::sync::Mutex::new(()),
            retired: Mutex::new(Retired::default()),
            options,
            began: Instant::now(),
            measuring: tokio::sync::Semaphore::new(super::traffic::MEASURED_AT_ONCE),
            inference: OnceLock::new(),
            rollouts: Mutex::default(),
        })
    }

    /// Loads everything that the journal says is served; each begins to serve soon after it is loaded.
    pub async fn start(&self, loading: &dyn Loading) -> Result<(), ControlError> {
        let turn = self.turn.lock().await;
        let ledger = self.ledger.load_full();
        let wanted: Vec<(String, Digest)> =
            ledger.state.pipelines().map(|(name, version, digest)| (format!("{name}/{version}"), digest)).collect();
        let warm = wanted.len() <= WARM_MAX;
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        let wanted = Arc::new(wanted);
        let next = Arc::new(AtomicUsize::new(0));
        let (loaded, mut arriving) = tokio::sync::mpsc::channel(LOADED_WAITING);
        let mut tasks = JoinSet::new();
        for _ in 0..threads {
            let (deployer, wanted, next, loaded) =
                (Arc::clone(&self.deployer), Arc::clone(&wanted), Arc::clone(&next), loaded.clone());
            let load = async move {
                while let Some((called, digest)) = wanted.get(next.fetch_add(1, Relaxed)) {
                    let revived = deployer.revive(called, digest).await;
                    if let (Ok(Revived::Pipeline(pipeline)), false) = (&revived, warm) {
                        pipeline.rest();
                    }
                    if loaded.send((called.clone(), revived)).await.is_err() {
                        return;
                    }
                }
            };
            tasks.spawn_on(load, self.app.compute.threads());
        }
        drop(loaded);
        let mut pipelines: HashMap<Digest, Arc<Pipeline>> = HashMap::new();
        let mut fresh: Vec<Arc<Pipeline>> = Vec::new();
        let (mut failures, mut done, mut swapped) = (Vec::new(), 0, Instant::now());
        let mut asleep = Vec::new();
        let routes = self.stored_routes(&ledger.state, &mut failures);
        while let Some((called, revived)) = arriving.recv().await {
            done += 1;
            loading.loaded(done, wanted.len());
            match revived {
                Ok(Revived::Pipeline(pipeline)) => fresh.push(Arc::new(*pipeline)),
                Ok(Revived::Graph(graph)) => asleep.push(*graph),
                Err(error) => failures.push(format!("{called}: {error}")),
            }
            if swapped.elapsed() > SWAP_EVERY {
                self.serve_loaded(&ledger.state, &routes, &mut pipelines, &mut fresh);
                swapped = Instant::now();
            }
        }
        self.serve_loaded(&ledger.state, &routes, &mut pipelines, &mut fresh);
        let (graphs, failed) = self.deployer.wake(asleep, &mut pipelines, |_| None).await;
        failures.extend(failed.into_iter().map(|(called, error)| format!("{called}: {error}")));
        fresh.extend(graphs);
        self.serve_loaded(&ledger.state, &routes, &mut pipelines, &mut fresh);
        // Components' own bytes are not needed once their code is.
        self.deployer.sweep();
        drop(turn);
        self.report(&failures, ledger.head.number)
    }

    /// The routes that are in force, by digest.
    fn stored_routes(&self, state: &State, failures: &mut Vec<String>) -> HashMap<Digest, WrittenRoute> {
        let mut routes = HashMap::new();
        for (name, routed) in state.routes() {
            match self.stored_route(&routed.digest) {
                Ok(route) => drop(routes.insert(routed.digest, route)),
                Err(error) => failures.push(format!("route {name}: {error}")),
            }
        }
        routes
    }

    fn report(&self, failures: &[String], head: u64) -> Result<(), ControlError> {
        if failures.is_empty() {
            return Ok(());
        }
        for failure in failures {
            tracing::error!(failure, "a version that should be served can't be loaded");
        }
        if self.options.allow_damaged {
            return Ok(());
        }
        let message = format!(
            "revision {head} can't be served as it was recorded:\n{}\nTo put damaged bytes back, start with the \
             manifest that they came from: `hotstage serve -f …`; to serve the rest without them: --allow-damaged",
            failures.join("\n")
        );
        Err(ControlError::new(Trouble::Defect, message))
    }

    fn serve_loaded(
        &self,
        state: &State,
        routes: &HashMap<Digest, WrittenRoute>,
        pipelines: &mut HashMap<Digest, Arc<Pipeline>>,
        fresh: &mut Vec<Arc<Pipeline>>,
    ) {
        let names: std::collections::BTreeSet<String> = fresh.iter().map(|pipeline| pipeline.name.clone()).collect();
        pipelines.extend(fresh.drain(..).map(|pipeline| (pipeline.digest, pipeline)));
        let models = names.into_iter().filter_map(|name| {
            let parsed: ModelName = name.parse().ok()?;
            let entry = state.model(parsed.as_str())?;
            let loaded = |(version, digest): (&Version, &Digest)| {
                pipelines.get(digest).map(|pipeline| (version.clone(), Arc::clone(pipeline)))
            };
            let versions: BTreeMap<Version, Arc<Pipeline>> = entry.versions.iter().filter_map(loaded).collect();
            let label = |(label, to): (&Label, &Version)| Some((label.to_string(), Arc::clone(versions.get(to)?)));
            let labels = entry.labels.iter().filter_map(label).collect();
            let door = match &entry.route {
                None => Door::Newest,
                // One that can't be read, or whose versions are not all there, lets nobody through.
                Some(routed) => routes
                    .get(&routed.digest)
                    .and_then(|route| door(route, &versions, None).ok())
                    .unwrap_or(Door::Closed),
            };
            Some((name, Model::new(versions.into_values().collect(), labels, door)))
        });
        let models: Vec<_> = models.collect();
        let next = self.app.board.read().with(models);
        self.app.board.replace(next);
    }
}
