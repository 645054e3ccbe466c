//! A graph in a process of its own: its computations can harm that process, and nothing else.
//!
//! The server starts its own program for each such graph, and passes it the file through shared
//! memory (`shared`, `lane`, `wire`). The process loads the graph and computes (`worker`), confined
//! as far as the kernel supports it (`confine`). A computation that runs too long, takes too much
//! memory or crashes ends at worst the process (`child`); a new one is started at once, and calls
//! wait for it within their deadlines. Calls that ran beside one that was too long are repeated. A
//! graph has one process, and so its weights once, however many computations run in it. Bounds:
//! those of each call; lanes; a load that takes longer than [`LOAD_MAX`] is abandoned.

mod child;
mod confine;
mod keeper;
mod lane;
mod shared;
mod wire;
mod worker;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use hotstage_core::signature::Signature;
use hotstage_core::tensor::Tensor;

use self::child::{Asked, Worker};
pub(super) use self::keeper::Keeper;
use self::lane::{AREA, LANES_MAX, Lane, Numbers, Side};
use self::shared::Shared;
use self::wire::Reader;
pub use self::worker::work;
use self::worker::{Order, outcome};
use super::errors::{ComputeError, GraphError};
use super::local::GiveUpThread;
use super::policy::Launch;
use super::{Bounds, Options, locked};
use hotstage_core::file::File;

/// How long a graph may take to load.
const LOAD_MAX: Duration = Duration::from_mins(10);
/// The interval at which a loading process is checked for its end.
const LOOK: Duration = Duration::from_millis(20);

/// The parameters of a process.
pub(super) struct Recipe {
    pub(super) keeper: Arc<Keeper>,
    pub(super) launch: Launch,
    pub(super) file: File,
    pub(super) options: Options,
    pub(super) library: Option<PathBuf>,
    /// Bytes that one computation may hold.
    pub(super) memory: u64,
}

/// A graph that computes in another process.
pub(super) struct Isolated(Arc<Inner>);

struct Inner {
    recipe: Recipe,
    signature: Signature,
    worker: ArcSwap<Worker>,
    /// Whether a new process is being started.
    starting: AtomicBool,
    /// Why the last start failed.
    failed: Mutex<Option<String>>,
}

impl Isolated {
    /// Starts a process, and returns which engine computes in it.
    pub(super) fn open(recipe: Recipe) -> Result<(Self, String), GraphError> {
        let (worker, signature, engine) = recipe.start()?;
        let (worker, starting) = (ArcSwap::from_pointee(worker), AtomicBool::new(false));
        let inner = Arc::new(Inner {
            recipe,
            signature,
            worker,
            starting,
            failed: Mutex::default(),
        });
        inner.recipe.keeper.watch(&inner);
        Ok((Self(inner), engine))
    }

    pub(super) fn signature(&self) -> &Signature {
        &self.0.signature
    }

    pub(super) async fn compute(
        &self,
        inputs: &[Tensor],
        bounds: &Bounds,
    ) -> Result<Vec<Tensor>, ComputeError> {
        // Retried when the process was killed for another call's question, and once after waiting
        // for a new process.
        for _ in 0..3 {
            let worker = self.worker(bounds.deadline).await?;
            match worker.ask(inputs, bounds, &self.0.signature.outputs).await {
                Asked::Answered(answer) => return answer,
                Asked::Again => {}
            }
        }
        Err(ComputeError::Failed(
            "the process of its engine was ended for other calls, again and again".to_owned(),
        ))
    }

    /// The process, as soon as there is one.
    async fn worker(&self, deadline: Instant) -> Result<Arc<Worker>, ComputeError> {
        loop {
            let worker = self.0.worker.load_full();
            if !worker.is_known_gone() {
                return Ok(worker);
            }
            if !restart(&self.0)
                && let Some(reason) = locked(&self.0.failed).take()
            {
                return Err(ComputeError::Failed(format!(
                    "no new process of its engine could be started: {reason}"
                )));
            }
            if Instant::now() >= deadline {
                return Err(ComputeError::Time);
            }
            sleep(Duration::from_millis(1));
            GiveUpThread::default().await;
        }
    }
}

impl Recipe {
    /// A process that has loaded the graph, its signature, and the engine for messages.
    fn start(&self) -> Result<(Worker, Signature, String), GraphError> {
        let unavailable = |what: &dyn std::fmt::Display| {
            GraphError::Unavailable(format!("no process can be started for the graph: {what}"))
        };
        let lanes = self.options.concurrency.clamp(1, LANES_MAX);
        let file = self.file.bytes().map_err(GraphError::Unavailable)?;
        let shared =
            Shared::create(lane::length(lanes, file.len())).map_err(|error| unavailable(&error))?;
        shared.put(lane::file_at(lanes), &file);
        let options = Options {
            concurrency: lanes,
            ..self.options.clone()
        };
        let library = self.library.clone();
        let order = Order {
            options,
            library,
            lanes,
            memory: self.memory,
            file: file.len(),
        }
        .write();
        drop(file);
        let lane = Lane::new(&shared, 0);
        shared.put(lane.inputs(), &order);
        lane.say(
            Side::Server,
            Numbers {
                head: order.len() as u64,
                ..Numbers::default()
            },
        );
        let worker = Worker::start(&self.keeper, &self.launch, shared, lanes)
            .map_err(|error| unavailable(&error))?;
        let began = Instant::now();
        while !lane::is_loaded(&worker.shared, LOOK) {
            if worker.is_gone() && !lane::is_loaded(&worker.shared, Duration::ZERO) {
                let how = worker.how();
                let message = format!(
                    "the process that loaded it ended ({how}): it needs too much memory, or crashes it"
                );
                return Err(GraphError::Refused(message));
            }
            if began.elapsed() > LOAD_MAX {
                worker.kill();
                return Err(GraphError::Refused(format!(
                    "it was not loaded in {LOAD_MAX:?}"
                )));
            }
        }
        let (signature, engine) = loaded(&worker.shared)?;
        Ok((worker, signature, engine))
    }
}

/// Reads the result of the load.
fn loaded(shared: &Shared) -> Result<(Signature, String), GraphError> {
    let senseless =
        || GraphError::Refused("the process that loaded it sent an invalid result".to_owned());
    let lane = Lane::new(shared, 0);
    let head = usize::try_from(lane.said(Side::Process).head)
        .ok()
        .filter(|&head| head <= AREA);
    let answer = shared.copy(lane.outputs(), head.ok_or_else(senseless)?);
    let mut reader = Reader(&answer);
    let (outcome, text) = (
        reader.byte().ok_or_else(senseless)?,
        reader.text().ok_or_else(senseless)?,
    );
    match outcome {
        outcome::DONE => Ok((reader.signature().ok_or_else(senseless)?, text)),
        outcome::UNAVAILABLE => Err(GraphError::Unavailable(text)),
        _ => Err(GraphError::Refused(text)),
    }
}

/// Starts a new process while the callers wait. False if that was not needed.
fn restart(inner: &Arc<Inner>) -> bool {
    if inner.starting.swap(true, SeqCst) {
        return true;
    }
    if !inner.worker.load().is_known_gone() || locked(&inner.failed).is_some() {
        inner.starting.store(false, SeqCst);
        return false;
    }
    let (how, starting) = (inner.worker.load().how(), Arc::clone(inner));
    tracing::warn!(%how, "the process of a graph ended; another is started");
    let start = move || {
        match starting.recipe.start() {
            Ok((worker, signature, _)) if signature == starting.signature => {
                starting.worker.store(Arc::new(worker));
            }
            Ok(_) => {
                *locked(&starting.failed) =
                    Some("it has another signature than the first".to_owned());
            }
            Err(error) => *locked(&starting.failed) = Some(error.to_string()),
        }
        starting.starting.store(false, SeqCst);
    };
    if let Err(error) = std::thread::Builder::new()
        .name("graph-start".into())
        .spawn(start)
    {
        *locked(&inner.failed) = Some(error.to_string());
        inner.starting.store(false, SeqCst);
    }
    true
}

#[expect(
    clippy::disallowed_methods,
    reason = "short, and on a thread whose work is to wait"
)]
fn sleep(time: Duration) {
    std::thread::sleep(time);
}
