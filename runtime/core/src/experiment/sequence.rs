//! A confidence sequence: where the mean of rewards lies, at every moment at once.
//!
//! The predictable plug-in empirical Bernstein sequence of Waudby-Smith & Ramdas, "Estimating means
//! of bounded random variables by betting", Journal of the Royal Statistical Society B, 2024,
//! theorem 2, with the running intersection. An interval for one sample size is wrong more and more
//! often the more often it is looked at; this one leaves the mean out, *ever*, with a chance of at
//! most α. It needs rewards from 0 to 1 whose expectation, given those before, is always the same;
//! no distribution and no number of looks.
//!
//! The difference between two means comes of the same bets rather than of the two intervals, which
//! would be nearly half as wide again. Betting on each mean from above or below makes four products
//! of two supermartingales; their average is one, too, and therefore ever reaches 1 ⁄ α with a
//! chance of at most α (Ville 1939). With S = Σλx, Λ = Σλ and V the bets' cost that says |S₁ −
//! μ₁Λ₁| + |S₂ − μ₂Λ₂| < ln(4 ⁄ α) + V₁ + V₂ at every moment, and among all such means the
//! difference lies furthest from S₂ ⁄ Λ₂ − S₁ ⁄ Λ₁ by that bound divided by the lesser Λ.
//!
//! Each reward costs a constant time and the state has a constant size, however many came.

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
    /// Where any mean of rewards lies.
    pub const ANY: Self = Self {
        low: 0.0,
        high: 1.0,
    };

    /// Whether a number lies in it.
    pub const fn holds(&self, number: f64) -> bool {
        self.low <= number && number <= self.high
    }

    /// From one bound to the other.
    pub const fn width(&self) -> f64 {
        self.high - self.low
    }
}

/// Rewards, as far as the next interval needs them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sequence {
    /// What the evidence against a mean must reach, as a logarithm.
    bar: f64,
    /// The same against a difference.
    bar_of_two: f64,
    count: u64,
    sum: f64,
    /// Sum of the squared distances of rewards from the means up to them.
    spread: f64,
    /// Sum of the bets.
    bets: f64,
    /// Sum of the rewards, each times its bet.
    staked: f64,
    /// What the bets cost: the part of the interval that comes of the rewards' variance.
    cost: f64,
    /// The running intersection.
    kept: Interval,
}

impl Sequence {
    /// No rewards yet, of one of so many variants. The chance that any of their means is ever left
    /// out is at most `alpha`, and so is the chance that any difference is: each is split evenly (a
    /// union bound).
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

    /// Takes the next reward, from 0 to 1.
    pub fn add(&mut self, reward: f64) {
        let turn = (self.count + 1) as f64;
        // Both as they were before this reward: a bet that knows the outcome is none.
        let mean = (0.5 + self.sum) / turn;
        let variance = (0.25 + self.spread) / turn;
        // Differences decide, so bets are of the size that suits them: two of them share one bar.
        let bet = (self.bar_of_two / (variance * turn * libm::log(1.0 + turn)))
            .sqrt()
            .min(BET_MAX);
        let gap = reward - mean;
        self.cost += gap * gap * (-libm::log(1.0 - bet) - bet);
        self.bets += bet;
        self.staked += bet * reward;
        self.count += 1;
        self.sum += reward;
        let mean = (0.5 + self.sum) / (turn + 1.0);
        self.spread += (reward - mean) * (reward - mean);
        let Interval { low, high } = self.at_this_moment();
        self.kept = Interval {
            low: self.kept.low.max(low),
            high: self.kept.high.min(high),
        };
    }

    /// What the rewards so far say by themselves.
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

    /// Where the difference to another mean lies.
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

    /// Where the mean lies.
    pub fn interval(&self) -> Interval {
        if self.drifts() {
            self.at_this_moment()
        } else {
            self.kept
        }
    }

    /// Whether no mean fits all that came: either the rare error, or, far more likely, the mean
    /// itself moved.
    pub fn drifts(&self) -> bool {
        self.kept.low > self.kept.high
    }

    /// How many rewards came.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// All rewards together.
    pub const fn sum(&self) -> f64 {
        self.sum
    }

    /// What they were on average; none of none.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
}
