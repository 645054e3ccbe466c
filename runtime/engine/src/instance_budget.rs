//! The budget for instances: as many as the engine has, over all stages.
//!
//! A unit of the budget is one linear memory of the engine's pool, and three tables. Nearly every
//! component has one memory; an instance of a component with several takes a unit for each, so that
//! the budget never admits more than the pool has.
//!
//! When more stages are loaded than can have instances at once, stages that are not called give
//! idle instances up. A hand goes round the stages, as in the clock algorithm for page replacement:
//! a stage that was called since the hand's last visit is skipped once, another one drops one idle
//! instance. None of this is on a request's path unless it needs a new instance and the budget is
//! exhausted. A thread visits the same list regularly to drop instances that were idle for long.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// An owner of idle instances.
pub(crate) trait Rests: Send + Sync {
    /// Whether it was called since the last call of this method.
    fn was_used(&self) -> bool;
    /// Drops one idle instance, if one need not be kept.
    fn give_up_one(&self) -> bool;
    /// Called regularly: drops instances that were idle for long.
    fn look(&self);
}

/// The whole budget.
pub(crate) struct InstanceBudget {
    free: AtomicU32,
    clock: Mutex<VecDeque<Weak<dyn Rests>>>,
}

/// One instance's units; freed on drop.
pub(crate) struct Slot {
    slots: Arc<InstanceBudget>,
    places: u32,
}

impl InstanceBudget {
    pub(crate) fn new(places: u32) -> Arc<Self> {
        Arc::new(Self {
            free: AtomicU32::new(places),
            clock: Mutex::default(),
        })
    }

    /// Adds a stage to the clock, for as long as it lives.
    pub(crate) fn enter(&self, stage: Weak<dyn Rests>) {
        let mut clock = self.clock();
        // Stages may come and go while the budget lasts: before the clock grows, it removes those
        // that are gone.
        if clock.len() == clock.capacity() {
            clock.retain(|stage| stage.strong_count() > 0);
        }
        clock.push_back(stage);
    }

    /// Takes units: free ones, or those of idle instances. `None`: too many instances are at work.
    pub(crate) fn take(self: &Arc<Self>, places: u32) -> Option<Slot> {
        loop {
            if self
                .free
                .try_update(SeqCst, SeqCst, |free| free.checked_sub(places))
                .is_ok()
            {
                return Some(Slot {
                    slots: Arc::clone(self),
                    places,
                });
            }
            if !self.free_one() {
                return None;
            }
        }
    }

    /// Called regularly, for every stage.
    pub(crate) fn look(&self) {
        // Not under the lock: a request that needs budget would wait until all of it is dropped.
        let clock: Vec<Weak<dyn Rests>> = self.clock().iter().cloned().collect();
        clock
            .iter()
            .filter_map(Weak::upgrade)
            .for_each(|stage| stage.look());
    }

    fn clock(&self) -> MutexGuard<'_, VecDeque<Weak<dyn Rests>>> {
        self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has one idle instance dropped.
    fn free_one(&self) -> bool {
        let mut clock = self.clock();
        // Two rounds: the first may only clear the marks.
        for _ in 0..2 * clock.len() {
            let Some(stage) = clock.pop_front() else {
                return false;
            };
            let Some(living) = stage.upgrade() else {
                continue;
            };
            clock.push_back(stage);
            if !living.was_used() && living.give_up_one() {
                return true;
            }
        }
        false
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.free.fetch_add(self.places, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    struct Stage {
        used: AtomicBool,
        idle: Mutex<Vec<Slot>>,
    }

    impl Rests for Stage {
        fn was_used(&self) -> bool {
            self.used.swap(false, SeqCst)
        }

        fn give_up_one(&self) -> bool {
            self.idle.lock().unwrap().pop().is_some()
        }

        fn look(&self) {}
    }

    fn stage(slots: &Arc<InstanceBudget>, idle: usize, used: bool) -> Arc<Stage> {
        let idle = (0..idle).map(|_| slots.take(1).unwrap()).collect();
        let stage = Arc::new(Stage {
            used: AtomicBool::new(used),
            idle: Mutex::new(idle),
        });
        let entered: Weak<Stage> = Arc::downgrade(&stage);
        slots.enter(entered);
        stage
    }

    fn idle(stage: &Stage) -> usize {
        stage.idle.lock().unwrap().len()
    }

    #[test]
    fn a_stage_that_was_not_called_gives_up_first() {
        let slots = InstanceBudget::new(4);
        let (busy, quiet) = (stage(&slots, 2, true), stage(&slots, 2, false));
        let taken: Vec<Slot> = (0..1).map(|_| slots.take(1).unwrap()).collect();
        assert_eq!((idle(&busy), idle(&quiet)), (2, 1));
        drop(taken);
        assert!(slots.take(1).is_some());
        assert_eq!((idle(&busy), idle(&quiet)), (2, 1));
    }

    #[test]
    fn stages_that_come_and_go_leave_nothing() {
        let slots = InstanceBudget::new(1);
        for _ in 0..10_000 {
            drop(stage(&slots, 0, false));
        }
        assert!(slots.clock.lock().unwrap().len() < 100);
    }

    #[test]
    fn none_when_all_are_at_work_and_the_dead_are_forgotten() {
        let slots = InstanceBudget::new(2);
        drop(stage(&slots, 1, true));
        let held = (slots.take(1).unwrap(), slots.take(1).unwrap());
        assert!(slots.take(1).is_none());
        assert!(slots.clock.lock().unwrap().is_empty());
        drop(held);
        assert!(slots.take(1).is_some());
    }

    #[test]
    fn an_instance_of_several_memories_takes_several_places() {
        let slots = InstanceBudget::new(8);
        let quiet = stage(&slots, 4, false);
        let large = slots.take(7).unwrap();
        assert_eq!(idle(&quiet), 1);
        assert!(slots.take(2).is_none());
        drop(large);
        assert!(slots.take(9).is_none());
        assert!(slots.take(8).is_some());
    }
}
