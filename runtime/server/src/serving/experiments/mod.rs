//! The memory of experiments: which variant gave each answer, and the reward that callers reported
//! for it.
//!
//! An answer of an experiment is noted under a hash of its id, in a bounded queue; adding a note
//! never waits. One thread writes notes and feedback to `experiments.db` in the state directory,
//! many in one transaction. A note is queued before its answer is sent, and the queue is written
//! before feedback is matched, so feedback may arrive at once. Acknowledged feedback is on the
//! disk.
//!
//! Bounds: `NOTES_MAX` notes (more are dropped and counted; feedback for them is unknown later),
//! `ASKED_MAX` requests that wait for the thread (more get 503), `ANSWERS_MAX` stored answers, each
//! kept as long as its experiment says. Without experiments there is no file.

mod db;
#[cfg(test)]
mod tests;
mod trial;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use crossbeam_queue::ArrayQueue;
use hotstage_core::experiment::Evidence;
use hotstage_core::failure::{Failure, Kind};
use tokio::sync::oneshot;

pub use self::db::FILE;
pub use self::trial::{Id, Part, Trial};
use self::writer::{Asked, Writer};

/// Notes that wait to be written.
const NOTES_MAX: usize = 1 << 16;
/// Requests that wait for the writer.
const ASKED_MAX: usize = 1024;
/// How long a stopping server waits for the notes to be written.
const CLOSE_MAX: Duration = Duration::from_secs(5);

/// The handle to the writer.
pub struct Experiments {
    shared: Arc<Shared>,
    asked: SyncSender<Asked>,
}

/// State shared by requests and the writer.
struct Shared {
    notes: ArrayQueue<Note>,
    /// Whether the writer has been woken since it last emptied the queue.
    is_woken: AtomicBool,
    counts: Counts,
}

/// Counters since the start.
#[derive(Debug, Default)]
pub struct Counts {
    /// Answers that were stored.
    pub answers: AtomicU64,
    /// Answers that were not stored, because the writer was too slow or could not write.
    pub dropped: AtomicU64,
    /// Answers whose id was stored already.
    pub reused: AtomicU64,
    /// Rewards that were accepted.
    pub counted: AtomicU64,
    /// Rewards of answers that already had one.
    pub duplicates: AtomicU64,
    /// Rewards of unknown answers.
    pub unknown: AtomicU64,
    /// Changes of weights.
    pub moves: AtomicU64,
}

/// An answer to store.
struct Note {
    part: Part,
    id: Id,
}

/// A reward of one answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reward {
    /// The answer's id.
    pub id: Id,
    /// From 0 to 1.
    pub reward: f64,
}

/// The outcome of a list of rewards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Accepted.
    pub counted: u64,
    /// The answer already had a reward, which is kept.
    pub duplicates: u64,
    /// Positions in the list of rewards for unknown answers.
    pub unknown: Vec<usize>,
}

/// The evidence of an experiment.
#[derive(Clone, Debug)]
pub struct Known {
    /// The start of the experiment, in milliseconds since 1970.
    pub since_ms: i64,
    /// In the order of the split.
    pub evidence: Vec<Evidence>,
}

impl Experiments {
    /// Starts the writer for a state directory. The file is opened at the first write.
    pub fn start(state_directory: &Path) -> std::io::Result<Self> {
        let (asked, asking) = sync_channel(ASKED_MAX);
        let (notes, is_woken) = (ArrayQueue::new(NOTES_MAX), AtomicBool::new(false));
        let shared = Arc::new(Shared {
            notes,
            is_woken,
            counts: Counts::default(),
        });
        let writer = Writer::new(state_directory, Arc::clone(&shared), asking);
        // The thread ends when the last sender is dropped.
        std::thread::Builder::new()
            .name("experiments".to_owned())
            .spawn(move || writer.run())?;
        Ok(Self { shared, asked })
    }

    /// Notes an answer that is about to be sent. Never waits.
    pub fn note(&self, part: Part, id: &[u8]) {
        if self
            .shared
            .notes
            .push(Note {
                part,
                id: Id::of(id),
            })
            .is_err()
        {
            self.shared.counts.dropped.fetch_add(1, Relaxed);
            return;
        }
        // Only the first note after the queue was emptied has to wake the writer. A full channel
        // keeps it awake anyway.
        if !self.shared.is_woken.load(SeqCst) && !self.shared.is_woken.swap(true, SeqCst) {
            let _ = self.asked.try_send(Asked::Write);
        }
    }

    /// Applies rewards; returns when they are on the disk.
    pub async fn take(&self, trial: &Arc<Trial>, rewards: Vec<Reward>) -> Result<Taken, Failure> {
        let (answer, answered) = oneshot::channel();
        self.ask(Asked::Take {
            trial: Arc::clone(trial),
            rewards,
            answer,
        })?;
        answered
            .await
            .unwrap_or_else(|_| Err("the writer is gone".to_owned()))
            .map_err(failure)
    }

    /// The current evidence of an experiment.
    pub async fn known(&self, trial: &Arc<Trial>) -> Result<Known, Failure> {
        let (answer, answered) = oneshot::channel();
        self.ask(Asked::Query {
            trial: Arc::clone(trial),
            answer,
        })?;
        answered
            .await
            .unwrap_or_else(|_| Err("the writer is gone".to_owned()))
            .map_err(failure)
    }

    fn ask(&self, asked: Asked) -> Result<(), Failure> {
        self.asked.try_send(asked).map_err(|error| match error {
            TrySendError::Full(_) => Failure::new(
                Kind::Overloaded,
                format!("{ASKED_MAX} requests wait to be written already; try again"),
            ),
            TrySendError::Disconnected(_) => failure("the writer is gone".to_owned()),
        })
    }

    /// Writes the queued notes and waits for that. Blocks for at most `CLOSE_MAX`.
    pub fn close(&self) {
        let (done, is_done) = sync_channel(1);
        if self.asked.try_send(Asked::Close(done)).is_ok() {
            // Notes that are not written by then are lost; they were not acknowledged.
            let _ = is_done.recv_timeout(CLOSE_MAX);
        }
    }

    /// The counters since the start.
    pub fn counts(&self) -> &Counts {
        &self.shared.counts
    }
}

fn failure(cause: String) -> Failure {
    Failure::new(
        Kind::Internal,
        "the server can't read or write the experiments' file; see the server's log",
    )
    .because(cause)
}
