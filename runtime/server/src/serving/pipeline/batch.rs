//! Dynamic batching: requests that wait for the same stage are run in one call.
//!
//! A batch is not delayed to fill it unless the manifest says so (`max_delay`): the request that
//! gets a slot batches with those already waiting. The first request leads: it runs the call for
//! the whole batch, then passes its slot to the first request that arrived meanwhile. There is no
//! task and no thread beside the requests themselves. Before it takes the queue, a leader yields
//! once, so that requests which its thread has already received can join; when that brings none
//! [`TRIES`] times in a row, it is tried seldom. When a batch fails, its requests are called again
//! one by one, so a bad request fails alone. Bounds: [`Batching`], and the pipeline's permits,
//! which waiting requests hold.

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

/// After this many leaders in a row that found no other request, only one in [`SELDOM`] yields.
const TRIES: u32 = 16;
/// Yielding may move the request to another thread, which costs this request and the next ones, so
/// it must be rare where no requests join.
const SELDOM: u32 = 256;

type Outcome = Result<Tensors, CallError>;

/// Batches the calls of one stage.
pub struct Batcher {
    rule: Batching,
    /// The largest number of concurrent calls.
    lanes: usize,
    queue: Mutex<Queue>,
    /// Notified when the waiting requests fill a batch.
    filled: Notify,
    /// Leaders in a row that found no other request.
    lonely: AtomicU32,
    /// The counters.
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
    /// `None` when the request can't be batched.
    rows: Option<u64>,
    since: Instant,
    reply: oneshot::Sender<Reply>,
}

/// What a waiting request receives.
enum Reply {
    Answer(Outcome),
    /// It leads the next call; these are its inputs.
    Lead(Tensors, Leading),
}

impl Batcher {
    /// Batches by this rule, with at most `lanes` concurrent calls.
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

    /// How many requests may wait for the stage or run in it so that every batch can be full.
    pub fn room(&self) -> usize {
        self.lanes
            .saturating_mul(usize::try_from(self.rule.max_rows).unwrap_or(usize::MAX))
    }

    /// Runs one request's call.
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
                let (reply, answered) = oneshot::channel();
                queue.push(Waiting {
                    inputs,
                    rows,
                    since,
                    reply,
                });
                if queue.rows >= self.rule.max_rows {
                    self.filled.notify_one();
                }
                Ok(answered)
            }
        };
        match waits {
            Err(inputs) => Leading::of(self).lead(stage, since, inputs, rows).await,
            Ok(answered) => match answered.await {
                Ok(Reply::Answer(outcome)) => outcome,
                Ok(Reply::Lead(inputs, leading)) => leading.lead(stage, since, inputs, rows).await,
                // Every request taken from the queue is answered or put back.
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

/// The right to run a call. When it is dropped, the requests taken into an unfinished batch go back
/// to the queue, and the next request leads.
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

    /// Runs the call for this request and its batch.
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
                // The other request may have gone; then the reply is dropped.
                let _ = mate.reply.send(Reply::Answer(Ok(share)));
            }
            return Ok(own);
        }
        // Calling each alone shows which request caused the failure.
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

    /// Takes waiting requests that fit; returns why the batch is not larger.
    async fn gather(&mut self, inputs: &Tensors, own: u64) -> Cut {
        let batcher = Arc::clone(&self.batcher);
        let delay = batcher.rule.max_delay;
        let lonely = batcher.lonely.fetch_add(1, Relaxed);
        let yields = lonely < TRIES || lonely.is_multiple_of(SELDOM);
        if delay.is_zero() && !yields {
            return self.take(inputs, own);
        }
        self.is_gathering = true;
        batcher.queue().gathering += 1;
        if delay.is_zero() {
            tokio::task::yield_now().await;
        } else if batcher.queue().rows + own < batcher.rule.max_rows {
            // The notification means that a batch is full; later requests are not waited for.
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
        // If that request has just gone, the message is dropped, and its `Leading` passes on.
        let _ = next
            .reply
            .send(Reply::Lead(next.inputs, Self::of(&self.batcher)));
    }
}

/// Runs one call for the whole batch and returns each request's outputs, the leader's first. `None`
/// when the call failed or its outputs can't be split.
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
