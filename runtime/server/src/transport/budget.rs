//! The memory budget of request bodies: one bound for all of them together.
//!
//! A body is counted while it arrives, in steps of up to `STEP`, until the last tensor that is a
//! slice of it is dropped. Decompressed bodies and tensors decoded from JSON count too. A body that
//! exceeds the budget is refused; other bodies are not affected. Default: `--max-body-memory`, 1
//! GiB.
//!
//! A small body is free: up to `SMALL` bytes over HTTP/1.1, where a connection has one body at a
//! time and a read buffer of that size anyway, so the number of connections bounds them; up to
//! `SMALL_STREAM` over HTTP/2, where all streams of a connection together then use half of its
//! flow-control window. So the most common request does not touch the budget.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytes::Bytes;
use hotstage_core::failure::{Failure, Kind};

/// The largest body over HTTP/1.1 that is not counted, in bytes.
pub(crate) const SMALL: usize = 64 << 10;
/// The largest body over HTTP/2 that is not counted, in bytes.
pub(crate) const SMALL_STREAM: usize = 4 << 10;
/// A share grows by its own size, but by at most this many bytes, at a time.
const STEP: u64 = 256 << 10;

/// The bound on all bodies, and the bytes in use.
#[derive(Debug)]
pub struct Budget {
    bytes_max: u64,
    used: AtomicU64,
    refused: AtomicU64,
}

impl Budget {
    /// Allows `bytes_max` bytes for all bodies.
    pub fn new(bytes_max: u64) -> Arc<Self> {
        Arc::new(Self {
            bytes_max,
            used: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        })
    }

    /// Bytes in use.
    pub fn used(&self) -> u64 {
        self.used.load(Relaxed)
    }

    /// Bodies that were refused because the budget was used up.
    pub fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    fn take(&self, bytes: u64) -> bool {
        let more = |used: u64| {
            used.checked_add(bytes)
                .filter(|used| *used <= self.bytes_max)
        };
        self.used.try_update(Relaxed, Relaxed, more).is_ok()
    }

    #[cold]
    fn exhausted(&self) -> Failure {
        self.refused.fetch_add(1, Relaxed);
        let message = format!(
            "the bodies of all requests use all of their memory, {} bytes (--max-body-memory); try again",
            self.bytes_max
        );
        Failure::new(Kind::Overloaded, message)
    }
}

/// One body's share of the budget; returned when it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<Budget>,
    bytes: u64,
    /// Bytes that are not counted.
    free: u64,
}

impl Share {
    /// An empty share; it stays empty while the body has at most `free` bytes.
    pub(crate) fn none(budget: &Arc<Budget>, free: usize) -> Self {
        Self {
            budget: Arc::clone(budget),
            bytes: 0,
            free: free as u64,
        }
    }

    /// Grows to at least `bytes`. On failure it keeps its size.
    pub(crate) fn cover(&mut self, bytes: usize) -> Result<(), Failure> {
        let bytes = bytes as u64;
        if bytes <= self.bytes.max(self.free) {
            return Ok(());
        }
        let missing = bytes - self.bytes;
        // Large steps, because all threads write this counter; when a step does not fit, exactly
        // the missing bytes.
        let taken = [missing.max(self.bytes.min(STEP)), missing]
            .into_iter()
            .find(|bytes| self.budget.take(*bytes));
        self.bytes += taken.ok_or_else(|| self.budget.exhausted())?;
        Ok(())
    }

    /// Returns what exceeds `bytes`, or everything if `bytes` are free.
    pub(crate) fn trim(&mut self, bytes: usize) {
        let bytes = Some(bytes as u64)
            .filter(|bytes| *bytes > self.free)
            .unwrap_or_default();
        if let Some(rest) = self.bytes.checked_sub(bytes) {
            self.budget.used.fetch_sub(rest, Relaxed);
            self.bytes = bytes;
        }
    }

    /// The bytes, which keep this share until their last slice is dropped.
    pub(crate) fn hold(mut self, bytes: Bytes) -> Bytes {
        self.trim(bytes.len());
        if self.bytes == 0 {
            bytes
        } else {
            Bytes::from_owner(Held {
                bytes,
                _share: self,
            })
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.budget.used.fetch_sub(self.bytes, Relaxed);
        }
    }
}

/// Counted bytes.
struct Held {
    bytes: Bytes,
    _share: Share,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_small_body_is_free_and_a_longer_one_counts_whole() {
        let budget = Budget::new(1 << 20);
        let mut share = Share::none(&budget, SMALL);
        share.cover(SMALL).unwrap();
        assert_eq!(budget.used(), 0);
        share.cover(SMALL + 1).unwrap();
        assert_eq!(budget.used(), SMALL as u64 + 1);
        share.cover(SMALL + 2).unwrap();
        assert_eq!(budget.used(), 2 * (SMALL as u64 + 1));
        let bytes = share.hold(vec![7; SMALL + 2].into());
        assert_eq!(budget.used(), SMALL as u64 + 2);
        let part = bytes.slice(10..20);
        drop(bytes);
        assert_eq!(budget.used(), SMALL as u64 + 2);
        drop(part);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn the_last_bytes_go_to_a_body_that_needs_no_more() {
        let budget = Budget::new(1000);
        let (mut first, mut second) = (Share::none(&budget, 0), Share::none(&budget, 0));
        first.cover(600).unwrap();
        second.cover(300).unwrap();
        // Doubling does not fit, but this does.
        second.cover(400).unwrap();
        let failure = second.cover(401).unwrap_err();
        assert_eq!(
            (failure.kind, budget.refused(), budget.used()),
            (Kind::Overloaded, 1, 1000)
        );
        assert!(failure.message.contains("--max-body-memory"), "{failure}");
        first.trim(0);
        second.cover(401).unwrap();
    }

    /// The events of a body.
    #[derive(Clone, Debug)]
    enum Event {
        Begins { free: usize },
        Grows { body: usize, bytes: usize },
        IsWhole { body: usize },
        IsShared { bytes: usize },
        IsDropped { bytes: usize },
        GoesAway { body: usize },
    }

    fn event() -> impl Strategy<Value = Event> {
        let any = 0..64_usize;
        prop_oneof![
            prop_oneof![Just(0), Just(SMALL_STREAM), Just(SMALL)]
                .prop_map(|free| Event::Begins { free }),
            (any.clone(), 0..2_000_000_usize)
                .prop_map(|(body, bytes)| Event::Grows { body, bytes }),
            any.clone().prop_map(|body| Event::IsWhole { body }),
            any.clone().prop_map(|bytes| Event::IsShared { bytes }),
            any.clone().prop_map(|bytes| Event::IsDropped { bytes }),
            any.prop_map(|body| Event::GoesAway { body }),
        ]
    }

    /// Bodies that are arriving, and bytes of complete ones.
    #[derive(Default)]
    struct World {
        coming: Vec<(Share, usize)>,
        whole: Vec<Bytes>,
    }

    impl World {
        fn happens(&mut self, budget: &Arc<Budget>, event: &Event) {
            let (coming, whole) = (self.coming.len().max(1), self.whole.len().max(1));
            match *event {
                Event::Begins { free } => self.coming.push((Share::none(budget, free), 0)),
                Event::Grows { body, bytes } => {
                    if let Some((share, length)) = self.coming.get_mut(body % coming)
                        && share.cover(*length + bytes).is_ok()
                    {
                        *length += bytes;
                    }
                }
                Event::IsWhole { body } if !self.coming.is_empty() => {
                    let (share, length) = self.coming.swap_remove(body % coming);
                    // Untouched zero pages use no memory.
                    self.whole.push(share.hold(vec![0; length].into()));
                }
                Event::IsShared { bytes } if !self.whole.is_empty() => {
                    let part = self.whole[bytes % whole].clone();
                    self.whole.push(part.slice(part.len() / 2..));
                }
                Event::IsDropped { bytes } if !self.whole.is_empty() => {
                    self.whole.swap_remove(bytes % whole);
                }
                Event::GoesAway { body } if !self.coming.is_empty() => {
                    self.coming.swap_remove(body % coming);
                }
                _ => {}
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]
        #[test]
        fn whatever_happens_the_bound_holds_and_nothing_is_lost(
            events in prop::collection::vec(event(), 0..40),
        ) {
            const BYTES_MAX: u64 = 4_000_000;
            let budget = Budget::new(BYTES_MAX);
            let mut world = World::default();
            for event in &events {
                world.happens(&budget, event);
                let counted: u64 = world.coming.iter().map(|(share, _)| share.bytes).sum();
                prop_assert!(counted <= budget.used() && budget.used() <= BYTES_MAX);
                for (share, length) in &world.coming {
                    prop_assert!(*length as u64 <= share.bytes.max(share.free));
                }
            }
            drop(world);
            prop_assert_eq!(budget.used(), 0);
        }
    }
}
