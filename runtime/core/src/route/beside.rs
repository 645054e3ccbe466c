//! What goes on beside a decision: who answers when the chosen variant can't, and who gets copies.
//!
//! Default: neither. What changes it: the route's document. Bounds: those below.

use std::time::Duration;

use crate::name::Version;

/// Mirrors of a route.
pub const MIRRORS_MAX: usize = 4;
/// Copies that wait for a mirror, when nobody says.
pub const QUEUE: u32 = 256;
/// Copies that wait for a mirror, at most.
pub const QUEUE_MAX: u32 = 10_000;
/// Examples that a mirror keeps, at most.
pub const KEEP_MAX: u32 = 100;

/// Who answers when the chosen variant fails or takes too long.
#[derive(Clone, Debug, PartialEq)]
pub struct Fallback {
    /// The variant, by its place in the split.
    pub to: usize,
    /// How long the chosen one may take before it is given up.
    pub timeout: Option<Duration>,
    /// When it is not asked any more.
    pub circuit: Option<Circuit>,
}

/// After so many failures in a row a variant is left alone for a while; then one request tries it
/// again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Circuit {
    /// In a row.
    pub failures: u32,
    /// How long it stays open.
    pub open: Duration,
}

/// A version that gets copies of requests. Its answers are compared with those that clients got,
/// and dropped.
#[derive(Clone, Debug, PartialEq)]
pub struct Mirror {
    /// Who gets them.
    pub version: Version,
    /// Of all requests, so many in a hundred.
    pub percent: f64,
    /// Copies that may wait; those that come then are dropped, and counted.
    pub queue: u32,
    /// By how much floats may differ in answers that agree. None: by anything.
    pub tolerance: Option<f64>,
    /// Of the answers that differ most, so many are kept with their requests.
    pub keep: u32,
}
