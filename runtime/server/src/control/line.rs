//! Queue of versions to open at the start.
//!
//! Versions whose components are compiled come first, in recorded order; then the others, fewest
//! bytes to compile first. So a compiled version never waits for another's compilation.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use hotstage_core::digest::Digest;

use super::locked;
use crate::control::deploy::{DeployError, Deployer, Recorded, Restored, Unopened};

/// Shared by several threads.
pub(super) struct Line {
    wanted: Vec<(String, Digest)>,
    next: AtomicUsize,
    to_compile: Mutex<Vec<ToCompile>>,
}

/// A version that must be compiled first.
struct ToCompile {
    bytes: u64,
    place: usize,
    unopened: Box<Unopened>,
}

impl Line {
    pub(super) fn of(wanted: Vec<(String, Digest)>) -> Self {
        Self {
            wanted,
            next: AtomicUsize::new(0),
            to_compile: Mutex::default(),
        }
    }

    /// Opens the next version. None when the queue is empty.
    pub(super) async fn next(
        &self,
        deployer: &Deployer,
    ) -> Option<(String, Digest, Result<Restored, DeployError>)> {
        loop {
            let place = self.next.fetch_add(1, Relaxed);
            let Some((called, digest)) = self.wanted.get(place) else {
                break;
            };
            let outcome = match deployer.recorded(called, digest) {
                Err(error) => Err(error),
                Ok(Recorded::Graph(graph)) => Ok(Restored::Graph(graph)),
                Ok(Recorded::Pipeline(unopened)) => {
                    let bytes = deployer.bytes_to_compile(&unopened);
                    if bytes > 0 {
                        locked(&self.to_compile).push(ToCompile {
                            bytes,
                            place,
                            unopened,
                        });
                        continue;
                    }
                    open(deployer, &unopened).await
                }
            };
            return Some((called.clone(), *digest, outcome));
        }
        // A thread still scanning `wanted` opens the compiled versions it finds itself.
        let ToCompile {
            place, unopened, ..
        } = self.least()?;
        let (called, digest) = self.wanted.get(place)?;
        Some((called.clone(), *digest, open(deployer, &unopened).await))
    }

    fn least(&self) -> Option<ToCompile> {
        let mut waiting = locked(&self.to_compile);
        let least = waiting
            .iter()
            .enumerate()
            .min_by_key(|(_, one)| (one.bytes, one.place))?
            .0;
        Some(waiting.swap_remove(least))
    }
}

async fn open(deployer: &Deployer, unopened: &Unopened) -> Result<Restored, DeployError> {
    Ok(Restored::Pipeline(Box::new(deployer.open(unopened).await?)))
}
