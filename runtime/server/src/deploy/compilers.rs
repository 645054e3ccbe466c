//! The threads that compile: few, and the last to get a core, so that requests do not notice.
//!
//! Default: half the cores, at least one. Once there are requests to disturb ([`Compilers::give_way`]) they are
//! scheduled as idle (`SCHED_IDLE`): whoever else wants their core gets it first, and they offer it themselves between
//! the compiler's passes. Before, they are threads like any other: on a busy machine a server would not come up else.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use hotstage_engine::give_way;
use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

use crate::place::come_last;

/// The pool of such threads.
pub struct Compilers {
    pool: ThreadPool,
    gives_way: AtomicBool,
}

impl Compilers {
    /// Starts them.
    pub fn start(threads: Option<usize>) -> Result<Self, ThreadPoolBuildError> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        let builder = ThreadPoolBuilder::new().num_threads(threads.unwrap_or_else(|| cores.div_ceil(2)));
        let builder = builder.thread_name(|index| format!("compile-{index}"));
        builder.build().map(|pool| Self { pool, gives_way: AtomicBool::new(false) })
    }

    /// From now on, whatever is compiled comes after everybody's requests.
    pub fn give_way(&self) {
        self.gives_way.store(true, Relaxed);
    }

    /// Does the work there; the caller's thread goes on meanwhile.
    pub(super) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let (told, answer) = tokio::sync::oneshot::channel();
        let gives_way = self.gives_way.load(Relaxed);
        self.pool.spawn(move || {
            if gives_way {
                // A thread that does already does so again.
                come_last();
                give_way();
            }
            // Nobody listens any more when the deploy was given up.
            let _ = told.send(work());
        });
        answer.await.ok()
    }
}
