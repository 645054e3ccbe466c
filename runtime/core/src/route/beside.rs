//! Fallbacks and mirrors: which variant answers when the chosen one can't, and which versions get
//! copies.
//!
//! Default: neither. Both are set in the route's document. Bounds: those below.

use std::time::Duration;

use crate::name::Version;

/// Mirrors of a route.
pub const MIRRORS_MAX: usize = 4;
/// Copies that may wait for a mirror, by default.
pub const QUEUE: u32 = 256;
/// Copies that wait for a mirror, at most.
pub const QUEUE_MAX: u32 = 10_000;
/// Examples that a mirror keeps, at most.
pub const KEEP_MAX: u32 = 100;

/// The variant that answers when the chosen one fails or takes too long.
#[derive(Clone, Debug, PartialEq)]
pub struct Fallback {
    /// The variant, by its index in the split.
    pub to: usize,
    /// How long the chosen variant may take before the fallback answers.
    pub timeout: Option<Duration>,
    /// When the chosen variant is no longer called.
    pub circuit: Option<Circuit>,
}

/// A circuit breaker: after so many failures in a row a variant gets no requests for a while; then
/// one request tries it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Circuit {
    /// Failures in a row that open it.
    pub failures: u32,
    /// How long it stays open.
    pub open: Duration,
}

/// A version that gets copies of requests. Its answers are compared with those that clients got,
/// and dropped.
#[derive(Clone, Debug, PartialEq)]
pub struct Mirror {
    /// The version that gets the copies.
    pub version: Version,
    /// Percent of all requests.
    pub percent: f64,
    /// Copies that may wait; further ones are dropped and counted.
    pub queue: u32,
    /// How much floats may differ in answers that agree. `None`: by any amount.
    pub tolerance: Option<f64>,
    /// The number of most different answers that are kept with their requests.
    pub keep: u32,
}
