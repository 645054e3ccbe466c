//! One value for each of a few threads, so that threads do not contend for cache lines.
//!
//! A value that every thread writes moves from core to core with every write: tens of nanoseconds
//! on two cores, more on many. Here each thread writes its own shard, on cache lines of its own,
//! and a reader goes through all shards. Default: a shard for each thread that answers requests,
//! two to a core; [`Sharded::few`] has at most 16, shared by several threads where there are more,
//! for values that exist many times.

use std::cell::Cell;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::thread::available_parallelism;

/// Threads for each core: one for connections, one for long guests.
const THREADS: usize = 2;
/// Shards of values that exist many times.
const FEW: usize = 16;

/// A `T` for each of a few threads.
#[derive(Debug)]
pub struct Sharded<T>(Box<[Place<T>]>);

/// Two cache lines, as processors fetch them in pairs.
#[derive(Debug)]
#[repr(align(128))]
struct Place<T>(T);

impl<T> Sharded<T> {
    /// One for each thread.
    pub fn new(make: impl FnMut() -> T) -> Self {
        Self::of(usize::MAX, make)
    }

    /// One for each thread, up to 16.
    pub fn few(make: impl FnMut() -> T) -> Self {
        Self::of(FEW, make)
    }

    fn of(most: usize, mut make: impl FnMut() -> T) -> Self {
        static PLACES: LazyLock<usize> = LazyLock::new(|| {
            (THREADS * available_parallelism().map_or(1, usize::from)).next_power_of_two()
        });
        Self((0..PLACES.min(most)).map(|_| Place(make())).collect())
    }

    /// The calling thread's.
    pub fn own(&self) -> &T {
        &self.0[self.place()].0
    }

    /// All of them, in no order.
    pub fn all(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|place| &place.0)
    }

    /// All of them, the calling thread's first.
    pub fn own_first(&self) -> impl Iterator<Item = &T> {
        let (before, after) = self.0.split_at(self.place());
        after.iter().chain(before).map(|place| &place.0)
    }

    fn place(&self) -> usize {
        // A power of two.
        number() & (self.0.len() - 1)
    }
}

impl<T: Default> Default for Sharded<T> {
    /// [`Sharded::few`].
    fn default() -> Self {
        Self::few(T::default)
    }
}

/// A number that many threads add to.
#[derive(Debug, Default)]
pub struct Counter(Sharded<AtomicU64>);

impl Counter {
    /// Adds to it.
    pub fn add(&self, many: u64) {
        self.0.own().fetch_add(many, Relaxed);
    }

    /// The sum so far.
    pub fn read(&self) -> u64 {
        self.0
            .all()
            .map(|count| count.load(Relaxed))
            .fold(0, u64::wrapping_add)
    }
}

/// Assigns a number to the calling thread now. Threads that answer requests call this as they
/// start, so that no two of them share a shard.
pub fn enter() {
    number();
}

/// Of `many` things that all threads share, the one that the calling thread tries first.
pub fn first_of(many: usize) -> usize {
    number() % many.max(1)
}

fn number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    thread_local! {
        static NUMBER: Cell<usize> = const { Cell::new(0) };
    }
    let number = NUMBER.get();
    if number != 0 {
        return number;
    }
    let number = NEXT.fetch_add(1, Relaxed);
    NUMBER.set(number);
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_threads_add_is_lost() {
        let counter = Counter::default();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..10_000).for_each(|_| counter.add(2)));
            }
        });
        assert_eq!(counter.read(), 160_000);
    }

    #[test]
    fn a_thread_finds_its_own_and_all_others_behind_it() {
        let mut number = 0;
        let spread = Sharded::new(|| {
            number += 1;
            number
        });
        let mut seen: Vec<_> = spread.own_first().copied().collect();
        assert_eq!(seen[0], *spread.own());
        seen.sort_unstable();
        assert_eq!(seen, (1..=number).collect::<Vec<_>>());
    }
}
