//! Warm idle instances, each near the thread that used it last.
//!
//! An instance's memory is in the cache of the core that ran it; moving between cores costs a call
//! several microseconds. So there is a shelf for each thread: a thread takes from its own shelf
//! first and from the others when that is empty, and puts back on its own. Shelves are bounded
//! lock-free queues. Bound: `capacity` instances on a shelf; further ones are dropped.

use crossbeam_queue::ArrayQueue;

use hotstage_core::sharded::Sharded;

/// A pool of idle things.
pub(crate) struct Pool<T> {
    shelves: Sharded<ArrayQueue<T>>,
}

impl<T> Pool<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            shelves: Sharded::new(|| ArrayQueue::new(capacity.max(1))),
        }
    }

    /// An idle one, if there is one.
    pub(crate) fn take(&self) -> Option<T> {
        self.shelves.own_first().find_map(ArrayQueue::pop)
    }

    /// Puts one back; returns it when the shelf is full.
    pub(crate) fn put(&self, thing: T) -> Result<(), T> {
        self.shelves.own().push(thing)
    }

    /// The number of idle ones.
    pub(crate) fn len(&self) -> usize {
        self.shelves.all().map(ArrayQueue::len).sum()
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
                // Nothing is lost, whatever shelf this thread has.
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
