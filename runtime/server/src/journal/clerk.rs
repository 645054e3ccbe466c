//! The journal's own thread: work on it is done there, one piece after another. Whoever asked waits without blocking.
//!
//! A thread that stays keeps its memory and its place behind those of requests; threads that come and go with each
//! change would leave some of theirs behind.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::{io, thread};

use tokio::sync::oneshot;

use super::Journal;

type Work = Box<dyn FnOnce(&mut Journal) + Send>;

/// Has the journal.
#[derive(Debug)]
pub struct Clerk {
    work: mpsc::Sender<Work>,
}

/// The work came to no end: it panicked.
#[derive(Debug)]
pub struct Lost;

impl Clerk {
    /// Starts the thread, which begins with `first` and ends when the clerk is dropped and its work done.
    pub fn start(mut journal: Journal, first: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let (work, asked) = mpsc::channel::<Work>();
        thread::Builder::new().name("journal".to_owned()).spawn(move || {
            first();
            for work in asked {
                // Whoever asked learns of a panic by getting no answer. SQLite's transactions are whole or not at all.
                let _ = catch_unwind(AssertUnwindSafe(|| work(&mut journal)));
            }
        })?;
        Ok(Self { work })
    }

    /// Does some work on the journal when its turn comes. Work that was asked for is done, also when nobody waits for
    /// its answer any more.
    pub async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Journal) -> T + Send + 'static,
    ) -> Result<T, Lost> {
        let (answer, answered) = oneshot::channel();
        let work = move |journal: &mut Journal| drop(answer.send(work(journal)));
        self.work.send(Box::new(work)).map_err(|_| Lost)?;
        answered.await.map_err(|_| Lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_is_done_in_order_and_a_panic_ends_only_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let clerk = Clerk::start(Journal::open(folder.path()).unwrap(), || ()).unwrap();
        let head = |journal: &mut Journal| journal.replay(None).unwrap().head.number;
        assert_eq!(clerk.ask(head).await.unwrap(), 0);
        assert!(clerk.ask(|_| panic!("a defect")).await.is_err());
        assert_eq!(clerk.ask(head).await.unwrap(), 0);
    }
}
