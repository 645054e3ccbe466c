//! The threads of a server: the I/O threads, and the runtimes beside them. Default: one I/O thread
//! and one compute thread per core.

use std::sync::Arc;

use hotstage_core::sharded;
use tokio::runtime::{Builder, Runtime};

use super::super::{CliError, Exit};
use hotstage_server::executors::affinity::CoreAffinity;
use hotstage_server::executors::compute::{run_below_requests, run_when_idle};
use hotstage_server::executors::io::Workers;

/// Threads for changes of what is served.
const CHANGE_THREADS: u16 = 2;
/// Threads for the admin API's connections and for requests that change nothing.
const ADMIN_THREADS: u16 = 1;

/// The runtimes beside the I/O threads.
pub(super) struct Runtimes {
    /// For the admin API's connections.
    pub(super) admin: Runtime,
    /// For changes, which wait for the disk and run golden tests. Their threads have a lower
    /// priority, so that inference requests are not delayed.
    pub(super) changes: Runtime,
    /// For mirrored requests.
    pub(super) mirrors: Runtime,
    /// For long guest calls.
    pub(super) compute: Runtime,
}

impl Runtimes {
    pub(super) fn start(compute_threads: Option<u16>) -> Result<Self, CliError> {
        Ok(Self {
            compute: runtime(
                Builder::new_multi_thread().on_thread_start(sharded::enter),
                "compute",
                compute_threads,
            )?,
            mirrors: runtime(
                Builder::new_multi_thread().on_thread_start(run_when_idle),
                "mirror",
                Some(1),
            )?,
            changes: runtime(
                Builder::new_multi_thread().on_thread_start(run_below_requests),
                "change",
                Some(CHANGE_THREADS),
            )?,
            admin: runtime(
                &mut Builder::new_multi_thread(),
                "admin",
                Some(ADMIN_THREADS),
            )?,
        })
    }

    /// Ends all runtimes, and what still runs on them.
    pub(super) fn shut_down(self) {
        [self.compute, self.mirrors, self.changes, self.admin]
            .into_iter()
            .for_each(Runtime::shutdown_background);
    }
}

/// The number of cores, which is also a runtime's default number of threads.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Starts the I/O threads. They are the first that answer requests, so that each gets its own shard
/// of the counters.
pub(super) fn workers(
    threads: Option<u16>,
    cores: &CoreAffinity,
) -> Result<Arc<Workers>, CliError> {
    let entered = cores.clone();
    let enter = move || {
        sharded::enter();
        entered.enter();
    };
    let threads = threads.map_or_else(self::cores, usize::from);
    let workers = Workers::start("io", threads, enter).map_err(|error| no_threads(&error))?;
    workers.first().spawn(cores.clone().look());
    Ok(Arc::new(workers))
}

fn runtime(builder: &mut Builder, name: &str, threads: Option<u16>) -> Result<Runtime, CliError> {
    if let Some(threads) = threads {
        builder.worker_threads(threads.into());
    }
    builder
        .thread_name(name)
        .enable_all()
        .build()
        .map_err(|error| no_threads(&error))
}

fn no_threads(error: &std::io::Error) -> CliError {
    CliError::new(Exit::Defect, format!("can't start threads: {error}"))
}
