//! Mirrors: versions that get copies of requests after those were answered; their answers are
//! compared and dropped.
//!
//! A copy is put into a bounded queue, which never waits: what finds it full is dropped, and
//! counted. All mirrors share one thread, which the system runs when no other wants its core, so
//! that callers do not notice. It looks for copies every `LOOK` while some come, so that putting
//! one there wakes nobody.
//!
//! Default: none; a route's `mirror` brings them. Bounds: the queue of each, [`BYTES_MAX`] of
//! waiting tensors for each, one core for all.

mod report;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Poll;
use std::time::{Duration, Instant};

use hotstage_core::failure::Kind;
use hotstage_core::request::Payload;
use hotstage_core::route;
use hotstage_core::signature::Signature;
use hotstage_core::tensor::Tensor;
use hotstage_engine::Tensors;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, Sender, channel};

pub use self::report::{Example, Report, WINDOW, Window};
use crate::serving::counts::histogram::Histogram;
use crate::serving::pipeline::{Adapter, Pipeline};

/// Bytes of tensors that wait for one mirror.
pub const BYTES_MAX: usize = 64 << 20;
/// How often copies are looked for.
const LOOK: Duration = Duration::from_millis(2);
/// A copy that has run for so long begins to rest.
const LONG: Duration = Duration::from_millis(10);
/// A turn that is shorter than this ended because something must be waited for.
const WAITS: Duration = Duration::from_micros(50);
/// After so many looks in vain the thread sleeps until a copy wakes it.
const LOOKS_MAX: u32 = 500;

/// Where all mirrors run.
#[derive(Clone, Debug)]
pub struct Mirrors {
    runtime: Handle,
}

impl Mirrors {
    /// Uses the runtime behind the handle.
    pub const fn new(runtime: Handle) -> Self {
        Self { runtime }
    }
}

/// One mirror.
pub struct Mirror {
    /// As the route has it.
    pub settings: route::Mirror,
    /// Who gets the copies.
    pub pipeline: Arc<Pipeline>,
    /// What stands before it, where it takes or gives something else than the route.
    adapter: Option<Arc<Adapter>>,
    /// What became of them.
    pub counts: Counts,
    copies: Sender<Copy>,
    /// Until the first copy comes.
    waiting: Mutex<Option<Receiver<Copy>>>,
    bytes: AtomicUsize,
    report: Mutex<Report>,
}

/// What became of copies.
#[derive(Debug, Default)]
pub struct Counts {
    /// That were put into the queue.
    pub sent: AtomicU64,
    /// That found it full.
    pub dropped: AtomicU64,
    /// Whose answers were compared.
    pub compared: AtomicU64,
    /// Of those, the answers that do not agree.
    pub disagreed: AtomicU64,
    /// That got no answer.
    pub failed: AtomicU64,
    /// How long answers took.
    pub durations: Histogram,
}

/// A request that was answered.
struct Copy {
    payload: Payload,
    /// What the client got.
    outputs: Tensors,
    bytes: usize,
}

impl Mirror {
    /// A mirror of no copies yet.
    pub fn new(
        settings: route::Mirror,
        pipeline: Arc<Pipeline>,
        adapter: Option<Arc<Adapter>>,
    ) -> Arc<Self> {
        let (copies, waiting) = channel(settings.queue as usize);
        let signature = adapter
            .as_ref()
            .map_or(pipeline.signature(), |adapter| adapter.signature());
        Arc::new(Self {
            report: Mutex::new(Report::new(signature.outputs.len(), settings.keep as usize)),
            settings,
            pipeline,
            adapter,
            counts: Counts::default(),
            copies,
            waiting: Mutex::new(Some(waiting)),
            bytes: AtomicUsize::new(0),
        })
    }

    /// Whether it does what another does, so that it can go on in its place.
    pub fn is_like(&self, other: &Self) -> bool {
        let adapts_alike = match (&self.adapter, &other.adapter) {
            (None, None) => true,
            (Some(ours), Some(theirs)) => ours.is_like(theirs),
            _ => false,
        };
        self.settings == other.settings
            && Arc::ptr_eq(&self.pipeline, &other.pipeline)
            && adapts_alike
    }

    /// What flows in and out of the route that it listens to.
    pub fn signature(&self) -> &Signature {
        self.adapter
            .as_ref()
            .map_or(self.pipeline.signature(), |adapter| adapter.signature())
    }

    /// Puts a copy into the queue, if there is room.
    pub fn send(self: &Arc<Self>, mirrors: &Mirrors, payload: &Payload, outputs: &Tensors) {
        let bytes = size(payload)
            + outputs
                .iter()
                .map(|tensor| tensor.data().len())
                .sum::<usize>();
        let fits = self.bytes.fetch_add(bytes, Relaxed) + bytes <= BYTES_MAX;
        // Nothing is cloned for a copy that finds no place.
        let Some(place) = self.copies.try_reserve().ok().filter(|_| fits) else {
            self.bytes.fetch_sub(bytes, Relaxed);
            self.counts.dropped.fetch_add(1, Relaxed);
            return;
        };
        place.send(Copy {
            payload: payload.clone(),
            outputs: outputs.clone(),
            bytes,
        });
        // The first one starts the work.
        if self.counts.sent.fetch_add(1, Relaxed) == 0
            && let Some(waiting) = locked(&self.waiting).take()
        {
            mirrors.runtime.spawn(work(Arc::downgrade(self), waiting));
        }
    }

    /// What was seen so far.
    pub fn report(&self) -> MutexGuard<'_, Report> {
        locked(&self.report)
    }

    /// Copies that wait.
    pub fn waiting(&self) -> usize {
        self.copies.max_capacity() - self.copies.capacity()
    }

    async fn answer(&self, copy: Copy) {
        self.bytes.fetch_sub(copy.bytes, Relaxed);
        let payload = (self.settings.keep > 0).then(|| copy.payload.clone());
        let began = Instant::now();
        let answer = match &self.adapter {
            None => gently(self.pipeline.compute(copy.payload)).await,
            Some(adapter) => {
                let answer = gently(self.pipeline.compute(adapter.give(copy.payload))).await;
                answer.map(|outputs| adapter.take(&outputs))
            }
        };
        match answer {
            Ok(answer) => {
                self.counts.durations.record(began.elapsed());
                self.counts.compared.fetch_add(1, Relaxed);
                let agrees = self.report().compare(
                    payload.as_ref(),
                    &copy.outputs,
                    &answer,
                    self.settings.tolerance,
                );
                self.counts.disagreed.fetch_add(u64::from(!agrees), Relaxed);
            }
            // Requests of clients come first; this says nothing of the version.
            Err(failure) if failure.kind == Kind::Overloaded => {
                self.counts.dropped.fetch_add(1, Relaxed);
            }
            Err(failure) => {
                self.counts.failed.fetch_add(1, Relaxed);
                self.report().fail(&failure);
            }
        }
    }
}

/// Answers copies until nobody can send one any more.
async fn work(mirror: Weak<Mirror>, mut copies: Receiver<Copy>) {
    let mut looks = 0;
    loop {
        let copy = match copies.try_recv() {
            Ok(copy) => Some(copy),
            Err(_) if looks < LOOKS_MAX => {
                looks += 1;
                tokio::time::sleep(LOOK).await;
                None
            }
            Err(_) => match copies.recv().await {
                Some(copy) => Some(copy),
                None => return,
            },
        };
        let Some(mirror) = mirror.upgrade() else {
            return;
        };
        if let Some(copy) = copy {
            looks = 0;
            mirror.answer(copy).await;
            // A thread of the lowest priority keeps its core to the next tick unless it offers it.
            std::thread::yield_now();
        }
    }
}

/// Runs something that nobody waits for: its guest is interrupted every millisecond or two, and
/// gives its core away then. What has run for [`LONG`] rests for three times as long as it runs, so
/// that one that stalls does not wear down the machine.
async fn gently<T>(work: impl Future<Output = T>) -> T {
    let (mut work, mut ran) = (pin!(work), Duration::ZERO);
    loop {
        let began = Instant::now();
        if let Poll::Ready(done) = poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await
        {
            return done;
        }
        let took = began.elapsed();
        ran += took;
        if ran > LONG {
            tokio::time::sleep((took * 3).max(LOOK)).await;
        } else if took < WAITS {
            tokio::time::sleep(LOOK).await;
        } else {
            std::thread::yield_now();
            tokio::task::yield_now().await;
        }
    }
}

fn size(payload: &Payload) -> usize {
    match payload {
        Payload::Tensors(inputs) => inputs.iter().map(|input| input.data().len()).sum(),
        Payload::Raw { content, .. } => content.data().len(),
    }
}

/// Bytes that a request and two answers take.
fn weight(payload: &Payload, answers: [&[Tensor]; 2]) -> usize {
    size(payload)
        + answers
            .into_iter()
            .flatten()
            .map(|tensor| tensor.data().len())
            .sum::<usize>()
}

/// Nothing that is guarded so is left half changed by a panic.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
