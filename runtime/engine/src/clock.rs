//! The clock that interrupts guests: an OS thread moves the engine's epoch, which guest code
//! compares at loops and function entries.
//!
//! It ticks every [`REST`] as long as no guest runs across ticks, and every [`TICK`] while one
//! does: a thread that wakes a thousand times a second takes its cores from the requests that it is
//! there to protect, several in a hundred on two cores, and most servers have no guest that runs so
//! long. Bound: a guest is first looked at after two rests at most.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

/// How often running guest code is looked at.
const TICK: Duration = Duration::from_millis(1);
/// The same while none runs long.
const REST: Duration = Duration::from_millis(4);
/// Quick ticks after the last guest that ran across one.
const QUICK: u32 = 64;

/// What the clock and the guests know of each other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock {
    /// Quick ticks that are left.
    quick: Arc<AtomicU32>,
}

impl Clock {
    /// A guest was met by a tick: more may be needed.
    pub(crate) fn quicken(&self) {
        self.quick.store(QUICK, Relaxed);
    }

    /// How long until the next tick.
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
                        reason = "its only work is to wait; it is nobody's worker"
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
