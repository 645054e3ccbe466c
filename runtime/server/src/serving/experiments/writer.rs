//! The writer thread: it gathers notes for a while and answers feedback at once, each time in one
//! transaction.
//!
//! Notes that can't be written are dropped and counted, and the first failure of a series is
//! logged. Feedback that can't be written is answered with the error.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::db::ExperimentDb;
use super::{Known, Note, Reward, Shared, Taken, Trial};

/// How long notes are gathered before they are written.
const GATHER: Duration = Duration::from_millis(200);
/// Requests answered by one transaction.
const TOGETHER_MAX: usize = 256;

/// A request to the writer.
pub(super) enum Asked {
    /// Write the queued notes.
    Write,
    /// Apply rewards.
    Take {
        trial: Arc<Trial>,
        rewards: Vec<Reward>,
        answer: oneshot::Sender<Result<Taken, String>>,
    },
    /// Return the evidence.
    Query {
        trial: Arc<Trial>,
        answer: oneshot::Sender<Result<Known, String>>,
    },
    /// Write the queued notes, then reply.
    Close(SyncSender<()>),
}

/// A reply that is sent after the commit.
enum Reply {
    Taken(oneshot::Sender<Result<Taken, String>>, Taken),
    Known(oneshot::Sender<Result<Known, String>>, Known),
    Closed(SyncSender<()>),
}

pub(super) struct Writer {
    directory: PathBuf,
    shared: Arc<Shared>,
    asking: Receiver<Asked>,
    db: Option<ExperimentDb>,
    is_troubled: bool,
}

impl Writer {
    pub(super) fn new(directory: &Path, shared: Arc<Shared>, asking: Receiver<Asked>) -> Self {
        Self {
            directory: directory.to_owned(),
            shared,
            asking,
            db: None,
            is_troubled: false,
        }
    }

    /// Runs until all senders are dropped.
    pub(super) fn run(mut self) {
        while let Ok(first) = self.asking.recv() {
            let mut asked = vec![first];
            if matches!(asked[..], [Asked::Write]) {
                self.gather(&mut asked);
            }
            while asked.len() < TOGETHER_MAX
                && let Ok(next) = self.asking.try_recv()
            {
                asked.push(next);
            }
            self.write_batch(asked);
        }
    }

    /// Waits for more notes, until a request needs an answer.
    fn gather(&self, asked: &mut Vec<Asked>) {
        let until = Instant::now() + GATHER;
        loop {
            match self
                .asking
                .recv_timeout(until.saturating_duration_since(Instant::now()))
            {
                Ok(Asked::Write) => {}
                Ok(other) => return asked.push(other),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn write_batch(&mut self, asked: Vec<Asked>) {
        // Before the queue is read: a later note wakes the writer again.
        self.shared.is_woken.store(false, SeqCst);
        let notes: Vec<Note> = std::iter::from_fn(|| self.shared.notes.pop())
            .take(self.shared.notes.capacity())
            .collect();
        let noted = notes.len() as u64;
        let mut waiting = Vec::new();
        match self.write(&notes, asked, &mut waiting) {
            Ok(replies) => {
                self.is_troubled = false;
                replies.into_iter().for_each(Reply::send);
            }
            Err(trouble) => {
                self.shared.counts.dropped.fetch_add(noted, Relaxed);
                if !self.is_troubled {
                    tracing::error!(target: "experiments", trouble, "can't write the experiments' file");
                }
                self.is_troubled = true;
                if let Some(db) = &mut self.db {
                    db.roll_back();
                }
                // Open the file again next time: the operator may have repaired or replaced it.
                self.db = None;
                waiting
                    .into_iter()
                    .for_each(|waiting| waiting.refuse(&trouble));
            }
        }
    }

    /// Writes one transaction. When it fails, `waiting` holds the requests to refuse.
    fn write(
        &mut self,
        notes: &[Note],
        asked: Vec<Asked>,
        waiting: &mut Vec<Asked>,
    ) -> Result<Vec<Reply>, String> {
        // Without notes there may be no experiment, and so no file.
        if self.db.is_none() && notes.is_empty() && asked.iter().all(Asked::needs_no_file) {
            return Ok(asked
                .into_iter()
                .filter_map(|asked| Reply::of(asked, Outcome::Written))
                .collect());
        }
        *waiting = asked;
        if self.db.is_none() {
            self.db = Some(ExperimentDb::open(&self.directory)?);
        }
        let Some(db) = &mut self.db else {
            return Err("there is no file".to_owned());
        };
        let done = Self::transaction(db, &self.shared, notes, waiting)
            .map_err(|error| error.to_string())?;
        let replies = std::mem::take(waiting).into_iter().zip(done);
        Ok(replies
            .filter_map(|(asked, outcome)| Reply::of(asked, outcome))
            .collect())
    }

    fn transaction(
        db: &mut ExperimentDb,
        shared: &Shared,
        notes: &[Note],
        asked: &[Asked],
    ) -> rusqlite::Result<Vec<Outcome>> {
        let now_ms = jiff::Timestamp::now().as_millisecond();
        db.begin()?;
        let mut trials: Vec<Arc<Trial>> = Vec::new();
        let mut meets = |trial: &Arc<Trial>| {
            if !trials.iter().any(|met| met.id == trial.id) {
                trials.push(Arc::clone(trial));
            }
        };
        notes.iter().for_each(|note| meets(&note.part.trial));
        let added = db.add(notes, now_ms)?;
        let mut outcomes = Vec::new();
        for asked in asked {
            outcomes.push(match asked {
                Asked::Take { trial, rewards, .. } => {
                    meets(trial);
                    Outcome::Taken(db.take(trial, rewards, now_ms)?)
                }
                Asked::Query { trial, .. } => Outcome::Known(db.known(trial, now_ms)?),
                Asked::Write | Asked::Close(_) => Outcome::Written,
            });
        }
        if !notes.is_empty() {
            db.sweep(notes.len(), now_ms)?;
        }
        db.commit(&trials)?;
        let count = |of: &AtomicU64, by: u64| of.fetch_add(by, Relaxed);
        count(&shared.counts.answers, added);
        count(&shared.counts.reused, notes.len() as u64 - added);
        for taken in outcomes.iter().filter_map(Outcome::taken) {
            count(&shared.counts.counted, taken.counted);
            count(&shared.counts.duplicates, taken.duplicates);
            count(&shared.counts.unknown, taken.unknown.len() as u64);
        }
        Ok(outcomes)
    }
}

/// The result of a transaction for one request.
enum Outcome {
    Taken(Taken),
    Known(Known),
    Written,
}

impl Outcome {
    const fn taken(&self) -> Option<&Taken> {
        if let Self::Taken(taken) = self {
            Some(taken)
        } else {
            None
        }
    }
}

impl Asked {
    /// Whether it is complete when the queued notes are written.
    const fn needs_no_file(&self) -> bool {
        matches!(self, Self::Write | Self::Close(_))
    }

    /// Replies that it was not done.
    fn refuse(self, trouble: &str) {
        // The requester may have gone; then the reply is dropped.
        match self {
            Self::Take { answer, .. } => drop(answer.send(Err(trouble.to_owned()))),
            Self::Query { answer, .. } => drop(answer.send(Err(trouble.to_owned()))),
            Self::Close(done) => drop(done.try_send(())),
            Self::Write => {}
        }
    }
}

impl Reply {
    fn of(asked: Asked, outcome: Outcome) -> Option<Self> {
        match (asked, outcome) {
            (Asked::Take { answer, .. }, Outcome::Taken(taken)) => Some(Self::Taken(answer, taken)),
            (Asked::Query { answer, .. }, Outcome::Known(known)) => {
                Some(Self::Known(answer, known))
            }
            (Asked::Close(done), _) => Some(Self::Closed(done)),
            _ => None,
        }
    }

    fn send(self) {
        // The requester may have gone; then the reply is dropped.
        match self {
            Self::Taken(answer, taken) => drop(answer.send(Ok(taken))),
            Self::Known(answer, known) => drop(answer.send(Ok(known))),
            Self::Closed(done) => drop(done.try_send(())),
        }
    }
}
