//! The threads of a server: those for connections, and the runtimes beside them. Default: one
//! thread per core.

use std::sync::Arc;

use hotstage_engine::sharded;
use tokio::runtime::{Builder, Runtime};

use super::super::{CliError, Exit};
use crate::executors::affinity::CoreAffinity;
use crate::executors::compute::{run_below_requests, run_when_idle};
use crate::executors::io::Workers;

/// Threads for changes.
const CHANGE_THREADS: u16 = 2;
/// Threads for the admin API's connections, and for requests there that change nothing.
const ADMIN_THREADS: u16 = 1;

/// The runtimes beside the threads for connections.
pub(super) struct Runtimes {
    /// The admin API's connections.
    pub(super) admin: Runtime,
    /// Changes wait for the disk and run golden tests: on threads of their own, so that no request
    /// waits for either, and that step back, so that a busy server's requests do not notice.
    pub(super) changes: Runtime,
    /// Copies of requests.
    pub(super) mirrors: Runtime,
    /// Guests that take long.
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

    /// Ends them all, whatever still runs there.
    pub(super) fn shut_down(self) {
        [self.compute, self.mirrors, self.changes, self.admin]
            .into_iter()
            .for_each(Runtime::shutdown_background);
    }
}

/// As many threads as a runtime has unless it is told.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Threads for connections: the first ones that answer requests, so that each writes to places of
/// its own.
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
