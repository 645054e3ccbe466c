//! The duration of each fault test, and the output of figures.
//!
//! `HOTSTAGE_FAULTS=full` selects the durations that the figures need; `HOTSTAGE_FAULTS_SECONDS`
//! sets the longest part, and `HOTSTAGE_FAULTS_REQUESTS` the number of requests in tests that count
//! requests.

use std::fmt;
use std::io::Write as _;
use std::time::Duration;

/// The short duration, or the one that figures need.
pub(crate) fn of<T>(short: T, full: T) -> T {
    if std::env::var_os("HOTSTAGE_FAULTS").is_some_and(|effort| effort == "full") {
        full
    } else {
        short
    }
}

/// The same for the part whose duration can be configured.
pub(crate) fn seconds(short: u64, full: u64) -> Duration {
    let chosen = std::env::var("HOTSTAGE_FAULTS_SECONDS")
        .ok()
        .and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(chosen.unwrap_or_else(|| of(short, full)))
}

/// The same for a number of requests.
pub(crate) fn requests(short: u64, full: u64) -> u64 {
    let chosen = std::env::var("HOTSTAGE_FAULTS_REQUESTS")
        .ok()
        .and_then(|requests| requests.parse().ok());
    chosen.unwrap_or_else(|| of(short, full))
}

/// Prints a progress line; bypasses the test runner.
pub(crate) fn tell(line: impl fmt::Display) {
    // The output may be closed.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Prints a figure and its goal, an upper bound.
pub(crate) fn figure(what: &str, value: f64, unit: &str, at_most: Option<f64>) {
    let goal = at_most.map(|goal| {
        let reached = if value <= goal { "reached" } else { "MISSED" };
        format!("  goal ≤ {goal} {unit}: {reached}")
    });
    tell(format_args!(
        "  {what:<62} {value:>10.2} {unit:<3}{}",
        goal.unwrap_or_default()
    ));
}

/// Deterministic pseudo-random numbers.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Any byte below the bound, which is at most 256.
    pub(crate) fn byte(&mut self, bound: u64) -> u8 {
        u8::try_from(self.below(bound)).unwrap()
    }

    /// One of the items.
    pub(crate) fn of<T: Copy>(&mut self, things: &[T]) -> T {
        things[usize::try_from(self.below(things.len() as u64)).unwrap()]
    }

    /// A number below the bound (xorshift64*, Vigna 2016).
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % bound
    }
}

/// The median and the maximum.
pub(crate) fn median_and_most(values: &[f64]) -> (f64, f64) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    (sorted[sorted.len() / 2], sorted[sorted.len() - 1])
}
