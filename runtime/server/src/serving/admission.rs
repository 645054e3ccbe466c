//! Who may run, and how many may wait for that.
//!
//! Turns lie spread, some with each thread, which takes its own first. One that is free is taken
//! with one atomic exchange, and given back with one; nothing is locked unless somebody waits.
//! Waiters are woken in the order in which they came, though one that has just come may be quicker.
//! Whatever the turns are for holds them, and each turn holds that. Bounds: as many turns as there
//! are instances, and `waiting_max` waiters.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use hotstage_engine::sharded::Sharded;
use tokio::sync::Notify;

/// The turns of one pipeline.
pub struct Admission {
    free: Sharded<AtomicUsize>,
    waiting: AtomicUsize,
    waiting_max: usize,
    given_back: Notify,
}

/// The right to run what has the turns; given back when it is dropped.
pub struct Permit<T: AsRef<Admission>>(Arc<T>);

impl Admission {
    /// So many turns, and so many that may wait for one.
    pub fn new(turns: usize, waiting_max: usize) -> Self {
        let free: Sharded<AtomicUsize> = Sharded::default();
        let places = free.all().count();
        for (place, free) in free.all().enumerate() {
            free.store(turns / places + usize::from(place < turns % places), SeqCst);
        }
        Self {
            free,
            waiting: AtomicUsize::new(0),
            waiting_max,
            given_back: Notify::const_new(),
        }
    }

    /// How many wait now.
    pub fn waiting(&self) -> usize {
        self.waiting.load(SeqCst).min(self.waiting_max)
    }

    /// How many may wait.
    pub const fn waiting_max(&self) -> usize {
        self.waiting_max
    }

    /// A turn: at once when one is free, else when one is given back. `None`: too many wait
    /// already.
    pub async fn turn<T: AsRef<Self>>(of: &Arc<T>) -> Option<Permit<T>> {
        let this: &Self = (**of).as_ref();
        if !this.take() && !this.wait().await {
            return None;
        }
        Some(Permit(Arc::clone(of)))
    }

    /// Waits until it has taken a turn. False: too many wait already.
    async fn wait(&self) -> bool {
        let waiting = Waiting::begin(&self.waiting);
        if waiting.number > self.waiting_max {
            return false;
        }
        loop {
            let mut given_back = std::pin::pin!(self.given_back.notified());
            // From here on no turn is missed: one given back before was seen by `take`, one after
            // wakes us.
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
        // Who waits says so before it looks for a turn a last time, so one of us sees the other.
        if this.waiting.load(SeqCst) > 0 {
            this.given_back.notify_one();
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

    struct Room(Admission);

    impl AsRef<Admission> for Room {
        fn as_ref(&self) -> &Admission {
            &self.0
        }
    }

    fn room(turns: usize, waiting_max: usize) -> Arc<Room> {
        Arc::new(Room(Admission::new(turns, waiting_max)))
    }

    #[test]
    fn no_more_run_than_there_are_turns_and_nobody_is_forgotten() {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(4)
            .build()
            .unwrap();
        runtime.block_on(async {
            let room = room(3, usize::MAX);
            let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let mut tasks = Vec::new();
            for _ in 0..64 {
                let (room, running, most) =
                    (Arc::clone(&room), Arc::clone(&running), Arc::clone(&most));
                tasks.push(tokio::spawn(async move {
                    for _ in 0..500 {
                        let _turn = Admission::turn(&room).await.unwrap();
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
            let free: usize = room.0.free.all().map(|free| free.load(SeqCst)).sum();
            assert_eq!((free, room.0.waiting.load(SeqCst)), (3, 0));
        });
    }

    #[test]
    fn too_many_are_turned_away_and_one_that_leaves_makes_room() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let room = room(1, 1);
            let turn = Admission::turn(&room).await.unwrap();
            let waiting = |room: &Arc<Room>| {
                let room = Arc::clone(room);
                tokio::spawn(async move { Admission::turn(&room).await.is_some() })
            };
            let waiter = waiting(&room);
            tokio::task::yield_now().await;
            assert!(Admission::turn(&room).await.is_none());
            waiter.abort();
            assert!(waiter.await.is_err());
            let waiter = waiting(&room);
            tokio::task::yield_now().await;
            drop(turn);
            assert!(waiter.await.unwrap());
        });
    }
}
