//! What is counted, without a lock: a request adds to atomics that its thread already has; a scrape
//! reads them.

pub mod batches;
pub mod histogram;

use std::sync::atomic::{AtomicI64, AtomicU64};

use hotstage_core::failure::Kind;
use hotstage_engine::sharded::Counter;

use self::histogram::Histogram;

/// What is counted about the server as a whole.
#[derive(Debug, Default)]
pub struct ServerCounts {
    /// Requests of any kind, also those that reach no pipeline.
    pub requests: Counter,
    /// Of those, the ones that are over.
    pub over: Counter,
    /// Answers with an error, by kind.
    pub failed: [AtomicU64; Kind::ALL.len()],
    /// Requests whose client went away before the answer.
    pub abandoned: AtomicU64,
    /// Open connections.
    pub connections: AtomicI64,
    /// Changes to what is served.
    pub swaps: Swaps,
    /// Rollouts since the start, by [`ROLLOUTS`].
    pub rollouts: [AtomicU64; ROLLOUTS.len()],
}

impl ServerCounts {
    /// Requests being answered.
    pub fn in_flight(&self) -> u64 {
        // In this order: what is over had begun.
        let over = self.over.read();
        self.requests.read().saturating_sub(over)
    }
}

/// What is counted about a pipeline.
#[derive(Debug, Default)]
pub struct PipelineCounts {
    /// Requests that were answered.
    pub answered: Counter,
    /// Requests that failed, by kind.
    pub failed: [AtomicU64; Kind::ALL.len()],
    /// How long requests take, from the first stage to the last, waiting included.
    pub durations: Histogram,
    /// Requests that the fallback of a route answered in its place, by [`FALLS`].
    pub fell: [AtomicU64; FALLS.len()],
    /// Requests that were answered from the cache, and those that it had no answer to; of a
    /// pipeline that uses it.
    pub cached: [AtomicU64; CACHED.len()],
    /// Elements along the first dimension of the requests' first input, in requests that were
    /// answered.
    pub elements: Counter,
}

/// What the cache had for a request, in order.
pub const CACHED: [&str; 2] = ["hit", "miss"];

/// Why a fallback answered, in order.
pub const FALLS: [&str; 3] = ["failure", "timeout", "circuit"];

/// How rollouts begin and end, in order.
pub const ROLLOUTS: [&str; 4] = ["started", "promoted", "rolled_back", "aborted"];

/// The steps of a change, in order.
pub const SWAP_STEPS: [&str; 3] = ["prepare", "record", "swap"];

/// What is counted about changes to what is served.
#[derive(Debug, Default)]
pub struct Swaps {
    /// Revisions that were made since the start.
    pub made: AtomicU64,
    /// Changes that were refused since the start.
    pub refused: AtomicU64,
    /// Versions that were freed.
    pub freed: AtomicU64,
    /// Bytes of files that were freed with them.
    pub freed_bytes: AtomicU64,
    /// Versions whose last requests were cut off from the drain, as they took too long.
    pub overdue: AtomicU64,
    /// Requests that were still running on versions when those were given up.
    pub drained: AtomicU64,
    /// Microseconds of revisions that were made, by [`SWAP_STEPS`].
    pub took_us: [AtomicU64; SWAP_STEPS.len()],
}
