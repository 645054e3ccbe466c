//! Mirrors: versions that get copies of requests after those were answered. Their answers are
//! compared with the answers that clients got, and dropped.
//!
//! A copy goes into a bounded queue and never waits: a copy that finds the queue full is dropped
//! and counted. All mirrors share one thread of the lowest scheduling priority, so clients'
//! requests are not slowed. While copies arrive, the thread polls for them every `POLL`, so sending
//! one wakes no thread.
//!
//! Default: none; a route's `mirror` adds them. Bounds: the queue of each mirror, [`BYTES_MAX`] of
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
/// How often the queue is polled.
const POLL: Duration = Duration::from_millis(2);
/// A copy that has run this long is throttled.
const LONG: Duration = Duration::from_millis(10);
/// A poll shorter than this ended because the work waits for something.
const WAITS: Duration = Duration::from_micros(50);
/// After this many empty polls the thread sleeps until a copy wakes it.
const POLLS_MAX: u32 = 500;

/// Where all mirrors run.
#[derive(Clone, Debug)]
pub struct Mirrors {
    runtime: Handle,
}

impl Mirrors {
    /// Uses the runtime of this handle.
    pub const fn new(runtime: Handle) -> Self {
        Self { runtime }
    }
}

/// One mirror.
pub struct Mirror {
    /// Its settings in the route.
    pub settings: route::Mirror,
    /// The version that gets the copies.
    pub pipeline: Arc<Pipeline>,
    /// Adapter used when the version's signature differs from the route's.
    adapter: Option<Arc<Adapter>>,
    /// Counters of the copies.
    pub counts: Counts,
    copies: Sender<Copy>,
    /// The receiver, until the first copy is sent.
    waiting: Mutex<Option<Receiver<Copy>>>,
    bytes: AtomicUsize,
    report: Mutex<Report>,
}

/// Counters of copies.
#[derive(Debug, Default)]
pub struct Counts {
    /// Put into the queue.
    pub sent: AtomicU64,
    /// Dropped because the queue was full.
    pub dropped: AtomicU64,
    /// Answered and compared.
    pub compared: AtomicU64,
    /// Compared answers that disagree.
    pub disagreed: AtomicU64,
    /// Failed.
    pub failed: AtomicU64,
    /// How long answers took.
    pub durations: Histogram,
}

/// A copy of an answered request.
struct Copy {
    payload: Payload,
    /// The answer that the client got.
    outputs: Tensors,
    bytes: usize,
}

impl Mirror {
    /// A mirror without copies.
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

    /// Whether it has the same settings, version and adapter as another, so that it can take its
    /// place.
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

    /// The signature of the mirrored route.
    pub fn signature(&self) -> &Signature {
        self.adapter
            .as_ref()
            .map_or(self.pipeline.signature(), |adapter| adapter.signature())
    }

    /// Queues a copy if the queue and [`BYTES_MAX`] allow it.
    pub fn send(self: &Arc<Self>, mirrors: &Mirrors, payload: &Payload, outputs: &Tensors) {
        let bytes = size(payload)
            + outputs
                .iter()
                .map(|tensor| tensor.data().len())
                .sum::<usize>();
        let fits = self.bytes.fetch_add(bytes, Relaxed) + bytes <= BYTES_MAX;
        // Clone only when the copy fits.
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
        // The first copy starts the task.
        if self.counts.sent.fetch_add(1, Relaxed) == 0
            && let Some(waiting) = locked(&self.waiting).take()
        {
            mirrors.runtime.spawn(work(Arc::downgrade(self), waiting));
        }
    }

    /// The results so far.
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
            // The pipeline is busy with clients' requests; the version is not at fault.
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

/// Answers copies until the mirror is dropped.
async fn work(mirror: Weak<Mirror>, mut copies: Receiver<Copy>) {
    let mut polls = 0;
    loop {
        let copy = match copies.try_recv() {
            Ok(copy) => Some(copy),
            Err(_) if polls < POLLS_MAX => {
                polls += 1;
                tokio::time::sleep(POLL).await;
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
            polls = 0;
            mirror.answer(copy).await;
            // A thread of the lowest priority keeps its core until the next tick unless it yields.
            std::thread::yield_now();
        }
    }
}

/// Runs a copy at low priority. Its guest is interrupted every millisecond or two, and the thread
/// then yields its core. Work that has run for [`LONG`] sleeps three times as long as it runs, so
/// that a stalled copy does not load the machine.
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
            tokio::time::sleep((took * 3).max(POLL)).await;
        } else if took < WAITS {
            tokio::time::sleep(POLL).await;
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

/// Bytes of a request and two answers.
fn weight(payload: &Payload, answers: [&[Tensor]; 2]) -> usize {
    size(payload)
        + answers
            .into_iter()
            .flatten()
            .map(|tensor| tensor.data().len())
            .sum::<usize>()
}

/// Ignores poisoning: no guarded value is left inconsistent by a panic.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
