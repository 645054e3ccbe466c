//! Limits the time of opening a stage by CPU time, so that a busy machine refuses no stage that an
//! idle one accepts.
//!
//! Bound: [`CPU_FACTOR`] times the limit on a call, each for instantiating, describing and opening;
//! counted over the threads that poll it. In addition a bound on elapsed time, [`WALL_FACTOR`]
//! times that and at least [`WALL_MIN`], covers a stalled machine. A call for a request is bounded
//! by elapsed time only.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use hotstage_core::limits::StageLimits;
use rustix::time::{ClockId, clock_gettime};

/// Opening reads weights and builds tables; it may take this many times as long as a call.
const CPU_FACTOR: u32 = 10;
/// The bound on elapsed time, as a multiple of the CPU time.
const WALL_FACTOR: u32 = 20;
/// The least bound on elapsed time.
const WALL_MIN: Duration = Duration::from_secs(60);

/// An opening that is under way.
#[derive(Clone)]
pub(crate) struct Opening {
    used: Arc<Used>,
    cpu: Duration,
    until: Instant,
}

/// CPU time in nanoseconds.
#[derive(Default)]
struct Used {
    /// Of polls that are over.
    before: AtomicU64,
    /// The thread's CPU time at the start of the current poll.
    began: AtomicU64,
}

impl Opening {
    /// Starts now; `limits` are those of a call.
    pub(crate) fn begin(limits: &StageLimits) -> Self {
        let cpu = limits.time.saturating_mul(CPU_FACTOR);
        let wall = cpu.saturating_mul(WALL_FACTOR).max(WALL_MIN);
        let now = Instant::now();
        // A limit beyond the range of the clock is no limit.
        let until = now.checked_add(wall).unwrap_or(now + WALL_MIN);
        Self {
            used: Arc::default(),
            cpu,
            until,
        }
    }

    /// The limits that messages name.
    pub(crate) fn limits(limits: &StageLimits) -> StageLimits {
        StageLimits {
            time: limits.time.saturating_mul(CPU_FACTOR),
            ..limits.clone()
        }
    }

    /// Runs the work, and counts its CPU time.
    pub(crate) async fn measure<F: Future>(&self, work: F) -> F::Output {
        let mut work = pin!(work);
        poll_fn(|context| {
            let began = thread_time();
            self.used.began.store(began, Relaxed);
            let polled = work.as_mut().poll(context);
            self.used
                .before
                .fetch_add(thread_time().saturating_sub(began), Relaxed);
            polled
        })
        .await
    }

    /// Whether it may continue. Called by the work itself, on the thread that polls it.
    pub(crate) fn may_go_on(&self) -> bool {
        self.used() < self.cpu && Instant::now() < self.until
    }

    fn used(&self) -> Duration {
        let now = thread_time().saturating_sub(self.used.began.load(Relaxed));
        Duration::from_nanos(self.used.before.load(Relaxed).saturating_add(now))
    }
}

/// CPU time that the calling thread has used, in nanoseconds.
fn thread_time() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(u64::try_from(time.tv_nsec).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spin(time: Duration) {
        let began = thread_time();
        while Duration::from_nanos(thread_time() - began) < time {}
    }

    #[test]
    fn work_counts_and_waiting_does_not() {
        let limits = StageLimits {
            time: Duration::from_millis(2),
            ..StageLimits::default()
        };
        let opening = Opening::begin(&limits);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(opening.measure(async {
            // Ten times its CPU time passes, in which its thread does nothing.
            std::thread::park_timeout(Duration::from_millis(200));
            assert!(opening.may_go_on(), "{:?}", opening.used());
            spin(Duration::from_millis(12));
            tokio::task::yield_now().await;
            assert!(
                opening.used() >= Duration::from_millis(12),
                "{:?}",
                opening.used()
            );
        }));
        // The thread's work between two polls does not count.
        spin(Duration::from_millis(30));
        runtime.block_on(opening.measure(async {
            assert!(
                opening.used() < Duration::from_millis(30),
                "{:?}",
                opening.used()
            );
            spin(Duration::from_millis(12));
            assert!(!opening.may_go_on(), "{:?}", opening.used());
        }));
    }
}
