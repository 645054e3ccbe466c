//! The thread that writes: notes when some have come together, feedback at once; all that waits in
//! one transaction.
//!
//! What can't be written is dropped, counted and told in the log, once for each trouble; whoever
//! sent feedback is told that it was not taken.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::db::ExperimentDb;
use super::{Known, Note, Reward, Shared, Taken, Trial};

/// How long notes come together before they are written.
const GATHER: Duration = Duration::from_millis(200);
/// Requests that are answered by one transaction.
const TOGETHER_MAX: usize = 256;

/// What the writer is asked for.
pub(super) enum Asked {
    /// Write what is noted.
    Write,
    /// Take rewards.
    Take {
        trial: Arc<Trial>,
        rewards: Vec<Reward>,
        answer: oneshot::Sender<Result<Taken, String>>,
    },
    /// Say what is known.
    Look {
        trial: Arc<Trial>,
        answer: oneshot::Sender<Result<Known, String>>,
    },
    /// Write what is noted, and say when.
    Close(SyncSender<()>),
}

/// An answer that is sent after the commit.
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

    /// Writes until nobody can ask any more.
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
            self.turn(asked);
        }
    }

    /// Waits for more notes, but not once somebody waits for an answer.
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

    fn turn(&mut self, asked: Vec<Asked>) {
        // First this: a note that comes from now on wakes the writer again.
        self.shared.is_told.store(false, SeqCst);
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
                    tracing::error!(target: "experiments", trouble, "what experiments remember can't be written");
                }
                self.is_troubled = true;
                if let Some(db) = &mut self.db {
                    db.roll_back();
                }
                // The file may be another one, or be mended, the next time.
                self.db = None;
                waiting
                    .into_iter()
                    .for_each(|waiting| waiting.refuse(&trouble));
            }
        }
    }

    /// One transaction. Who could not be answered waits in `waiting` when it fails.
    fn write(
        &mut self,
        notes: &[Note],
        asked: Vec<Asked>,
        waiting: &mut Vec<Asked>,
    ) -> Result<Vec<Reply>, String> {
        // Without notes there may be no experiment, and then there is no file.
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
                Asked::Look { trial, .. } => Outcome::Known(db.known(trial, now_ms)?),
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

/// What a transaction came to for one who asked.
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
    /// Whether it is done when all notes are written.
    const fn needs_no_file(&self) -> bool {
        matches!(self, Self::Write | Self::Close(_))
    }

    /// Says that it was not done.
    fn refuse(self, trouble: &str) {
        // Who went away meanwhile needs no answer.
        match self {
            Self::Take { answer, .. } => drop(answer.send(Err(trouble.to_owned()))),
            Self::Look { answer, .. } => drop(answer.send(Err(trouble.to_owned()))),
            Self::Close(done) => drop(done.try_send(())),
            Self::Write => {}
        }
    }
}

impl Reply {
    fn of(asked: Asked, outcome: Outcome) -> Option<Self> {
        match (asked, outcome) {
            (Asked::Take { answer, .. }, Outcome::Taken(taken)) => Some(Self::Taken(answer, taken)),
            (Asked::Look { answer, .. }, Outcome::Known(known)) => Some(Self::Known(answer, known)),
            (Asked::Close(done), _) => Some(Self::Closed(done)),
            _ => None,
        }
    }

    fn send(self) {
        // Who went away meanwhile needs no answer.
        match self {
            Self::Taken(answer, taken) => drop(answer.send(Ok(taken))),
            Self::Known(answer, known) => drop(answer.send(Ok(known))),
            Self::Closed(done) => drop(done.try_send(())),
        }
    }
}
