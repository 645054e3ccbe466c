//! Counters without locks: a request adds to atomics of its own thread; a scrape sums them.

pub mod batches;
pub mod histogram;

use std::sync::atomic::{AtomicI64, AtomicU64};

use hotstage_core::failure::Kind;
use hotstage_core::sharded::Counter;

use self::histogram::Histogram;

/// Counters of the whole server.
#[derive(Debug, Default)]
pub struct ServerCounts {
    /// Requests of any kind, including those that reach no pipeline.
    pub requests: Counter,
    /// How many of those requests have ended.
    pub over: Counter,
    /// Error answers, by kind.
    pub failed: [AtomicU64; Kind::ALL.len()],
    /// Requests whose client disconnected before the answer.
    pub abandoned: AtomicU64,
    /// Open connections.
    pub connections: AtomicI64,
    /// Counters of changes to what is served.
    pub swaps: Swaps,
    /// Rollouts since the start, by [`ROLLOUTS`].
    pub rollouts: [AtomicU64; ROLLOUTS.len()],
}

impl ServerCounts {
    /// Requests in flight.
    pub fn in_flight(&self) -> u64 {
        // In this order: every request that has ended had begun, so the difference is not negative.
        let over = self.over.read();
        self.requests.read().saturating_sub(over)
    }
}

/// Counters of one pipeline.
#[derive(Debug, Default)]
pub struct PipelineCounts {
    /// Requests that were answered.
    pub answered: Counter,
    /// Requests that failed, by kind.
    pub failed: [AtomicU64; Kind::ALL.len()],
    /// How long requests take from the first stage to the last, including waiting.
    pub durations: Histogram,
    /// Requests that the route's fallback answered in place of this pipeline, by [`FALLS`].
    pub fell: [AtomicU64; FALLS.len()],
    /// Cache hits and misses, by [`CACHED`]; only of a pipeline that uses the cache.
    pub cached: [AtomicU64; CACHED.len()],
    /// Elements along the first dimension of the first input, summed over answered requests.
    pub elements: Counter,
}

/// The results of a cache lookup, in order.
pub const CACHED: [&str; 2] = ["hit", "miss"];

/// Why a fallback answered, in order.
pub const FALLS: [&str; 3] = ["failure", "timeout", "circuit"];

/// How rollouts begin and end, in order.
pub const ROLLOUTS: [&str; 4] = ["started", "promoted", "rolled_back", "aborted"];

/// The steps of a change, in order.
pub const SWAP_STEPS: [&str; 3] = ["prepare", "record", "swap"];

/// Counters of changes to what is served.
#[derive(Debug, Default)]
pub struct Swaps {
    /// Revisions made since the start.
    pub made: AtomicU64,
    /// Changes refused since the start.
    pub refused: AtomicU64,
    /// Versions that were freed.
    pub freed: AtomicU64,
    /// Bytes of files that were freed with them.
    pub freed_bytes: AtomicU64,
    /// Versions that were given up because their last requests took longer than the drain allows.
    pub overdue: AtomicU64,
    /// Requests that were still running on versions when those were given up.
    pub drained: AtomicU64,
    /// Microseconds that the revisions took, by [`SWAP_STEPS`].
    pub took_us: [AtomicU64; SWAP_STEPS.len()],
}
