//! Admission of one pipeline: permits to run, and a bounded number of waiting requests.
//!
//! Permits are sharded by thread, and a thread takes its own first. Taking and returning a free
//! permit is one atomic operation each; nothing is locked unless a request waits. Waiters are woken
//! in the order of their arrival, but a request that has just arrived may take the permit first.
//! The guarded object owns the permits; each permit keeps it alive. Bounds: one permit for each
//! instance, and `waiting_max` waiters.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use hotstage_core::sharded::Sharded;
use tokio::sync::Notify;

/// The permits of one pipeline, and the number of requests that wait for one.
pub struct Admission {
    free: Sharded<AtomicUsize>,
    waiting: AtomicUsize,
    waiting_max: usize,
    given_back: Notify,
}

/// Permission to run the guarded object; returned when it is dropped.
pub struct Permit<T: AsRef<Admission>>(Arc<T>);

impl Admission {
    /// Creates `permits` free permits; at most `waiting_max` requests may wait for one.
    pub fn new(permits: usize, waiting_max: usize) -> Self {
        let free: Sharded<AtomicUsize> = Sharded::default();
        let places = free.all().count();
        for (place, free) in free.all().enumerate() {
            free.store(
                permits / places + usize::from(place < permits % places),
                SeqCst,
            );
        }
        Self {
            free,
            waiting: AtomicUsize::new(0),
            waiting_max,
            given_back: Notify::const_new(),
        }
    }

    /// How many requests wait now.
    pub fn waiting(&self) -> usize {
        self.waiting.load(SeqCst).min(self.waiting_max)
    }

    /// How many requests may wait.
    pub const fn waiting_max(&self) -> usize {
        self.waiting_max
    }

    /// Takes a permit, waiting until one is free. Returns `None` when too many requests wait
    /// already.
    pub async fn turn<T: AsRef<Self>>(of: &Arc<T>) -> Option<Permit<T>> {
        let this: &Self = (**of).as_ref();
        if !this.take() && !this.wait().await {
            return None;
        }
        Some(Permit(Arc::clone(of)))
    }

    /// Waits until a permit is taken. Returns false when too many requests wait already.
    async fn wait(&self) -> bool {
        let waiting = Waiting::begin(&self.waiting);
        if waiting.number > self.waiting_max {
            return false;
        }
        loop {
            let mut given_back = std::pin::pin!(self.given_back.notified());
            // From here on no returned permit is missed: `take` sees one returned before, and one
            // returned later wakes this task.
            given_back.as_mut().enable();
            if self.take() {
                return true;
            }
            given_back.await;
        }
    }

    fn take(&self) -> bool {
        self.free.own_first().any(|free| {
            free.try_update(SeqCst, SeqCst, |free| free.checked_sub(1))
                .is_ok()
        })
    }
}

impl<T: AsRef<Admission>> Deref for Permit<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: AsRef<Admission>> Drop for Permit<T> {
    fn drop(&mut self) {
        let this: &Admission = (*self.0).as_ref();
        this.free.own().fetch_add(1, SeqCst);
        // A waiter counts itself before it tries a last time to take a permit, so either it sees
        // this permit or this thread sees the waiter.
        if this.waiting.load(SeqCst) > 0 {
            this.given_back.notify_one();
        }
    }
}

/// Counts one waiter until it is dropped, which covers a client that goes away.
struct Waiting<'a> {
    count: &'a AtomicUsize,
    number: usize,
}

impl<'a> Waiting<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        Self {
            count,
            number: count.fetch_add(1, SeqCst) + 1,
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    struct Guarded(Admission);

    impl AsRef<Admission> for Guarded {
        fn as_ref(&self) -> &Admission {
            &self.0
        }
    }

    fn guarded(permits: usize, waiting_max: usize) -> Arc<Guarded> {
        Arc::new(Guarded(Admission::new(permits, waiting_max)))
    }

    #[test]
    fn no_more_run_than_there_are_permits_and_every_waiter_gets_one() {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(4)
            .build()
            .unwrap();
        runtime.block_on(async {
            let guarded = guarded(3, usize::MAX);
            let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let mut tasks = Vec::new();
            for _ in 0..64 {
                let (guarded, running, most) = (
                    Arc::clone(&guarded),
                    Arc::clone(&running),
                    Arc::clone(&most),
                );
                tasks.push(tokio::spawn(async move {
                    for _ in 0..500 {
                        let _permit = Admission::turn(&guarded).await.unwrap();
                        most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
                        tokio::task::yield_now().await;
                        running.fetch_sub(1, SeqCst);
                    }
                }));
            }
            for task in tasks {
                task.await.unwrap();
            }
            assert_eq!(most.load(SeqCst), 3);
            let free: usize = guarded.0.free.all().map(|free| free.load(SeqCst)).sum();
            assert_eq!((free, guarded.0.waiting.load(SeqCst)), (3, 0));
        });
    }

    #[test]
    fn too_many_waiters_are_refused_and_an_aborted_one_frees_its_place() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let guarded = guarded(1, 1);
            let permit = Admission::turn(&guarded).await.unwrap();
            let waiting = |guarded: &Arc<Guarded>| {
                let guarded = Arc::clone(guarded);
                tokio::spawn(async move { Admission::turn(&guarded).await.is_some() })
            };
            let waiter = waiting(&guarded);
            tokio::task::yield_now().await;
            assert!(Admission::turn(&guarded).await.is_none());
            waiter.abort();
            assert!(waiter.await.is_err());
            let waiter = waiting(&guarded);
            tokio::task::yield_now().await;
            drop(permit);
            assert!(waiter.await.unwrap());
        });
    }
}
