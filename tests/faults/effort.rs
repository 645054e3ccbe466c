//! How long each fault goes on, and what is told of it.
//!
//! `HOTSTAGE_FAULTS=full` asks for the length that the figures need; `HOTSTAGE_FAULTS_SECONDS`
//! changes the longest part, and `HOTSTAGE_FAULTS_REQUESTS` the number of requests where that is
//! what counts.

use std::fmt;
use std::io::Write as _;
use std::time::Duration;

/// The short one of two, or the one that figures need.
pub(crate) fn of<T>(short: T, full: T) -> T {
    if std::env::var_os("HOTSTAGE_FAULTS").is_some_and(|effort| effort == "full") {
        full
    } else {
        short
    }
}

/// The same for the part that a person may choose the length of.
pub(crate) fn seconds(short: u64, full: u64) -> Duration {
    let chosen = std::env::var("HOTSTAGE_FAULTS_SECONDS")
        .ok()
        .and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(chosen.unwrap_or_else(|| of(short, full)))
}

/// The same for requests.
pub(crate) fn requests(short: u64, full: u64) -> u64 {
    let chosen = std::env::var("HOTSTAGE_FAULTS_REQUESTS")
        .ok()
        .and_then(|requests| requests.parse().ok());
    chosen.unwrap_or_else(|| of(short, full))
}

/// One line about how it goes, past the runner.
pub(crate) fn tell(line: impl fmt::Display) {
    // Nobody may be reading.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A figure, and what it should be at most.
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

/// Numbers that look like chance and are the same each time.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Any byte below the bound, which is at most 256.
    pub(crate) fn byte(&mut self, bound: u64) -> u8 {
        u8::try_from(self.below(bound)).unwrap()
    }

    /// One of them.
    pub(crate) fn of<T: Copy>(&mut self, things: &[T]) -> T {
        things[usize::try_from(self.below(things.len() as u64)).unwrap()]
    }

    /// One below the bound (xorshift64*, Vigna 2016).
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % bound
    }
}

/// The middle one, and the largest.
pub(crate) fn median_and_most(values: &[f64]) -> (f64, f64) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    (sorted[sorted.len() / 2], sorted[sorted.len() - 1])
}
