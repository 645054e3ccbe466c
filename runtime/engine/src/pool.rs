//! Warm instances that lie idle, each near the thread that used it last.
//!
//! An instance's memory is in the cache of the core that ran it; one that wanders between cores costs a call several
//! microseconds. So there is a shelf for each thread: a thread takes from its own shelf first and from the others when
//! that is empty, and puts back on its own. Shelves are bounded lock-free queues. Bound: `capacity` instances on a
//! shelf; what does not fit is dropped.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crossbeam_queue::ArrayQueue;

/// Things that lie idle.
pub(crate) struct Pool<T> {
    shelves: Box<[ArrayQueue<T>]>,
}

impl<T> Pool<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        // Threads for connections and for long guests, one of each to a core.
        let threads = 2 * std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        Self { shelves: (0..threads).map(|_| ArrayQueue::new(capacity.max(1))).collect() }
    }

    /// One that lies idle, if any does.
    pub(crate) fn take(&self) -> Option<T> {
        let own = self.own();
        let (before, after) = self.shelves.split_at(own);
        after.iter().chain(before).find_map(ArrayQueue::pop)
    }

    /// Puts one back; gives it back when there is no room.
    pub(crate) fn put(&self, thing: T) -> Result<(), T> {
        self.shelves[self.own()].push(thing)
    }

    /// How many lie idle.
    pub(crate) fn len(&self) -> usize {
        self.shelves.iter().map(ArrayQueue::len).sum()
    }

    /// This thread's shelf.
    fn own(&self) -> usize {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static NUMBER: usize = THREADS.fetch_add(1, Relaxed);
        }
        NUMBER.with(|number| number % self.shelves.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_gets_its_own_back_and_others_when_it_has_none() {
        let pool = Pool::new(2);
        pool.put("here").unwrap();
        std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                // Whatever shelf this thread has, nothing is lost.
                let taken = pool.take();
                pool.put("there").unwrap();
                taken
            });
            assert_eq!(other.join().unwrap(), Some("here"));
        });
        assert_eq!(pool.take(), Some("there"));
        assert_eq!(pool.take(), None);
    }

    #[test]
    fn a_shelf_is_bounded() {
        let pool = Pool::new(1);
        assert_eq!((pool.put(1), pool.put(2)), (Ok(()), Err(2)));
    }
}
