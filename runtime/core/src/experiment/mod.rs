//! Experiments: which variant of a route earns more, and since when that can be said.
//!
//! Callers post a *reward* from 0 to 1 for answers that they got. What a variant's answers earn on
//! average is known within an interval that holds at every moment at once ([`Sequence`]), so
//! looking at it every minute costs nothing; from the intervals follows a [`Verdict`]. An adaptive
//! experiment draws more requests to what seems to earn more ([`next_weights`]). All of it is
//! decided from values: chance is a seed, and time is nobody's business here.
//!
//! Defaults: those of [`Plan`]. What changes them: `experiment` in the route's document. Bounds:
//! [`KEEP_MIN`] and the other constants here.

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

/// The chance of a false alarm when nobody says, and at most.
pub const ALPHA: f64 = 0.05;
/// Less than this.
pub const ALPHA_MAX: f64 = 0.5;
/// The least of a chance, and of a difference, that makes sense.
pub const PART_MIN: f64 = 1e-6;
/// The smallest difference worth having, when nobody says.
pub const WORTH: f64 = 0.01;
/// How long an answer may wait for its feedback, when nobody says: a week.
pub const KEEP: Duration = Duration::from_secs(7 * 24 * 3600);
/// At least.
pub const KEEP_MIN: Duration = Duration::from_secs(60);
/// At most: 90 days.
pub const KEEP_MAX: Duration = Duration::from_secs(90 * 24 * 3600);
/// How often an adaptive experiment may move weights, when nobody says.
pub const EVERY: Duration = Duration::from_secs(60);
/// At least.
pub const EVERY_MIN: Duration = Duration::from_secs(1);
/// At most: a week.
pub const EVERY_MAX: Duration = KEEP;
/// Percent of the requests that an adaptive experiment leaves to each variant at least, when nobody
/// says.
pub const LEAST: f64 = 5.0;
/// And at most.
pub const MOST: f64 = 95.0;
/// Bytes of a reward's name.
pub const REWARD_BYTES_MAX: usize = 128;

/// What an experiment asks, as it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What the reward is called. Another name is another experiment.
    pub reward: String,
    /// The chance that some difference's interval is ever wrong, and that some mean's is.
    pub alpha: f64,
    /// The smallest difference between two rewards worth having.
    pub worth: f64,
    /// How long an answer may wait for its feedback.
    pub keep: Duration,
    /// How weights move; `None`: only by hand.
    pub adapt: Option<Adapt>,
}

impl Plan {
    /// Weights of requests without a key, where they have moved.
    pub fn drawn(&self) -> Option<&[f64]> {
        self.adapt.as_ref()?.drawn.as_deref()
    }
}

/// How weights move by themselves.
#[derive(Clone, Debug, PartialEq)]
pub struct Adapt {
    /// How often, at most.
    pub every: Duration,
    /// What each variant gets at least and at most.
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
    /// Whether so many variants can share all requests within them.
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
    /// The rewards that came, in the order in which they came.
    pub sequence: Sequence,
}

impl Evidence {
    /// Nothing yet, of one of so many variants.
    pub fn new(alpha: f64, variants: usize) -> Self {
        Self {
            answers: 0,
            sequence: Sequence::new(alpha, variants),
        }
    }
}
