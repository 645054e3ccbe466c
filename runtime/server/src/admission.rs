//! Who may run, and how many may wait for that.
//!
//! A turn that is free is taken with one atomic exchange, and given back with one; nothing is locked unless somebody
//! waits. Waiters are woken in the order in which they came, though one that has just come may be quicker. Bounds: as
//! many turns as there are instances, and `waiting_max` waiters.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use tokio::sync::Notify;

/// The turns of one pipeline.
pub struct Admission {
    free: AtomicUsize,
    waiting: AtomicUsize,
    waiting_max: usize,
    given_back: Notify,
}

/// The right to run; given back when it is dropped.
pub struct Turn(Arc<Admission>);

impl Admission {
    /// So many turns, and so many that may wait for one.
    pub fn new(turns: usize, waiting_max: usize) -> Arc<Self> {
        let (free, waiting) = (AtomicUsize::new(turns), AtomicUsize::new(0));
        Arc::new(Self { free, waiting, waiting_max, given_back: Notify::new() })
    }

    /// How many wait now.
    pub fn waiting(&self) -> usize {
        self.waiting.load(SeqCst).min(self.waiting_max)
    }

    /// How many may wait.
    pub const fn waiting_max(&self) -> usize {
        self.waiting_max
    }

    /// A turn: at once when one is free, else when one is given back. `None`: too many wait already.
    pub async fn turn(self: &Arc<Self>) -> Option<Turn> {
        if let Some(turn) = self.take() {
            return Some(turn);
        }
        let waiting = Waiting::begin(&self.waiting);
        if waiting.number > self.waiting_max {
            return None;
        }
        loop {
            let mut given_back = std::pin::pin!(self.given_back.notified());
            // From here on no turn is missed: one given back before was seen by `take`, one after wakes us.
            given_back.as_mut().enable();
            if let Some(turn) = self.take() {
                return Some(turn);
            }
            given_back.await;
        }
    }

    fn take(self: &Arc<Self>) -> Option<Turn> {
        let taken = self.free.try_update(SeqCst, SeqCst, |free| free.checked_sub(1));
        taken.ok().map(|_| Turn(Arc::clone(self)))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.free.fetch_add(1, SeqCst);
        // Who waits says so before it looks for a turn a last time, so one of us sees the other.
        if self.0.waiting.load(SeqCst) > 0 {
            self.0.given_back.notify_one();
        }
    }
}

/// Counts one that waits, also when its client goes away.
struct Waiting<'a> {
    count: &'a AtomicUsize,
    number: usize,
}

impl<'a> Waiting<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        Self { count, number: count.fetch_add(1, SeqCst) + 1 }
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

    #[test]
    fn no_more_run_than_there_are_turns_and_nobody_is_forgotten() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
        runtime.block_on(async {
            let admission = Admission::new(3, usize::MAX);
            let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let mut tasks = Vec::new();
            for _ in 0..64 {
                let (admission, running, most) = (Arc::clone(&admission), Arc::clone(&running), Arc::clone(&most));
                tasks.push(tokio::spawn(async move {
                    for _ in 0..500 {
                        let _turn = admission.turn().await.unwrap();
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
            assert_eq!((admission.free.load(SeqCst), admission.waiting.load(SeqCst)), (3, 0));
        });
    }

    #[test]
    fn too_many_are_turned_away_and_one_that_leaves_makes_room() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let admission = Admission::new(1, 1);
            let turn = admission.turn().await.unwrap();
            let other = Arc::clone(&admission);
            let waiter = tokio::spawn(async move { other.turn().await.is_some() });
            tokio::task::yield_now().await;
            assert!(admission.turn().await.is_none());
            waiter.abort();
            assert!(waiter.await.is_err());
            let other = Arc::clone(&admission);
            let waiter = tokio::spawn(async move { other.turn().await.is_some() });
            tokio::task::yield_now().await;
            drop(turn);
            assert!(waiter.await.unwrap());
        });
    }
}
