//! The clock that interrupts guests: an OS thread advances the engine's epoch, which guest code
//! compares at loops and function entries.
//!
//! It ticks every [`REST`] while no guest runs across ticks, and every [`TICK`] while one does: a
//! thread that wakes a thousand times a second takes several percent of two cores from the
//! requests, and most servers have no guest that runs so long. Bound: a guest is first checked
//! after two rests at most.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

/// How often running guest code is checked.
const TICK: Duration = Duration::from_millis(1);
/// The same while no guest runs long.
const REST: Duration = Duration::from_millis(4);
/// Quick ticks after the last guest that ran across one.
const QUICK: u32 = 64;

/// The state that the clock and the guests share.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock {
    /// Quick ticks that remain.
    quick: Arc<AtomicU32>,
}

impl Clock {
    /// Called when a tick interrupted a guest: more ticks may be needed.
    pub(crate) fn quicken(&self) {
        self.quick.store(QUICK, Relaxed);
    }

    /// The time until the next tick.
    fn pause(&self) -> Duration {
        let is_quick = self
            .quick
            .try_update(Relaxed, Relaxed, |left| left.checked_sub(1))
            .is_ok();
        if is_quick { TICK } else { REST }
    }

    /// Starts the thread. It ends with the engine.
    pub(crate) fn start(&self, engine: &wasmtime::Engine) -> std::io::Result<()> {
        let (engine, clock) = (engine.weak(), self.clone());
        std::thread::Builder::new()
            .name("epoch".into())
            .spawn(move || {
                while let Some(engine) = engine.upgrade() {
                    engine.increment_epoch();
                    drop(engine);
                    #[expect(
                        clippy::disallowed_methods,
                        reason = "its only work is to wait; it serves no requests"
                    )]
                    std::thread::sleep(clock.pause());
                }
            })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_quick_for_a_while_after_a_long_guest() {
        let clock = Clock::default();
        assert_eq!(clock.pause(), REST);
        clock.quicken();
        assert!((0..QUICK).all(|_| clock.pause() == TICK));
        assert_eq!(clock.pause(), REST);
    }
}
