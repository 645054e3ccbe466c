//! The idle instances of a stage: which are kept, which are dropped, and counters over all of them.
//!
//! An instance beyond the minimum is dropped when it was not needed for `idle`: every [`LOOK`] the
//! idle instances are counted, and the smallest count over that time is dropped, so that calls need
//! no bookkeeping. The minimum is `instances.min`, or else 1. When another stage needs budget and
//! there is none, only a minimum that is written keeps an instance.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hotstage_core::limits::{IDLE_MIN, Instances};

use crate::instance::Instance;
use crate::instance_budget::Rests;
use crate::instance_pool::Pool;
use hotstage_core::sharded::Counter;

/// The interval at which idle instances are counted.
pub(crate) const LOOK: Duration = IDLE_MIN;

/// The idle instances, and counters.
pub(crate) struct Idle {
    pool: Pool<Box<Instance>>,
    kept: Instances,
    used: AtomicBool,
    created: AtomicU64,
    ended: AtomicU64,
    copied: Counter,
    /// The most memory that an instance had.
    memory: AtomicU64,
    quiet: Mutex<Quiet>,
}

/// The counts over the current `idle` period.
struct Quiet {
    looks: u32,
    /// The fewest that were idle.
    least: usize,
}

impl Quiet {
    const BEGIN: Self = Self {
        looks: 0,
        least: usize::MAX,
    };

    /// Records a count. After the last one of the period: how many were not needed.
    fn look(&mut self, idle: usize, looks: u32) -> usize {
        self.looks += 1;
        self.least = self.least.min(idle);
        if self.looks < looks {
            return 0;
        }
        std::mem::replace(self, Self::BEGIN).least
    }
}

impl Idle {
    /// None yet.
    pub(crate) fn new(kept: &Instances) -> Self {
        Self {
            pool: Pool::new(kept.max as usize),
            kept: kept.clone(),
            used: AtomicBool::new(true),
            created: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            copied: Counter::default(),
            memory: AtomicU64::new(0),
            quiet: Mutex::new(Quiet::BEGIN),
        }
    }

    /// One for a call, if any lies idle.
    pub(crate) fn take(&self) -> Option<Box<Instance>> {
        let taken = self.pool.take();
        // Read first: all threads share it, and it seldom changes.
        if !self.used.load(Relaxed) {
            self.used.store(true, Relaxed);
        }
        taken
    }

    /// Puts one back after a call, or a new one. One above the bound, or that is not healthy, is
    /// dropped.
    pub(crate) fn put(&self, instance: Box<Instance>) {
        if !instance.is_healthy() || self.pool.put(instance).is_err() {
            self.end(1);
        }
    }

    /// Counts one that was created.
    pub(crate) fn make(&self) {
        self.created.fetch_add(1, Relaxed);
    }

    /// Counts those that ended.
    pub(crate) fn end(&self, many: u64) {
        self.ended.fetch_add(many, Relaxed);
    }

    /// Counts the cost of a call: bytes copied, and bytes of memory that its instance has.
    pub(crate) fn cost(&self, (copied, memory): (u64, u64)) {
        self.copied.add(copied);
        // Written only when it grows, which is rare: all threads read it.
        if memory > self.memory.load(Relaxed) {
            self.memory.fetch_max(memory, Relaxed);
        }
    }

    /// Created and ended so far.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.created.load(Relaxed), self.ended.load(Relaxed))
    }

    pub(crate) fn copied(&self) -> u64 {
        self.copied.read()
    }

    pub(crate) fn memory(&self) -> u64 {
        self.memory.load(Relaxed)
    }

    /// Drops all but a minimum that is written.
    pub(crate) fn rest(&self) {
        while self.give_up_one() {}
    }

    /// Drops idle instances, up to `many`, while more than `least` exist.
    fn give_up(&self, many: usize, least: u32) -> usize {
        let (created, ended) = self.counts();
        let beyond = created
            .saturating_sub(ended)
            .saturating_sub(u64::from(least));
        let many = many.min(usize::try_from(beyond).unwrap_or(usize::MAX));
        let given_up = (0..many).map_while(|_| self.pool.take()).count();
        self.end(given_up as u64);
        given_up
    }
}

impl Rests for Idle {
    fn was_used(&self) -> bool {
        self.used.swap(false, Relaxed)
    }

    fn give_up_one(&self) -> bool {
        self.give_up(1, self.kept.min.unwrap_or(0)) == 1
    }

    fn look(&self) {
        let looks = u32::try_from(self.kept.idle.as_secs() / LOOK.as_secs()).unwrap_or(u32::MAX);
        let unneeded = self
            .quiet
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .look(self.pool.len(), looks);
        self.give_up(unneeded, self.kept.min.unwrap_or(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_idle_at_every_count_were_not_needed() {
        let mut quiet = Quiet::BEGIN;
        let seen: Vec<usize> = [5, 3, 4, 9, 9, 9, 0, 2, 2]
            .into_iter()
            .map(|idle| quiet.look(idle, 3))
            .collect();
        assert_eq!(seen, [0, 0, 3, 0, 0, 9, 0, 0, 0]);
    }
}
