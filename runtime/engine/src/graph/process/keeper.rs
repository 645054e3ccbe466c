//! The thread that starts processes of graphs and looks after them.
//!
//! A process begins with the priority of the thread that starts it, and may not raise it. Threads
//! for changes have given theirs up, so none of them starts one: this thread does, which is there
//! from the engine's start. Every [`LOOK`] it kills what owes an answer for too long and starts
//! anew what has ended; while no graph is open it sleeps. It ends with the engine and the last
//! graph. Bound of what may wait for it: [`JOBS`].

use std::io;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::{Inner, restart};

/// How often processes are looked at.
const LOOK: Duration = Duration::from_millis(20);
/// Jobs that may wait.
const JOBS: usize = 16;

/// Its handle.
pub(in super::super) struct Keeper(SyncSender<Job>);

enum Job {
    Start(Box<Command>, SyncSender<io::Result<Child>>),
    Watch(Weak<Inner>),
}

impl Keeper {
    /// Starts the thread, with the priority of this one.
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

    /// From now on the graph's process is looked after.
    pub(super) fn watch(&self, inner: &Arc<Inner>) {
        // Only a thread that is gone takes nothing, and then callers look themselves.
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
            // The caller may be gone, and the process ends with its pipe.
            Ok(Job::Start(mut command, started)) => drop(started.send(command.spawn())),
            Ok(Job::Watch(inner)) => watched.push(inner),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        watched.retain(|inner| inner.upgrade().inspect(look_after).is_some());
    }
}

fn look_after(inner: &Arc<Inner>) {
    let worker = inner.worker.load();
    worker.look();
    if worker.is_known_gone() {
        restart(inner);
    }
}
