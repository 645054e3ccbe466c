//! Core affinity: pins each I/O thread to a core of its own while no long computation runs.
//!
//! When more threads are busy than there are cores, Linux may put two I/O threads on one core, and
//! a request on one waits for the other's time slice, which is four milliseconds on many machines.
//! Pinned threads avoid that. But a pinned thread can't move away from a core on which a guest
//! computes for long. So the threads are unpinned when a long computation begins, and pinned again
//! when none has run for a second (docs/decisions/0003).
//!
//! Default: `--io-cores auto`, as described; `own` never unpins, `any` never pins. Threads are
//! pinned only if there are exactly as many as cores that the process may use, which is so unless
//! `--io-threads` or a control group changes it. Other threads are not pinned. Cost: one check a
//! second, and one system call for each thread when it is pinned or unpinned.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use system::Thread;

/// How often it is checked whether a long computation runs.
const INTERVAL: Duration = Duration::from_secs(1);

/// Assigns a core to each thread that enters.
#[derive(Clone, Debug)]
pub struct CoreAffinity {
    /// `None` when threads are not pinned.
    own: Option<Arc<Hand>>,
}

#[derive(Debug)]
struct Hand {
    cores: Vec<usize>,
    lets_go: bool,
    /// The thread at position `i` has core `i`. These threads live as long as the process.
    threads: Mutex<Vec<Thread>>,
    is_kept: AtomicBool,
    /// Long computations in progress.
    long: AtomicUsize,
    /// Whether one ended since the last check.
    was_long: AtomicBool,
}

/// Marks a long computation until it is dropped.
#[derive(Debug)]
pub struct Long<'a>(Option<&'a Hand>);

impl CoreAffinity {
    /// Always pins, if there are as many cores as threads.
    pub fn own(threads: usize) -> Self {
        Self::hand(threads, false)
    }

    /// Pins while no long computation runs, if there are as many cores as threads.
    pub fn auto(threads: usize) -> Self {
        Self::hand(threads, true)
    }

    /// Never pins.
    pub const fn any() -> Self {
        Self { own: None }
    }

    fn hand(threads: usize, lets_go: bool) -> Self {
        let cores = system::allowed();
        let hand = |cores| Hand {
            cores,
            lets_go,
            threads: Mutex::default(),
            is_kept: AtomicBool::new(true),
            long: AtomicUsize::new(0),
            was_long: AtomicBool::new(false),
        };
        Self {
            own: (cores.len() == threads).then(|| Arc::new(hand(cores))),
        }
    }

    /// Pins the calling thread to the next core. Further threads may use all cores.
    pub fn enter(&self) {
        let Some(hand) = &self.own else { return };
        let (this, mut threads) = (Thread::this(), hand.threads());
        // A further thread may end and its id be reused, so it is not remembered.
        if threads.len() == hand.cores.len() {
            return this.keep_to(&hand.cores);
        }
        threads.push(this);
        hand.place(this, threads.len() - 1);
    }

    /// Marks the start of a long computation.
    pub fn long(&self) -> Long<'_> {
        let hand = self.own.as_deref().filter(|hand| hand.lets_go);
        if let Some(hand) = hand {
            hand.long.fetch_add(1, SeqCst);
            if hand.is_kept.load(SeqCst) {
                hand.set(&hand.threads(), false);
            }
        }
        Long(hand)
    }

    /// Checks once a second, forever, whether the threads may be pinned again.
    pub async fn look(self) {
        let Some(hand) = self.own.filter(|hand| hand.lets_go) else {
            return;
        };
        let mut checks = tokio::time::interval(INTERVAL);
        loop {
            checks.tick().await;
            hand.tick();
        }
    }
}

impl Hand {
    fn threads(&self) -> MutexGuard<'_, Vec<Thread>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tick(&self) {
        let was_long = self.was_long.swap(false, SeqCst);
        if was_long || self.is_kept.load(SeqCst) || self.long.load(SeqCst) > 0 {
            return;
        }
        let threads = self.threads();
        self.set(&threads, true);
        // A computation that began meanwhile may have seen the threads still unpinned.
        if self.long.load(SeqCst) > 0 {
            self.set(&threads, false);
        }
    }

    fn set(&self, threads: &[Thread], is_kept: bool) {
        if self.is_kept.swap(is_kept, SeqCst) != is_kept {
            threads
                .iter()
                .enumerate()
                .for_each(|(at, thread)| self.place(*thread, at));
        }
    }

    fn place(&self, thread: Thread, at: usize) {
        match self.cores.get(at) {
            Some(core) if self.is_kept.load(SeqCst) => thread.keep_to(&[*core]),
            _ => thread.keep_to(&self.cores),
        }
    }
}

impl Drop for Long<'_> {
    fn drop(&mut self) {
        if let Some(hand) = self.0 {
            hand.was_long.store(true, SeqCst);
            hand.long.fetch_sub(1, SeqCst);
        }
    }
}

#[cfg(target_os = "linux")]
mod system {
    use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
    use nix::unistd::{Pid, gettid};

    /// A thread's id in the system.
    #[derive(Clone, Copy, Debug)]
    pub(super) struct Thread(Pid);

    impl Thread {
        pub(super) fn this() -> Self {
            Self(gettid())
        }

        /// Errors are ignored: the thread then may run on any core.
        pub(super) fn keep_to(self, cores: &[usize]) {
            let mut set = CpuSet::new();
            if cores.iter().all(|core| set.set(*core).is_ok()) {
                let _ = sched_setaffinity(self.0, &set);
            }
        }

        pub(super) fn cores(self) -> Vec<usize> {
            let Ok(set) = sched_getaffinity(self.0) else {
                return Vec::new();
            };
            (0..CpuSet::count())
                .filter(|core| set.is_set(*core) == Ok(true))
                .collect()
        }
    }

    /// The cores that the process may use.
    pub(super) fn allowed() -> Vec<usize> {
        Thread::this().cores()
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    #[derive(Clone, Copy, Debug)]
    pub(super) struct Thread;

    impl Thread {
        pub(super) fn this() -> Self {
            Self
        }

        pub(super) fn keep_to(self, _: &[usize]) {}
    }

    pub(super) fn allowed() -> Vec<usize> {
        Vec::new()
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::sync::mpsc::{SyncSender, sync_channel};

    use super::*;

    /// A thread that has entered and then waits.
    fn entered(cores: &CoreAffinity) -> (Thread, SyncSender<()>) {
        let cores = cores.clone();
        let ((sender, receiver), (end, ended)) = (sync_channel(1), sync_channel::<()>(1));
        std::thread::spawn(move || {
            cores.enter();
            sender.send(Thread::this()).unwrap();
            let _ = ended.recv();
        });
        (receiver.recv().unwrap(), end)
    }

    #[test]
    fn each_thread_has_a_core_and_one_more_has_all() {
        let all = system::allowed();
        let cores = CoreAffinity::own(all.len());
        for core in &all {
            assert_eq!(entered(&cores).0.cores(), [*core]);
        }
        assert_eq!(entered(&cores).0.cores(), all);
        // `own` never unpins.
        let (_long, own) = (cores.long(), cores.own.clone().unwrap());
        assert!(own.is_kept.load(SeqCst));
    }

    #[test]
    fn threads_are_unpinned_during_long_work_and_one_interval_after_it() {
        let all = system::allowed();
        let cores = CoreAffinity::auto(all.len());
        let threads: Vec<_> = all.iter().map(|_| entered(&cores)).collect();
        let hand = cores.own.clone().unwrap();
        let now = || {
            threads
                .iter()
                .map(|(thread, _)| thread.cores())
                .collect::<Vec<_>>()
        };
        let (own, any): (Vec<_>, Vec<_>) =
            all.iter().map(|core| (vec![*core], all.clone())).unzip();
        assert_eq!(now(), own);
        let (first, second) = (cores.long(), cores.long());
        assert_eq!(now(), any);
        drop(first);
        hand.tick();
        hand.tick();
        assert_eq!(now(), any, "the second one runs");
        drop(second);
        hand.tick();
        assert_eq!(now(), any, "it ended just now");
        hand.tick();
        assert_eq!(now(), own);
        let _third = cores.long();
        assert_eq!(now(), any);
        let late = entered(&cores);
        assert_eq!(late.0.cores(), all);
        assert_eq!(
            hand.threads().len(),
            all.len(),
            "one beyond their number is not remembered"
        );
    }

    #[test]
    fn threads_are_not_pinned_when_the_numbers_differ_or_with_any() {
        let all = system::allowed();
        assert_eq!(entered(&CoreAffinity::auto(all.len() + 1)).0.cores(), all);
        assert_eq!(entered(&CoreAffinity::any()).0.cores(), all);
    }
}
