//! The threads that compile: few, and the last to get a core, so that requests do not notice.
//!
//! Default: half the cores, at least one. They are scheduled as idle (`SCHED_IDLE`): whoever else wants their core gets
//! it first, and they offer it themselves between the compiler's passes ([`give_way`]).

use std::sync::Arc;

use hotstage_engine::give_way;
use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

use crate::place::come_last;

/// The pool of such threads.
pub struct Compilers(Arc<ThreadPool>);

impl Compilers {
    /// Starts them.
    pub fn start(threads: Option<usize>) -> Result<Self, ThreadPoolBuildError> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        let builder = ThreadPoolBuilder::new().num_threads(threads.unwrap_or_else(|| cores.div_ceil(2)));
        let builder = builder.thread_name(|index| format!("compile-{index}")).start_handler(|_| {
            come_last();
            give_way();
        });
        builder.build().map(|pool| Self(Arc::new(pool)))
    }

    /// Does the work there; the caller's thread goes on meanwhile.
    pub(super) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let (told, answer) = tokio::sync::oneshot::channel();
        self.0.spawn(move || {
            // Nobody listens any more when the deploy was given up.
            let _ = told.send(work());
        });
        answer.await.ok()
    }
}
