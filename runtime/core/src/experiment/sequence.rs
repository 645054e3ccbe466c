//! A confidence sequence: the interval of the mean reward, valid at all times at once.
//!
//! The predictable plug-in empirical Bernstein sequence of Waudby-Smith & Ramdas, "Estimating means
//! of bounded random variables by betting", Journal of the Royal Statistical Society B, 2024,
//! theorem 2, with the running intersection. An interval for one sample size is wrong more often
//! each time it is read; the chance that this one *ever* excludes the mean is at most α. It
//! requires rewards from 0 to 1 whose expectation, given those before, stays the same. It requires
//! no distribution and no fixed number of readings.
//!
//! The difference between two means is derived from the same bets rather than from the two
//! intervals, which would be nearly half as wide again. Betting on each mean from above or below
//! makes four products of two supermartingales. Their average is one, too, and therefore ever
//! reaches 1 ⁄ α with a chance of at most α (Ville 1939). With S = Σλx, Λ = Σλ and V the bets' cost
//! that means |S₁ − μ₁Λ₁| + |S₂ − μ₂Λ₂| < ln(4 ⁄ α) + V₁ + V₂ at every moment, and among all such
//! means the difference lies furthest from S₂ ⁄ Λ₂ − S₁ ⁄ Λ₁ by that bound divided by the lesser Λ.
//!
//! Each reward takes constant time and the state has constant size, whatever the number of rewards.

use serde::{Deserialize, Serialize};

/// A bet of 1 would lose everything at once; the authors advise 1/2 or 3/4.
const BET_MAX: f64 = 0.5;

/// Two bounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the type's line says it")]
pub struct Interval {
    pub low: f64,
    pub high: f64,
}

impl Interval {
    /// The interval that contains every possible mean.
    pub const ANY: Self = Self {
        low: 0.0,
        high: 1.0,
    };

    /// Whether the number lies in the interval.
    pub const fn holds(&self, number: f64) -> bool {
        self.low <= number && number <= self.high
    }

    /// The distance between the bounds.
    pub const fn width(&self) -> f64 {
        self.high - self.low
    }
}

/// The sums over the rewards from which the next interval is computed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sequence {
    /// What the evidence against a mean must reach, as a logarithm.
    bar: f64,
    /// The same for a difference of two means.
    bar_of_two: f64,
    count: u64,
    sum: f64,
    /// Sum of the squared distances of rewards from the means up to them.
    spread: f64,
    /// Sum of the bets.
    bets: f64,
    /// Sum of the rewards, each times its bet.
    staked: f64,
    /// The cost of the bets: the part of the interval that results from the rewards' variance.
    cost: f64,
    /// The running intersection.
    kept: Interval,
}

impl Sequence {
    /// No rewards yet, for one of `variants` variants. The chance that any of their intervals ever
    /// excludes its mean is at most `alpha`, and so is the chance for any difference: each is split
    /// evenly (a union bound).
    pub fn new(alpha: f64, variants: usize) -> Self {
        let means = variants.max(1) as f64;
        let pairs = (means * (means - 1.0) / 2.0).max(1.0);
        let (bar, bar_of_two) = (
            libm::log(2.0 * means / alpha),
            libm::log(4.0 * pairs / alpha),
        );
        Self {
            bar,
            bar_of_two,
            count: 0,
            sum: 0.0,
            spread: 0.0,
            bets: 0.0,
            staked: 0.0,
            cost: 0.0,
            kept: Interval::ANY,
        }
    }

    /// Adds the next reward, from 0 to 1.
    pub fn add(&mut self, reward: f64) {
        let round = (self.count + 1) as f64;
        // Both as they were before this reward: a bet must not know its outcome.
        let mean = (0.5 + self.sum) / round;
        let variance = (0.25 + self.spread) / round;
        // Verdicts depend on differences, so bets have the size that suits those: two share one
        // bar.
        let bet = (self.bar_of_two / (variance * round * libm::log(1.0 + round)))
            .sqrt()
            .min(BET_MAX);
        let gap = reward - mean;
        self.cost += gap * gap * (-libm::log(1.0 - bet) - bet);
        self.bets += bet;
        self.staked += bet * reward;
        self.count += 1;
        self.sum += reward;
        let mean = (0.5 + self.sum) / (round + 1.0);
        self.spread += (reward - mean) * (reward - mean);
        let Interval { low, high } = self.at_this_moment();
        self.kept = Interval {
            low: self.kept.low.max(low),
            high: self.kept.high.min(high),
        };
    }

    /// The interval from the rewards so far, without the running intersection.
    fn at_this_moment(&self) -> Interval {
        if self.count == 0 {
            return Interval::ANY;
        }
        let (centre, half) = (self.staked / self.bets, (self.bar + self.cost) / self.bets);
        Interval {
            low: (centre - half).max(0.0),
            high: (centre + half).min(1.0),
        }
    }

    /// The interval of the difference to another mean.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Interval {
        let bets = self.bets.min(other.bets);
        if bets <= 0.0 {
            return Interval {
                low: -1.0,
                high: 1.0,
            };
        }
        let centre = self.staked / self.bets - other.staked / other.bets;
        let half = (self.bar_of_two + self.cost + other.cost) / bets;
        Interval {
            low: (centre - half).max(-1.0),
            high: (centre + half).min(1.0),
        }
    }

    /// The interval of the mean.
    pub fn interval(&self) -> Interval {
        if self.drifts() {
            self.at_this_moment()
        } else {
            self.kept
        }
    }

    /// Whether no mean fits all rewards: either the rare error happened or, far more likely, the
    /// mean itself moved.
    pub fn drifts(&self) -> bool {
        self.kept.low > self.kept.high
    }

    /// The number of rewards.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The sum of all rewards.
    pub const fn sum(&self) -> f64 {
        self.sum
    }

    /// The mean of the rewards; `None` without rewards.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
}
