//! Experiments: which variant of a route earns more, and from when on that is known.
//!
//! Clients post a *reward* from 0 to 1 for answers that they got. The mean reward of a variant lies
//! in an interval that is valid at all times at once ([`Sequence`]), so reading it every minute
//! adds no error; the intervals lead to a [`Verdict`]. An adaptive experiment sends more requests
//! to the variant that seems to earn more ([`next_weights`]). Every decision depends on its
//! arguments alone: randomness comes from a seed, and no clock is read.
//!
//! Defaults: those of [`Plan`], set by `experiment` in the route's document. Bounds: [`KEEP_MIN`]
//! and the other constants here.

mod draws;
mod sequence;
#[cfg(test)]
mod tests;
mod verdict;
mod weights;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::draws::Draws;
pub use self::sequence::{Interval, Sequence};
pub use self::verdict::{Verdict, verdict};
pub use self::weights::{TENTHS, next_weights};

/// The upper bound of the chance of a false alarm, by default.
pub const ALPHA: f64 = 0.05;
/// A written chance must be less than this.
pub const ALPHA_MAX: f64 = 0.5;
/// The smallest chance, and the smallest difference, that may be written.
pub const PART_MIN: f64 = 1e-6;
/// The smallest difference that matters, by default.
pub const WORTH: f64 = 0.01;
/// How long an answer waits for its feedback, by default: a week.
pub const KEEP: Duration = Duration::from_secs(7 * 24 * 3600);
/// The least that `keep` may be.
pub const KEEP_MIN: Duration = Duration::from_secs(60);
/// The most that `keep` may be: 90 days.
pub const KEEP_MAX: Duration = Duration::from_secs(90 * 24 * 3600);
/// How often an adaptive experiment may move weights, by default.
pub const EVERY: Duration = Duration::from_secs(60);
/// The least that `every` may be.
pub const EVERY_MIN: Duration = Duration::from_secs(1);
/// The most that `every` may be: a week.
pub const EVERY_MAX: Duration = KEEP;
/// Percent of the requests that an adaptive experiment leaves to each variant at least, by default.
pub const LEAST: f64 = 5.0;
/// Percent of the requests that it gives to each variant at most, by default.
pub const MOST: f64 = 95.0;
/// Bytes of a reward's name, at most.
pub const REWARD_BYTES_MAX: usize = 128;

/// An experiment as it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The reward's name. Another name makes another experiment.
    pub reward: String,
    /// The chance that any interval of a difference is ever wrong, and that any interval of a mean
    /// is.
    pub alpha: f64,
    /// The smallest difference between two rewards that matters.
    pub worth: f64,
    /// How long an answer waits for its feedback.
    pub keep: Duration,
    /// How weights move; `None`: only by hand.
    pub adapt: Option<Adapt>,
}

impl Plan {
    /// The weights of requests without a key, once they have moved.
    pub fn drawn(&self) -> Option<&[f64]> {
        self.adapt.as_ref()?.drawn.as_deref()
    }
}

/// How weights move by themselves.
#[derive(Clone, Debug, PartialEq)]
pub struct Adapt {
    /// How often, at most.
    pub every: Duration,
    /// The least and the most that each variant gets.
    pub bounds: Bounds,
    /// Weights of requests without a key, in the order of the split, once they have moved.
    pub drawn: Option<Vec<f64>>,
}

/// What a variant gets, in percent of the requests without a key.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "the type's line says it")]
pub struct Bounds {
    pub least: f64,
    pub most: f64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            least: LEAST,
            most: MOST,
        }
    }
}

impl Bounds {
    /// Whether so many variants can share all requests within these bounds.
    pub fn fit(&self, variants: usize) -> bool {
        let variants = variants as f64;
        self.least * variants <= 100.0 && self.most * variants >= 100.0
    }
}

/// What is known of a variant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Answers that feedback may name.
    pub answers: u64,
    /// The rewards, in the order of arrival.
    pub sequence: Sequence,
}

impl Evidence {
    /// No rewards yet, for one of `variants` variants.
    pub fn new(alpha: f64, variants: usize) -> Self {
        Self {
            answers: 0,
            sequence: Sequence::new(alpha, variants),
        }
    }
}
