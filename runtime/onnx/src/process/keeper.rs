//! The thread that starts and supervises the processes of graphs.
//!
//! A process starts with the priority of the thread that starts it, and may not raise it. Threads
//! that apply changes have lowered theirs, so they start none: this thread, which exists from the
//! engine's start, does. Every [`LOOK`] it kills processes with a late answer and restarts those
//! that have ended; while no graph is open it sleeps. It ends with the engine and the last graph.
//! Bound of waiting jobs: [`JOBS`].

use std::io;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::{Inner, restart};

/// The interval at which processes are checked.
const LOOK: Duration = Duration::from_millis(20);
/// Jobs that may wait.
const JOBS: usize = 16;

/// The handle of the thread.
pub(in super::super) struct Keeper(SyncSender<Job>);

enum Job {
    Start(Box<Command>, SyncSender<io::Result<Child>>),
    Watch(Weak<Inner>),
}

impl Keeper {
    /// Starts the thread, with the priority of the caller.
    pub(in super::super) fn start() -> io::Result<Self> {
        let (sender, jobs) = sync_channel(JOBS);
        std::thread::Builder::new()
            .name("graphs".into())
            .spawn(move || keep(&jobs))?;
        Ok(Self(sender))
    }

    /// Starts a process.
    pub(super) fn spawn(&self, command: Command) -> io::Result<Child> {
        let (sender, started) = sync_channel(1);
        let gone = || io::Error::other("the thread that starts processes is gone");
        self.0
            .send(Job::Start(Box::new(command), sender))
            .map_err(|_| gone())?;
        started.recv().unwrap_or_else(|_| Err(gone()))
    }

    /// Supervises the graph's process from now on.
    pub(super) fn watch(&self, inner: &Arc<Inner>) {
        // Sending fails only when the thread is gone; callers then check the process themselves.
        let _ = self.0.send(Job::Watch(Arc::downgrade(inner)));
    }
}

fn keep(jobs: &Receiver<Job>) {
    let mut watched: Vec<Weak<Inner>> = Vec::new();
    loop {
        let job = if watched.is_empty() {
            jobs.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            jobs.recv_timeout(LOOK)
        };
        match job {
            // The caller may be gone; the process then ends with its pipe.
            Ok(Job::Start(mut command, started)) => drop(started.send(command.spawn())),
            Ok(Job::Watch(inner)) => watched.push(inner),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        watched.retain(|inner| inner.upgrade().inspect(supervise).is_some());
    }
}

fn supervise(inner: &Arc<Inner>) {
    let worker = inner.worker.load();
    worker.look();
    if worker.is_known_gone() {
        restart(inner);
    }
}
