//! The threads of a server: those for connections, and the runtimes beside them. Default: one
//! thread per core.

use std::sync::Arc;

use hotstage_engine::spread;
use tokio::runtime::{Builder, Runtime};

use super::super::{Ending, Exit};
use crate::cores::Cores;
use crate::workers::Workers;

/// As many threads as a runtime has unless it is told.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Threads for connections: the first ones that answer requests, so that each writes to places of
/// its own.
pub(super) fn workers(threads: Option<u16>, cores: &Cores) -> Result<Arc<Workers>, Ending> {
    let entered = cores.clone();
    let enter = move || {
        spread::enter();
        entered.enter();
    };
    let threads = threads.map_or_else(self::cores, usize::from);
    let workers = Workers::start("io", threads, enter).map_err(|error| no_threads(&error))?;
    workers.first().spawn(cores.clone().look());
    Ok(Arc::new(workers))
}

pub(super) fn runtime(
    builder: &mut Builder,
    name: &str,
    threads: Option<u16>,
) -> Result<Runtime, Ending> {
    if let Some(threads) = threads {
        builder.worker_threads(threads.into());
    }
    built(builder, name)
}

pub(super) fn built(builder: &mut Builder, name: &str) -> Result<Runtime, Ending> {
    builder
        .thread_name(name)
        .enable_all()
        .build()
        .map_err(|error| no_threads(&error))
}

pub(super) fn no_threads(error: &std::io::Error) -> Ending {
    Ending::new(Exit::Defect, format!("can't start threads: {error}"))
}
