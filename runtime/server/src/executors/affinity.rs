//! CoreAffinity: each thread for connections keeps to one of its own, while nothing long is
//! computed.
//!
//! Where more threads are busy than there are cores, Linux may put two of these on one core and
//! leave the other to whoever else is busy; they then take turns of a clock tick, which is four
//! milliseconds on many machines, and every request on the one waits while the other runs. With a
//! core each that can't happen. But a thread that keeps to its core waits there for guests that
//! compute for long, where another would go elsewhere. So they let go when something long begins,
//! and take their cores again when none has run for a second (docs/decisions/0003). Default: that;
//! `--io-cores own` never lets go, `any` never keeps. It is done where there are exactly as many
//! threads as cores that the process may use, as there are unless `--io-threads` or a control group
//! says otherwise. Other threads run where they like. Bound: a look each second, and a system call
//! for each thread when it lets go or keeps.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use system::Thread;

/// How often it is looked whether anything long runs.
const LOOK: Duration = Duration::from_secs(1);

/// Hands a core to each thread that enters.
#[derive(Clone, Debug)]
pub struct CoreAffinity {
    /// None where each thread runs where it likes.
    own: Option<Arc<Hand>>,
}

#[derive(Debug)]
struct Hand {
    cores: Vec<usize>,
    lets_go: bool,
    /// Those that have the core of the same place; they live as long as the process.
    threads: Mutex<Vec<Thread>>,
    is_kept: AtomicBool,
    /// Long computations under way, and whether one ended since the last look.
    long: AtomicUsize,
    was_long: AtomicBool,
}

/// Something long is computed, until this is dropped.
#[derive(Debug)]
pub struct Long<'a>(Option<&'a Hand>);

impl CoreAffinity {
    /// One for each of so many threads, if there are as many.
    pub fn own(threads: usize) -> Self {
        Self::hand(threads, false)
    }

    /// The same, while nothing long is computed.
    pub fn auto(threads: usize) -> Self {
        Self::hand(threads, true)
    }

    /// Threads run where they like.
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

    /// The calling thread has the next core from now on. A thread beyond their number has all of
    /// them.
    pub fn enter(&self) {
        let Some(hand) = &self.own else { return };
        let (this, mut threads) = (Thread::this(), hand.threads());
        // One beyond their number may end, and the system gives its name to another: it is not
        // kept.
        if threads.len() == hand.cores.len() {
            return this.keep_to(&hand.cores);
        }
        threads.push(this);
        hand.place(this, threads.len() - 1);
    }

    /// Tells that something long begins.
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

    /// Looks each second, for ever, whether the threads may have their cores again.
    pub async fn look(self) {
        let Some(hand) = self.own.filter(|hand| hand.lets_go) else {
            return;
        };
        let mut looks = tokio::time::interval(LOOK);
        loop {
            looks.tick().await;
            hand.look();
        }
    }
}

impl Hand {
    fn threads(&self) -> MutexGuard<'_, Vec<Thread>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self) {
        let was_long = self.was_long.swap(false, SeqCst);
        if was_long || self.is_kept.load(SeqCst) || self.long.load(SeqCst) > 0 {
            return;
        }
        let threads = self.threads();
        self.set(&threads, true);
        // Whoever began meanwhile may have seen that nothing was kept yet.
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

    /// A thread, as the system names it.
    #[derive(Clone, Copy, Debug)]
    pub(super) struct Thread(Pid);

    impl Thread {
        pub(super) fn this() -> Self {
            Self(gettid())
        }

        /// A system that refuses lets the thread run anywhere.
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

    /// A thread that has entered and waits.
    fn entered(cores: &CoreAffinity) -> (Thread, SyncSender<()>) {
        let cores = cores.clone();
        let ((told, tell), (end, ended)) = (sync_channel(1), sync_channel::<()>(1));
        std::thread::spawn(move || {
            cores.enter();
            told.send(Thread::this()).unwrap();
            let _ = ended.recv();
        });
        (tell.recv().unwrap(), end)
    }

    #[test]
    fn each_thread_has_a_core_and_one_more_has_all() {
        let all = system::allowed();
        let cores = CoreAffinity::own(all.len());
        for core in &all {
            assert_eq!(entered(&cores).0.cores(), [*core]);
        }
        assert_eq!(entered(&cores).0.cores(), all);
        // These never let go.
        let (_long, own) = (cores.long(), cores.own.clone().unwrap());
        assert!(own.is_kept.load(SeqCst));
    }

    #[test]
    fn threads_let_go_while_something_long_is_computed_and_for_a_look_after_it() {
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
        hand.look();
        hand.look();
        assert_eq!(now(), any, "the second one runs");
        drop(second);
        hand.look();
        assert_eq!(now(), any, "it ended just now");
        hand.look();
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
    fn nothing_is_handed_out_where_the_numbers_differ_or_nobody_asks() {
        let all = system::allowed();
        assert_eq!(entered(&CoreAffinity::auto(all.len() + 1)).0.cores(), all);
        assert_eq!(entered(&CoreAffinity::any()).0.cores(), all);
    }
}
