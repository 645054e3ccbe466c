//! The executor of guest calls: the I/O thread of the request at first, then the compute pool.
//!
//! Most pipelines answer in microseconds, and moving them to another thread would cost more than
//! they do. So a chain starts on the I/O thread that read its request and may stay there until its
//! guest has run for one to two ticks of the epoch (a millisecond each while guests run long, four
//! otherwise). Then its future moves to the compute pool and continues there, so listeners and
//! timers never wait longer than that for a guest. A pipeline whose average exceeds `LONG` starts
//! in the compute pool. `docs/decisions/0003-where-guests-run.md` has the measurements.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::Poll;
use std::time::Duration;

use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadPriorityValue, ThreadSchedulePolicy,
};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::executors::affinity::CoreAffinity;

/// A pipeline whose chain takes this long on average starts in the compute pool.
const LONG: Duration = Duration::from_micros(500);
/// The weight of one request in the average is 1 / 2^3.
const WEIGHT: u32 = 3;

/// The threads for long guest calls.
#[derive(Clone, Debug)]
pub struct ComputePool {
    runtime: Handle,
    /// The affinity of the I/O threads, which are unpinned while a chain runs here.
    cores: CoreAffinity,
}

/// How long a pipeline takes, as a moving average in nanoseconds.
#[derive(Debug, Default)]
pub struct Pace(AtomicU64);

impl Pace {
    /// Adds one request to the average. Of two concurrent updates one may be lost, which an average
    /// tolerates; a lock would cost more. When both the average and the request are far below
    /// `LONG`, nothing is written, because all threads share this value.
    pub fn learn(&self, took: Duration) {
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let average = self.0.load(Relaxed);
        if u128::from(took.max(average)) < LONG.as_nanos() / 2 {
            return;
        }
        let next = average - (average >> WEIGHT) + (took >> WEIGHT);
        self.0.store(next, Relaxed);
    }

    fn is_long(&self) -> bool {
        u128::from(self.0.load(Relaxed)) > LONG.as_nanos()
    }
}

impl ComputePool {
    /// Uses the runtime of this handle.
    pub const fn new(runtime: Handle) -> Self {
        Self {
            runtime,
            cores: CoreAffinity::any(),
        }
    }

    /// Unpins these I/O threads while a long computation runs.
    pub fn beside(self, cores: CoreAffinity) -> Self {
        Self { cores, ..self }
    }

    /// The runtime of the pool, for long work that does not belong to a request.
    pub const fn threads(&self) -> &Handle {
        &self.runtime
    }

    /// Runs the chain. Dropping the returned future cancels it.
    pub async fn run<F>(&self, pace: &Pace, mut chain: Pin<Box<F>>) -> F::Output
    where
        F: Future<Output: Send> + Send + 'static,
    {
        if !pace.is_long()
            && let Poll::Ready(output) = poll_once(chain.as_mut()).await
        {
            return output;
        }
        let _long = self.cores.long();
        joined(AbortOnDrop(self.runtime.spawn(chain))).await
    }

    /// Runs long, non-blocking work in the pool.
    pub async fn away<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        self.away_in_slices(async { work() }).await
    }

    /// Runs long work that yields now and then. Dropping the returned future ends it at the next
    /// yield.
    pub async fn away_in_slices<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> T {
        let _long = self.cores.long();
        joined(AbortOnDrop(self.runtime.spawn(work))).await
    }
}

async fn joined<T>(mut task: AbortOnDrop<T>) -> T {
    match (&mut task.0).await {
        Ok(output) => output,
        // The work panicked; the request's own guard answers 500.
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // The runtime is shutting down with the process, so no caller is left.
        Err(_) => std::future::pending().await,
    }
}

/// Lowers the calling thread to idle priority: it runs only on a core that is otherwise idle.
pub fn run_when_idle() {
    rank(NormalThreadSchedulePolicy::Idle, ThreadPriority::Min);
}

/// Lowers the calling thread's priority below the threads that answer requests: when all cores are
/// busy it gets about a tenth of one, and it never preempts when it wakes (`SCHED_BATCH`).
pub fn run_below_requests() {
    // Of 99; on Linux a nice value of 10.
    if let Ok(priority) = ThreadPriorityValue::try_from(22) {
        rank(
            NormalThreadSchedulePolicy::Batch,
            ThreadPriority::Crossplatform(priority),
        );
    }
}

/// Yields to requests that wait for this thread's core. Call it between two pieces of background
/// work: a low-priority thread gets a small share of a core, but without yielding it takes that
/// share in slices of milliseconds.
pub fn yield_to_requests() {
    std::thread::yield_now();
}

/// Errors are ignored: the thread then runs at normal priority.
fn rank(policy: NormalThreadSchedulePolicy, priority: ThreadPriority) {
    let (this, policy) = (
        thread_priority::thread_native_id(),
        ThreadSchedulePolicy::Normal(policy),
    );
    let _ = thread_priority::set_thread_priority_and_policy(this, priority, policy);
}

/// Polls once and returns the result.
async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
}

struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("compute")
            .build()
            .unwrap()
    }

    fn thread() -> String {
        std::thread::current().name().unwrap_or_default().to_owned()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_thread_that_steps_back_is_nicer() {
        let stat = std::thread::spawn(|| {
            run_below_requests();
            std::fs::read_to_string("/proc/thread-self/stat").unwrap()
        });
        // The 19th field (proc_pid_stat(5)); the second one, in parentheses, may contain any text.
        let stat = stat.join().unwrap();
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        assert_eq!(fields.split(' ').nth(16), Some("10"));
    }

    #[test]
    fn a_short_chain_stays_and_a_long_one_moves() {
        let (io, compute) = (
            tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap(),
            runtime(),
        );
        let place = ComputePool::new(compute.handle().clone());
        let pace = Pace::default();
        let here = thread();
        let short = io.block_on(place.run(&pace, Box::pin(async { thread() })));
        assert_eq!(short, here);
        let moved = io.block_on(place.run(
            &pace,
            Box::pin(async {
                tokio::task::yield_now().await;
                thread()
            }),
        ));
        assert_eq!(moved, "compute");
        for _ in 0..100 {
            pace.learn(LONG * 2);
        }
        assert_eq!(
            io.block_on(place.run(&pace, Box::pin(async { thread() }))),
            "compute"
        );
        for _ in 0..100 {
            pace.learn(LONG / 10);
        }
        assert_eq!(
            io.block_on(place.run(&pace, Box::pin(async { thread() }))),
            here
        );
    }
}
