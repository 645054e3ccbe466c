//! Stops computations that run past their call's deadline.
//!
//! A guest is interrupted by the engine's epoch; a native engine is not. One thread checks all
//! sessions every [`LOOK`], as long as any graph of ONNX Runtime is open; an idle session costs it
//! one lock.

use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::{Duration, Instant};

use ort::session::RunOptions;

use super::{Arena, locked};

/// The interval of the checks, and so how late a computation may be stopped.
const LOOK: Duration = Duration::from_millis(20);

/// One session as the watch sees it.
pub(super) struct Watched {
    pub(super) options: RunOptions,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    ends: Option<Instant>,
    stopped: bool,
}

impl Watched {
    pub(super) fn new(arena: Arena) -> ort::Result<Arc<Self>> {
        let mut options = RunOptions::new()?;
        if arena == Arena::Shrink {
            options.set("memory.enable_memory_arena_shrinkage", "cpu:0")?;
        }
        let watched = Arc::new(Self {
            options,
            state: Mutex::default(),
        });
        enter(&watched);
        Ok(watched)
    }

    pub(super) fn begin(&self, deadline: Instant) {
        locked(&self.state).ends = Some(deadline);
    }

    /// Whether it was stopped. The next computation starts fresh.
    pub(super) fn end(&self) -> bool {
        let mut state = locked(&self.state);
        state.ends = None;
        let stopped = std::mem::take(&mut state.stopped);
        if stopped {
            // It fails only for lack of memory; then the next computation is stopped as well, and
            // tries again.
            let _ = self.options.unterminate();
        }
        stopped
    }

    fn look(&self, now: Instant) {
        let mut state = locked(&self.state);
        if !state.stopped && state.ends.is_some_and(|ends| ends < now) {
            state.stopped = self.options.terminate().is_ok();
        }
    }
}

fn enter(watched: &Arc<Watched>) {
    static ALL: OnceLock<Mutex<Vec<Weak<Watched>>>> = OnceLock::new();
    let mut all = locked(ALL.get_or_init(Mutex::default));
    let is_first = all.is_empty();
    all.push(Arc::downgrade(watched));
    if is_first {
        let spawned = std::thread::Builder::new()
            .name("graph-watch".into())
            .spawn(|| watch(ALL.get_or_init(Mutex::default)));
        if let Err(error) = spawned {
            tracing::warn!(%error, "no thread to stop computations that run too long");
        }
    }
}

fn watch(all: &Mutex<Vec<Weak<Watched>>>) {
    loop {
        #[expect(
            clippy::disallowed_methods,
            reason = "this thread's only work is to wait; it serves no requests"
        )]
        std::thread::sleep(LOOK);
        let now = Instant::now();
        let mut all = locked(all);
        all.retain(|watched| {
            watched
                .upgrade()
                .inspect(|watched| watched.look(now))
                .is_some()
        });
        // Empty means that the next session to enter starts a watch again.
        if all.is_empty() {
            return;
        }
    }
}
