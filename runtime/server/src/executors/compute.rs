//! Where guests run: first on the thread that has the request, then, if they take long, on threads
//! of their own.
//!
//! Most pipelines answer in microseconds, and handing those to another thread would cost more than
//! they do. So a chain starts on the IO worker that read its request, where it may stay until its
//! guest has run for one to two ticks of the epoch (a millisecond each while guests run long, four
//! otherwise). Then its future is moved to the compute runtime, and goes on there: the listeners
//! and timers never wait longer than that for a guest. A pipeline that takes long as a rule
//! (`LONG`) goes to the compute runtime at once. `docs/decisions/0003-where-guests-run.md` has the
//! measurements.

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

/// A pipeline whose chain takes this long on average starts on the compute runtime.
const LONG: Duration = Duration::from_micros(500);
/// The average moves by one part in 2^3 with each request.
const WEIGHT: u32 = 3;

/// The threads for guests that take long.
#[derive(Clone, Debug)]
pub struct ComputePool {
    runtime: Handle,
    /// Those of the threads that chains start on: they let go of them while a chain is here.
    cores: CoreAffinity,
}

/// How long a pipeline takes, as a moving average in nanoseconds.
#[derive(Debug, Default)]
pub struct Pace(AtomicU64);

impl Pace {
    /// Learns from one request. Two at once may lose one of them; an average can bear that, a lock
    /// would cost more. Nothing is to be learnt where all are far from long, and then nothing is
    /// written: all threads share this.
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
    /// Uses the runtime behind the handle.
    pub const fn new(runtime: Handle) -> Self {
        Self {
            runtime,
            cores: CoreAffinity::any(),
        }
    }

    /// The same beside threads that may have these cores for themselves.
    pub fn beside(self, cores: CoreAffinity) -> Self {
        Self { cores, ..self }
    }

    /// The threads themselves, for work that is neither a request's nor short.
    pub const fn threads(&self) -> &Handle {
        &self.runtime
    }

    /// Runs the chain. When the caller goes away, so does the chain.
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

    /// Does some work that takes long and waits for nothing, away from the IO workers.
    pub async fn away<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        self.away_in_slices(async { work() }).await
    }

    /// The same for work that yields now and then to what else is there. When its caller goes away
    /// it ends at the next such place.
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
        // The work panicked; the request's own guard makes that its 500.
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // The runtime is going down, and the process with it: nobody is left to be told.
        Err(_) => std::future::pending().await,
    }
}

/// Puts the calling thread last: it gets a core that nobody else wants.
pub fn run_when_idle() {
    rank(NormalThreadSchedulePolicy::Idle, ThreadPriority::Min);
}

/// Puts the calling thread behind those that answer requests: where all cores are wanted it gets a
/// tenth of one, and when it wakes it waits for its turn (`SCHED_BATCH`).
pub fn run_below_requests() {
    // Of 99; in Linux's terms a niceness of 10.
    if let Ok(priority) = ThreadPriorityValue::try_from(22) {
        rank(
            NormalThreadSchedulePolicy::Batch,
            ThreadPriority::Crossplatform(priority),
        );
    }
}

/// Lets requests that wait for the calling thread's core go first: to be called between two pieces
/// of work that nobody waits for. A thread that stepped back gets little of a core, but that in one
/// piece: milliseconds, without this.
pub fn yield_to_requests() {
    std::thread::yield_now();
}

/// A system that refuses lets the thread run as usual.
fn rank(policy: NormalThreadSchedulePolicy, priority: ThreadPriority) {
    let (this, policy) = (
        thread_priority::thread_native_id(),
        ThreadSchedulePolicy::Normal(policy),
    );
    let _ = thread_priority::set_thread_priority_and_policy(this, priority, policy);
}

/// Polls once and says what came of it.
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
        // The 19th field (proc_pid_stat(5)); the second one, in parentheses, may hold anything.
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
