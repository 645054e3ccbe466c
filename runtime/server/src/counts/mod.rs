//! What is counted, without a lock: a request adds to atomics that it already has; a scrape reads them.

pub mod histogram;

use std::sync::atomic::{AtomicI64, AtomicU64};

use hotstage_core::failure::Kind;

use self::histogram::Histogram;

/// What is counted about the server as a whole.
#[derive(Debug, Default)]
pub struct ServerCounts {
    /// Requests of any kind, also those that reach no pipeline.
    pub requests: AtomicU64,
    /// Answers with an error, by kind.
    pub failed: [AtomicU64; Kind::ALL.len()],
    /// Requests being answered.
    pub in_flight: AtomicI64,
    /// Requests whose client went away before the answer.
    pub abandoned: AtomicU64,
    /// Open connections.
    pub connections: AtomicI64,
}

/// What is counted about a pipeline.
#[derive(Debug, Default)]
pub struct PipelineCounts {
    /// Requests that were answered.
    pub answered: AtomicU64,
    /// Requests that failed, by kind.
    pub failed: [AtomicU64; Kind::ALL.len()],
    /// How long requests take, from the first stage to the last, waiting included.
    pub durations: Histogram,
}
