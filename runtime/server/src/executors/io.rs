//! I/O threads: each one owns its connections from their first byte to their last.
//!
//! A new connection goes to the thread with the fewest connections and stays there. A thread polls
//! only its own connections, so no request moves between threads, and its buffers and instances'
//! memory stay with one core. Long computations move to the compute pool
//! ([`compute`](crate::executors::compute)). docs/decisions/0003 has the measurements. Default: one
//! thread for each core; `--io-threads` changes it. Bound: one thread serves all requests of a
//! connection, including HTTP/2.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// I/O threads of their own, or a runtime's threads.
#[derive(Debug)]
pub struct Workers(Vec<Worker>);

#[derive(Debug)]
struct Worker {
    handle: Handle,
    /// The number of tasks that it was given and that have not ended.
    given: Arc<AtomicUsize>,
    /// Dropping it ends the thread.
    _stay: Option<oneshot::Sender<()>>,
}

/// Counts one task of a worker until it is dropped.
struct Given(Arc<AtomicUsize>);

impl Workers {
    /// Starts this many threads; each calls `enter` first, one thread after another.
    pub fn start(
        name: &str,
        threads: usize,
        enter: impl Fn() + Clone + Send + 'static,
    ) -> io::Result<Self> {
        let start = |_| {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let handle = runtime.handle().clone();
            let (stay, ended) = oneshot::channel();
            let (sender, entered) = std::sync::mpsc::sync_channel(1);
            let enter = enter.clone();
            thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || {
                    enter();
                    // The receiver is gone only if the start failed.
                    let _ = sender.send(());
                    // An error means that the workers were dropped, which ends the thread.
                    let _ = runtime.block_on(ended);
                    runtime.shutdown_background();
                })?;
            entered.recv().map_err(io::Error::other)?;
            Ok(Worker {
                handle,
                given: Arc::default(),
                _stay: Some(stay),
            })
        };
        (0..threads.max(1))
            .map(start)
            .collect::<io::Result<_>>()
            .map(Self)
    }

    /// Uses the threads of an existing runtime.
    pub fn of(handle: Handle) -> Self {
        Self(vec![Worker {
            handle,
            given: Arc::default(),
            _stay: None,
        }])
    }

    /// The first worker, for tasks that belong to no connection.
    pub fn first(&self) -> &Handle {
        &self.0[0].handle
    }

    /// Runs a task on the worker that has the fewest, to its end.
    pub fn give(&self, work: impl Future<Output = ()> + Send + 'static) {
        let Some(worker) = self
            .0
            .iter()
            .min_by_key(|worker| worker.given.load(Relaxed))
        else {
            return;
        };
        worker.given.fetch_add(1, Relaxed);
        let given = Given(Arc::clone(&worker.given));
        worker.handle.spawn(async move {
            let _given = given;
            work.await;
        });
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thread_has_as_many_as_the_others_and_keeps_them() {
        let workers = Workers::start("io", 2, || {}).unwrap();
        let (sender, receiver) = std::sync::mpsc::sync_channel(8);
        let mut ends = Vec::new();
        let mut give = || {
            let (end, ended) = oneshot::channel::<()>();
            let sender = sender.clone();
            workers.give(async move {
                sender.send(thread::current().id()).unwrap();
                let _ = ended.await;
                sender.send(thread::current().id()).unwrap();
            });
            ends.push(end);
            receiver.recv().unwrap()
        };
        let [first, second, third, fourth] = [give(), give(), give(), give()];
        assert_ne!(first, second);
        assert!((third == first && fourth == second) || (third == second && fourth == first));
        // The first task ends, so its thread has the fewest.
        drop(ends.remove(0));
        assert_eq!(receiver.recv().unwrap(), first);
        while workers
            .0
            .iter()
            .map(|worker| worker.given.load(Relaxed))
            .sum::<usize>()
            > 3
        {
            thread::yield_now();
        }
        let (end, ended) = oneshot::channel::<()>();
        let sender = sender.clone();
        workers.give(async move {
            sender.send(thread::current().id()).unwrap();
            let _ = ended.await;
        });
        assert_eq!(receiver.recv().unwrap(), first);
        drop(end);
    }
}
