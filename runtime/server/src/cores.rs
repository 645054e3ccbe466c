//! Cores: each thread for connections may keep to one of its own.
//!
//! Where more threads are busy than there are cores, Linux may put two of these on one core and leave the other to
//! whoever else is busy; they then take turns of a clock tick, which is four milliseconds on many machines, and every
//! request on the one waits while the other runs. With a core each that can't happen. But a thread that keeps to its
//! core waits there for guests that compute for long, where another would go elsewhere, so it is for servers of short
//! requests alone (docs/decisions/0003). Default: off; `--io-cores own` asks for it. It is done where there are exactly
//! as many threads as cores that the process may use, as there are unless `--io-threads` or a control group says
//! otherwise. Other threads run where they like.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Hands a core to each thread that enters.
#[derive(Clone, Debug)]
pub struct Cores {
    /// None where each thread runs where it likes.
    own: Option<Arc<Hand>>,
}

#[derive(Debug)]
struct Hand {
    cores: Vec<usize>,
    entered: AtomicUsize,
}

impl Cores {
    /// One for each of so many threads, if there are as many.
    pub fn for_threads(threads: usize) -> Self {
        let cores = system::allowed();
        let own = (cores.len() == threads).then(|| Arc::new(Hand { cores, entered: AtomicUsize::new(0) }));
        Self { own }
    }

    /// Threads run where they like.
    pub const fn any() -> Self {
        Self { own: None }
    }

    /// The calling thread keeps to the next core from now on. A thread beyond their number has all of them.
    pub fn enter(&self) {
        let Some(hand) = &self.own else { return };
        let entered = hand.entered.fetch_add(1, Relaxed);
        match hand.cores.get(entered) {
            Some(core) => system::keep_to(&[*core]),
            None => system::keep_to(&hand.cores),
        }
    }
}

#[cfg(target_os = "linux")]
mod system {
    use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
    use nix::unistd::Pid;

    /// The cores that the process may use.
    pub(super) fn allowed() -> Vec<usize> {
        let Ok(set) = sched_getaffinity(Pid::from_raw(0)) else { return Vec::new() };
        (0..CpuSet::count()).filter(|core| set.is_set(*core) == Ok(true)).collect()
    }

    /// A system that refuses lets the thread run anywhere.
    pub(super) fn keep_to(cores: &[usize]) {
        let mut set = CpuSet::new();
        if cores.iter().all(|core| set.set(*core).is_ok()) {
            let _ = sched_setaffinity(Pid::from_raw(0), &set);
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    pub(super) fn allowed() -> Vec<usize> {
        Vec::new()
    }

    pub(super) fn keep_to(_: &[usize]) {}
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    fn cores_after(cores: &Cores) -> Vec<usize> {
        let cores = cores.clone();
        let thread = std::thread::spawn(move || {
            cores.enter();
            system::allowed()
        });
        thread.join().unwrap()
    }

    #[test]
    fn each_thread_has_a_core_and_one_more_has_all() {
        let all = system::allowed();
        let cores = Cores::for_threads(all.len());
        for core in &all {
            assert_eq!(cores_after(&cores), [*core]);
        }
        assert_eq!(cores_after(&cores), all);
    }

    #[test]
    fn nothing_is_handed_out_where_the_numbers_differ_or_nobody_asks() {
        let all = system::allowed();
        assert_eq!(cores_after(&Cores::for_threads(all.len() + 1)), all);
        assert_eq!(cores_after(&Cores::any()), all);
    }
}
