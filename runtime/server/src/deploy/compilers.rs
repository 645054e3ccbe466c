//! The threads that compile: few, and the last to get a core, so that requests do not notice.
//!
//! Default: half the cores, at least one. Their priority is [`NICENESS`] steps below everything else's.

use std::sync::Arc;

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

/// The lowest priority that there is.
const NICENESS: i32 = 19;

/// The pool of such threads.
pub struct Compilers(Arc<ThreadPool>);

impl Compilers {
    /// Starts them.
    pub fn start(threads: Option<usize>) -> Result<Self, ThreadPoolBuildError> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        let builder = ThreadPoolBuilder::new().num_threads(threads.unwrap_or_else(|| cores.div_ceil(2)));
        let builder = builder.thread_name(|index| format!("compile-{index}")).start_handler(|_| {
            // On Linux this is about the calling thread. A system that refuses compiles at the usual priority.
            let _ = rustix::process::setpriority_process(None, NICENESS);
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
