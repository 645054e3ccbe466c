//! The journal's own thread: work on it is done there, one piece after another. Whoever asked waits
//! without blocking.
//!
//! A thread that stays keeps its memory and its place behind those of requests; threads that come
//! and go with each change would leave some of theirs behind.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use std::{io, thread};

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::Journal;

/// Pieces of work that wait; who has more to ask waits to ask it.
const WAITING_MAX: usize = 64;
/// What is left in SQLite's log is brought into the one file when the journal is closed; a disk
/// that stalls is not waited for longer. Nothing is lost: the next start reads the log.
const CLOSING: Duration = Duration::from_secs(5);

type Work = Box<dyn FnOnce(&mut Journal) + Send>;

/// Has the journal.
#[derive(Debug)]
pub struct JournalHandle {
    asked: mpsc::Sender<Asked>,
}

enum Asked {
    Work(Work),
    /// Close the journal, and say so.
    Close(oneshot::Sender<()>),
}

/// The work came to no end: it panicked.
#[derive(Debug)]
pub struct Lost;

impl JournalHandle {
    /// Starts the thread, which begins with `first` and ends when the journal is dropped and its
    /// work done.
    pub fn start(mut journal: Journal, first: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let (asking, mut asked) = mpsc::channel(WAITING_MAX);
        thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || {
                first();
                while let Some(asked) = asked.blocking_recv() {
                    match asked {
                        // Whoever asked learns of a panic by getting no answer. SQLite's
                        // transactions are whole or not at all.
                        Asked::Work(work) => {
                            drop(catch_unwind(AssertUnwindSafe(|| work(&mut journal))))
                        }
                        Asked::Close(closed) => {
                            drop(journal);
                            let _ = closed.send(());
                            break;
                        }
                    }
                }
            })?;
        Ok(Self { asked: asking })
    }

    /// Closes the journal when the work that was asked for before is done. Later work is lost.
    pub async fn close(&self) {
        let (closing, closed) = oneshot::channel();
        let asked =
            async { self.asked.send(Asked::Close(closing)).await.is_ok() && closed.await.is_ok() };
        if timeout(CLOSING, asked).await.is_err() {
            tracing::warn!(
                "the journal was not closed: the disk takes too long; the next start reads SQLite's log"
            );
        }
    }

    /// Does some work on the journal when its turn comes. Work that was asked for is done, also
    /// when nobody waits for its answer any more.
    pub async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Journal) -> T + Send + 'static,
    ) -> Result<T, Lost> {
        let (answer, answered) = oneshot::channel();
        let work = move |journal: &mut Journal| drop(answer.send(work(journal)));
        self.asked
            .send(Asked::Work(Box::new(work)))
            .await
            .map_err(|_| Lost)?;
        answered.await.map_err(|_| Lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_is_done_in_order_and_a_panic_ends_only_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let journal = JournalHandle::start(Journal::open(folder.path()).unwrap(), || ()).unwrap();
        let head = |journal: &mut Journal| journal.replay(None).unwrap().head.number;
        assert_eq!(journal.ask(head).await.unwrap(), 0);
        assert!(journal.ask(|_| panic!("a defect")).await.is_err());
        assert_eq!(journal.ask(head).await.unwrap(), 0);
        journal.close().await;
        assert!(journal.ask(head).await.is_err());
        assert!(
            !folder.path().join("journal.db-wal").exists(),
            "SQLite removes its log when it closes"
        );
    }
}
