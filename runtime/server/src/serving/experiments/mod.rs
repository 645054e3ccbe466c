//! What experiments remember: which variant gave which answer, and what callers said that it was
//! worth.
//!
//! An answer of an experiment is noted under a hash of its id, in a bounded queue that nobody waits
//! for; one thread writes notes and feedback into a SQLite file of its own in the state directory,
//! many in one transaction. A note is in the queue before its answer is sent, and the queue is
//! written before feedback is looked up, so feedback may come at once. Feedback that was
//! acknowledged is on the disk.
//!
//! Bounds: `NOTES_MAX` (more are dropped and counted: feedback for them is unknown later),
//! `ASKED_MAX` requests that wait for the thread (more get 503), `ANSWERS_MAX` answers that are
//! remembered, each for as long as its experiment keeps it. Without experiments there is no file.

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

/// Answers that wait to be written.
const NOTES_MAX: usize = 1 << 16;
/// Requests that wait for the writer.
const ASKED_MAX: usize = 1024;
/// How long a stopping server waits for what is noted to be written.
const CLOSE_MAX: Duration = Duration::from_secs(5);

/// The way to the writer.
pub struct Experiments {
    shared: Arc<Shared>,
    asked: SyncSender<Asked>,
}

/// What requests and the writer share.
struct Shared {
    notes: ArrayQueue<Note>,
    /// Whether the writer knows that there is something in the queue.
    is_told: AtomicBool,
    counts: Counts,
}

/// What is counted since the start.
#[derive(Debug, Default)]
pub struct Counts {
    /// Answers that were written down.
    pub answers: AtomicU64,
    /// Answers that were not, as the writer could not keep up or not write.
    pub dropped: AtomicU64,
    /// Answers under an id that another one had.
    pub reused: AtomicU64,
    /// Rewards that were taken.
    pub counted: AtomicU64,
    /// Rewards of answers that had one.
    pub duplicates: AtomicU64,
    /// Rewards of answers that nobody knows.
    pub unknown: AtomicU64,
    /// Moves of weights.
    pub moves: AtomicU64,
}

/// One answer.
struct Note {
    part: Part,
    id: Id,
}

/// A reward of an answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reward {
    /// The answer's.
    pub id: Id,
    /// From 0 to 1.
    pub reward: f64,
}

/// What became of some rewards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Taken.
    pub counted: u64,
    /// Their answers had one already, which stands.
    pub duplicates: u64,
    /// Places of those whose answers nobody knows.
    pub unknown: Vec<usize>,
}

/// What is known of an experiment.
#[derive(Clone, Debug)]
pub struct Known {
    /// Since when, in milliseconds since 1970.
    pub since_ms: i64,
    /// In the order of the split.
    pub evidence: Vec<Evidence>,
}

impl Experiments {
    /// Starts the writer of a state directory. Its file is opened when something is to be written.
    pub fn start(state_directory: &Path) -> std::io::Result<Self> {
        let (asked, asking) = sync_channel(ASKED_MAX);
        let (notes, is_told) = (ArrayQueue::new(NOTES_MAX), AtomicBool::new(false));
        let shared = Arc::new(Shared {
            notes,
            is_told,
            counts: Counts::default(),
        });
        let writer = Writer::new(state_directory, Arc::clone(&shared), asking);
        // It ends with the last sender.
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
        // Only the first one after the queue was emptied has to wake the writer. A full channel
        // keeps it awake anyway.
        if !self.shared.is_told.load(SeqCst) && !self.shared.is_told.swap(true, SeqCst) {
            let _ = self.asked.try_send(Asked::Write);
        }
    }

    /// Takes rewards; answers when they are on the disk.
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

    /// What is known of an experiment at this moment.
    pub async fn known(&self, trial: &Arc<Trial>) -> Result<Known, Failure> {
        let (answer, answered) = oneshot::channel();
        self.ask(Asked::Look {
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

    /// Writes what is noted, and waits for it. Blocks.
    pub fn close(&self) {
        let (done, is_done) = sync_channel(1);
        if self.asked.try_send(Asked::Close(done)).is_ok() {
            // What takes longer is lost, and nobody was promised it.
            let _ = is_done.recv_timeout(CLOSE_MAX);
        }
    }

    /// What is counted since the start.
    pub fn counts(&self) -> &Counts {
        &self.shared.counts
    }
}

fn failure(cause: String) -> Failure {
    Failure::new(
        Kind::Internal,
        "the server can't read or write what experiments remember; its log says why",
    )
    .because(cause)
}
