//! Requests that wait for the same model are called together.
//!
//! Nobody waits for a batch to fill unless the manifest says so (`max_delay`): a request whose turn
//! it is takes along those that are there. The first to come leads: it computes for itself and for
//! those it takes, and hands its turn to the first of those who came meanwhile. There is no task
//! and no thread beside the requests themselves. Before it begins, a leader lets the requests that
//! its thread has already received come as far as it did; where that brings nobody, it soon stops
//! to try ([`TRIES`]). A batch that fails is called again request by request, so a bad request
//! fails alone. Bounds: [`Batching`], and those who wait hold turns of the pipeline, of which there
//! are so many.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use hotstage_core::batch::{self, Batching};
use hotstage_core::failure::Kind;
use hotstage_core::quantity::show_duration;
use hotstage_core::request::Payload;
use hotstage_engine::stage::Stage;
use hotstage_engine::{CallError, Tensors};
use tokio::sync::{Notify, oneshot};

use crate::serving::counts::batches::{Batches, Cut};

/// After as many leaders in a row that found nobody, only one in [`SELDOM`] looks.
const TRIES: u32 = 16;
/// A look moves the request to another thread, which costs it and the next ones: where nobody comes
/// it must be rare.
const SELDOM: u32 = 256;

type Outcome = Result<Tensors, CallError>;

/// Joins the calls of one stage.
pub struct Batcher {
    rule: Batching,
    /// Calls at once.
    lanes: usize,
    queue: Mutex<Queue>,
    /// Rung when those who wait fill a batch.
    filled: Notify,
    /// Leaders in a row that found nobody.
    lonely: AtomicU32,
    /// What is counted.
    pub counts: Batches,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    rows: u64,
    leading: usize,
    gathering: usize,
}

/// A request whose call has not begun.
struct Waiting {
    inputs: Tensors,
    /// None: it can't be joined.
    rows: Option<u64>,
    since: Instant,
    reply: oneshot::Sender<Reply>,
}

/// What a request that waits is told.
enum Reply {
    Answer(Outcome),
    /// It is its turn; here are its inputs.
    Lead(Tensors, Leading),
}

impl Batcher {
    /// Joins calls by this rule, so many at once.
    pub fn new(rule: Batching, lanes: usize) -> Self {
        Self {
            rule,
            lanes: lanes.max(1),
            queue: Mutex::default(),
            filled: Notify::new(),
            lonely: AtomicU32::new(0),
            counts: Batches::default(),
        }
    }

    /// Requests that may be in front of the stage or in it, so that every batch can be full.
    pub fn room(&self) -> usize {
        self.lanes
            .saturating_mul(usize::try_from(self.rule.max_rows).unwrap_or(usize::MAX))
    }

    /// One request's call.
    pub(super) async fn call(
        self: &Arc<Self>,
        stage: &Stage,
        since: Instant,
        inputs: Tensors,
    ) -> Outcome {
        let rows = batch::rows(&inputs).filter(|&rows| rows < self.rule.max_rows);
        let waits = {
            let mut queue = self.queue();
            if queue.leading < self.lanes && (queue.gathering == 0 || rows.is_none()) {
                queue.leading += 1;
                Err(inputs)
            } else {
                let (reply, told) = oneshot::channel();
                queue.push(Waiting {
                    inputs,
                    rows,
                    since,
                    reply,
                });
                if queue.rows >= self.rule.max_rows {
                    self.filled.notify_one();
                }
                Ok(told)
            }
        };
        match waits {
            Err(inputs) => Leading::of(self).lead(stage, since, inputs, rows).await,
            Ok(told) => match told.await {
                Ok(Reply::Answer(outcome)) => outcome,
                Ok(Reply::Lead(inputs, leading)) => leading.lead(stage, since, inputs, rows).await,
                // Whoever takes a waiting request answers it or puts it back.
                Err(_) => Err(CallError::new(Kind::Internal, "lost a waiting call")),
            },
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_late(&self, waiting: &Waiting, now: Instant) -> bool {
        now.saturating_duration_since(waiting.since) > self.rule.timeout
    }

    fn too_late(&self) -> CallError {
        let timeout = show_duration(self.rule.timeout);
        let message =
            format!("could not begin within {timeout}: too many wait for a batch; try again");
        CallError::new(Kind::Overloaded, message)
    }
}

impl Queue {
    fn push(&mut self, waiting: Waiting) {
        self.rows += waiting.rows.unwrap_or_default();
        self.waiting.push_back(waiting);
    }

    fn remove(&mut self, place: usize) -> Option<Waiting> {
        let waiting = self.waiting.remove(place)?;
        self.rows -= waiting.rows.unwrap_or_default();
        Some(waiting)
    }
}

/// A call that may be made now. However its holder ends, those it took along wait again, and the
/// next one leads.
struct Leading {
    batcher: Arc<Batcher>,
    mates: Vec<Waiting>,
    is_gathering: bool,
}

impl Leading {
    fn of(batcher: &Arc<Batcher>) -> Self {
        Self {
            batcher: Arc::clone(batcher),
            mates: Vec::new(),
            is_gathering: false,
        }
    }

    /// Computes for itself and for those it takes along.
    async fn lead(
        mut self,
        stage: &Stage,
        since: Instant,
        inputs: Tensors,
        rows: Option<u64>,
    ) -> Outcome {
        let mut cut = Cut::Alone;
        if let Some(own) = rows {
            cut = self.gather(&inputs, own).await;
        }
        let began = Instant::now();
        let all: u64 = rows
            .iter()
            .copied()
            .chain(self.mates.iter().filter_map(|mate| mate.rows))
            .sum();
        self.batcher
            .counts
            .record(cut, all.max(1), 1 + self.mates.len(), began - since);
        if self.mates.is_empty() {
            return stage.call(began, Payload::Tensors(inputs)).await;
        }
        if let Some(mut shares) = together(stage, began, &inputs, rows, &self.mates).await {
            let own = shares.remove(0);
            for (mate, share) in self.mates.drain(..).zip(shares) {
                // One that has gone meanwhile needs no answer.
                let _ = mate.reply.send(Reply::Answer(Ok(share)));
            }
            return Ok(own);
        }
        // Whose fault it was shows when each is called alone.
        self.batcher.counts.again(1 + self.mates.len());
        while let Some(mate) = self.mates.last() {
            let outcome = stage
                .call(Instant::now(), Payload::Tensors(mate.inputs.clone()))
                .await;
            if let Some(mate) = self.mates.pop() {
                let _ = mate.reply.send(Reply::Answer(outcome));
            }
        }
        stage.call(Instant::now(), Payload::Tensors(inputs)).await
    }

    /// Takes those along that wait and fit; says why no more.
    async fn gather(&mut self, inputs: &Tensors, own: u64) -> Cut {
        let batcher = Arc::clone(&self.batcher);
        let delay = batcher.rule.max_delay;
        let lonely = batcher.lonely.fetch_add(1, Relaxed);
        let looks = lonely < TRIES || lonely.is_multiple_of(SELDOM);
        if delay.is_zero() && !looks {
            return self.take(inputs, own);
        }
        self.is_gathering = true;
        batcher.queue().gathering += 1;
        if delay.is_zero() {
            tokio::task::yield_now().await;
        } else if batcher.queue().rows + own < batcher.rule.max_rows {
            // Whoever rings means that a batch is full; who is late is not waited for.
            let _ = tokio::time::timeout(delay, batcher.filled.notified()).await;
        }
        let cut = self.take(inputs, own);
        if !self.mates.is_empty() {
            batcher.lonely.store(0, Relaxed);
        }
        match cut {
            Cut::Empty if !delay.is_zero() => Cut::Delay,
            cut => cut,
        }
    }

    fn take(&mut self, inputs: &Tensors, own: u64) -> Cut {
        let batcher = &self.batcher;
        let now = Instant::now();
        let mut queue = batcher.queue();
        if std::mem::take(&mut self.is_gathering) {
            queue.gathering -= 1;
        }
        let (mut rows, mut place, mut cut) = (own, 0, Cut::Empty);
        while let Some(waiting) = queue.waiting.get(place) {
            if waiting.reply.is_closed() {
                queue.remove(place);
            } else if batcher.is_late(waiting, now) {
                if let Some(waiting) = queue.remove(place) {
                    let _ = waiting.reply.send(Reply::Answer(Err(batcher.too_late())));
                }
            } else if let Some(more) = waiting.rows.filter(|_| batch::fit(inputs, &waiting.inputs))
            {
                if rows + more > batcher.rule.max_rows {
                    return Cut::Full;
                }
                rows += more;
                self.mates.extend(queue.remove(place));
            } else {
                cut = Cut::Shape;
                place += 1;
            }
        }
        if rows == batcher.rule.max_rows {
            Cut::Full
        } else {
            cut
        }
    }
}

impl Drop for Leading {
    fn drop(&mut self) {
        let now = Instant::now();
        let next = {
            let mut queue = self.batcher.queue();
            if self.is_gathering {
                queue.gathering -= 1;
            }
            for mate in self.mates.drain(..).rev() {
                queue.rows += mate.rows.unwrap_or_default();
                queue.waiting.push_front(mate);
            }
            loop {
                match queue.remove(0) {
                    Some(gone) if gone.reply.is_closed() => {}
                    Some(late) if self.batcher.is_late(&late, now) => {
                        let _ = late.reply.send(Reply::Answer(Err(self.batcher.too_late())));
                    }
                    Some(next) => break next,
                    None => {
                        queue.leading -= 1;
                        return;
                    }
                }
            }
        };
        // Should it be gone just now, what it was sent is dropped, and the next one leads.
        let _ = next
            .reply
            .send(Reply::Lead(next.inputs, Self::of(&self.batcher)));
    }
}

/// One call for all of them; the leader's share first. None: it failed, or its answer can't be
/// taken apart.
async fn together(
    stage: &Stage,
    began: Instant,
    inputs: &Tensors,
    own: Option<u64>,
    mates: &[Waiting],
) -> Option<Vec<Tensors>> {
    let requests: Vec<&[_]> = std::iter::once(inputs.as_slice())
        .chain(mates.iter().map(|mate| mate.inputs.as_slice()))
        .collect();
    let rows: Vec<u64> = std::iter::once(own?)
        .chain(mates.iter().filter_map(|mate| mate.rows))
        .collect();
    let joined = batch::join(&requests)?;
    let outputs = stage.call(began, Payload::Tensors(joined)).await.ok()?;
    batch::split(&outputs, &stage.signature().outputs, &rows).ok()
}
