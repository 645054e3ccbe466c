//! The threads that answer: each has connections of its own, from their first byte to their last.
//!
//! A connection goes to the thread that has the fewest, and stays there. A thread waits for its own
//! connections and for nobody else's, so no request is handed from one thread to another, nor are
//! its buffers and its instances' memory from one core to another; what takes long leaves the
//! thread (`place`). docs/decisions/0003 has the measurements. Default: a thread per core;
//! `--io-threads` says otherwise. Bound: all requests of one connection, of HTTP/2 too, are
//! answered by one thread, but for what is long to compute.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// Some threads, or a runtime's.
#[derive(Debug)]
pub struct Workers(Vec<Worker>);

#[derive(Debug)]
struct Worker {
    handle: Handle,
    /// What it was given and has not ended.
    given: Arc<AtomicUsize>,
    /// Dropped, the thread ends.
    _stay: Option<oneshot::Sender<()>>,
}

/// One of what a worker was given.
struct Given(Arc<AtomicUsize>);

impl Workers {
    /// Starts so many threads; `enter` is what each does first, one after another.
    pub fn start(
        name: &str,
        threads: usize,
        enter: impl Fn() + Clone + Send + 'static,
    ) -> io::Result<Self> {
        let start = |_| {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let handle = runtime.handle().clone();
            let (stay, ended) = oneshot::channel();
            let (told, entered) = std::sync::mpsc::sync_channel(1);
            let enter = enter.clone();
            thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || {
                    enter();
                    // Nobody waits for it any more only if the start failed.
                    let _ = told.send(());
                    // The error means that the workers are gone, which is what is waited for.
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

    /// The threads of a runtime that is there already, whichever of them.
    pub fn of(handle: Handle) -> Self {
        Self(vec![Worker {
            handle,
            given: Arc::default(),
            _stay: None,
        }])
    }

    /// The first one, for what belongs to none.
    pub fn first(&self) -> &Handle {
        &self.0[0].handle
    }

    /// Has the one that has the fewest do this to its end.
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
        let (told, tell) = std::sync::mpsc::sync_channel(8);
        let mut ends = Vec::new();
        let mut give = || {
            let (end, ended) = oneshot::channel::<()>();
            let told = told.clone();
            workers.give(async move {
                told.send(thread::current().id()).unwrap();
                let _ = ended.await;
                told.send(thread::current().id()).unwrap();
            });
            ends.push(end);
            tell.recv().unwrap()
        };
        let [first, second, third, fourth] = [give(), give(), give(), give()];
        assert_ne!(first, second);
        assert!((third == first && fourth == second) || (third == second && fourth == first));
        // The first one is done: its thread has room.
        drop(ends.remove(0));
        assert_eq!(tell.recv().unwrap(), first);
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
        let told = told.clone();
        workers.give(async move {
            told.send(thread::current().id()).unwrap();
            let _ = ended.await;
        });
        assert_eq!(tell.recv().unwrap(), first);
        drop(end);
    }
}
