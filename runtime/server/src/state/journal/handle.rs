//! The journal's thread: it runs the work on the journal in order, and callers await the results
//! without blocking.
//!
//! One permanent thread keeps its caches and its low priority; a new thread for each change would
//! leave memory behind each time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use std::{io, thread};

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::Journal;

/// Queued work; further callers wait until the queue has space.
const WAITING_MAX: usize = 64;
/// How long closing waits. Closing moves the rest of SQLite's log into the main file. If the disk
/// stalls longer, nothing is lost: the next start reads the log.
const CLOSING: Duration = Duration::from_secs(5);

type Work = Box<dyn FnOnce(&mut Journal) + Send>;

/// The handle to the journal's thread.
#[derive(Debug)]
pub struct JournalHandle {
    asked: mpsc::Sender<Asked>,
}

enum Asked {
    Work(Work),
    /// Close the journal, then reply.
    Close(oneshot::Sender<()>),
}

/// The work did not finish: it panicked.
#[derive(Debug)]
pub struct Lost;

impl JournalHandle {
    /// Starts the thread, which calls `first` and ends when the handle is dropped and its work is
    /// done.
    pub fn start(mut journal: Journal, first: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let (asking, mut asked) = mpsc::channel(WAITING_MAX);
        thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || {
                first();
                while let Some(asked) = asked.blocking_recv() {
                    match asked {
                        // A panic drops the reply channel, which the caller sees. SQLite's
                        // transactions are atomic.
                        Asked::Work(work) => {
                            drop(catch_unwind(AssertUnwindSafe(|| work(&mut journal))));
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

    /// Closes the journal after all queued work. Later work is lost.
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

    /// Queues work on the journal and waits for its result. Queued work runs even if its caller has
    /// gone.
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
