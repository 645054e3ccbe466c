//! A circuit breaker for each variant: after a number of failures in a row the variant gets no
//! requests for a while, and then one request tries it.
//!
//! Each breaker is two atomics, without a lock. Default: none; the route's `fallback.circuit` adds
//! them. A changed route begins with closed circuits.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use hotstage_core::route::Circuit;

/// The breaker of one variant.
#[derive(Debug)]
pub(super) struct Breaker {
    began: Instant,
    /// Failures since its last answer.
    in_a_row: AtomicU32,
    /// Until when it gets no requests, in milliseconds since `began`.
    open_until: AtomicU64,
}

impl Breaker {
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            in_a_row: AtomicU32::new(0),
            open_until: AtomicU64::new(0),
        }
    }

    /// Whether a request may go there. When the open time is over, one request may try.
    pub(super) fn lets_through(&self, circuit: &Circuit, now: Instant) -> bool {
        if self.in_a_row.load(Relaxed) < circuit.failures {
            return true;
        }
        let until = self.open_until.load(Relaxed);
        let now = self.milliseconds(now);
        let next = now + milliseconds(circuit.open);
        now >= until
            && self
                .open_until
                .compare_exchange(until, next, Relaxed, Relaxed)
                .is_ok()
    }

    /// Records an answer.
    pub(super) fn answered(&self) {
        // All requests share this atomic; skip the write when it is 0 already.
        if self.in_a_row.load(Relaxed) > 0 {
            self.in_a_row.store(0, Relaxed);
        }
    }

    /// Records a failure.
    pub(super) fn failed(&self, circuit: &Circuit, now: Instant) {
        let in_a_row = self.in_a_row.fetch_add(1, Relaxed).saturating_add(1);
        if in_a_row >= circuit.failures {
            self.in_a_row.fetch_min(circuit.failures, Relaxed);
            self.open_until
                .store(self.milliseconds(now) + milliseconds(circuit.open), Relaxed);
        }
    }

    /// Whether the circuit is open.
    pub(super) fn is_open(&self, circuit: &Circuit) -> bool {
        self.in_a_row.load(Relaxed) >= circuit.failures
    }

    fn milliseconds(&self, now: Instant) -> u64 {
        milliseconds(now.saturating_duration_since(self.began))
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_failures_in_a_row_and_one_request_tries_again() {
        let circuit = Circuit {
            failures: 2,
            open: Duration::from_secs(10),
        };
        let breaker = Breaker::new();
        let at = |seconds| breaker.began + Duration::from_secs(seconds);
        breaker.failed(&circuit, at(0));
        breaker.answered();
        breaker.failed(&circuit, at(1));
        assert!(breaker.lets_through(&circuit, at(1)));
        breaker.failed(&circuit, at(2));
        assert!(breaker.is_open(&circuit) && !breaker.lets_through(&circuit, at(11)));
        assert!(breaker.lets_through(&circuit, at(12)));
        assert!(
            !breaker.lets_through(&circuit, at(12)),
            "one tries, the others wait for it"
        );
        breaker.failed(&circuit, at(13));
        assert!(!breaker.lets_through(&circuit, at(22)));
        assert!(breaker.lets_through(&circuit, at(23)));
        breaker.answered();
        assert!(breaker.lets_through(&circuit, at(23)) && !breaker.is_open(&circuit));
    }
}
