//! What ends a rollout early: a measure of the new version's own traffic, a limit, a minimum sample, a window.

use std::fmt;
use std::time::Duration;

use super::Step;

/// A condition that must hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Guard {
    /// What people call it; unique in its rollout.
    pub name: String,
    /// What is looked at.
    pub measure: Measure,
    /// Beyond this is a breach: above, unless the measure says below.
    pub limit: f64,
    /// With fewer requests, copies or values, nothing is judged.
    pub min_samples: u64,
    /// How far back is looked; never beyond the beginning of the step.
    pub window: Duration,
    /// For disagreement: by how much floats may differ in answers that agree. None: by anything.
    pub tolerance: Option<f64>,
}

/// What a guard looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Measure {
    /// The share of the new version's requests that failed and were not their client's mistake.
    Errors,
    /// The new version's p99, in milliseconds.
    P99,
    /// The same as a multiple of the other version's.
    P99Ratio,
    /// The share of copies whose answers do not agree with those that clients got, or that got none.
    Disagreement,
    /// The mean of what a stage of the new version observes.
    Metric(Metric),
}

/// A number that a stage reports, and on which side of the limit it must stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    /// The stage.
    pub stage: String,
    /// What the stage calls it.
    pub name: String,
    /// Whether the limit is the least that it may be, not the most.
    pub is_least: bool,
}

impl Measure {
    /// Those that a word says.
    pub const WORDS: [Self; 4] = [Self::Errors, Self::P99, Self::P99Ratio, Self::Disagreement];

    /// The word for it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Errors => "errors",
            Self::P99 => "p99",
            Self::P99Ratio => "p99_ratio",
            Self::Disagreement => "disagreement",
            Self::Metric(_) => "metric",
        }
    }

    /// A value of it, for people.
    pub fn show(&self, value: f64) -> String {
        match self {
            Self::Errors | Self::Disagreement => format!("{:.2} %", value * 100.0),
            Self::P99 => format!("{value:.1} ms"),
            Self::P99Ratio => format!("× {value:.2}"),
            Self::Metric(_) => format!("{value:.4}"),
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Metric(Metric { stage, name, .. }) => write!(formatter, "{stage}.{name}"),
            word => formatter.write_str(word.name()),
        }
    }
}

/// What was seen in a guard's window.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Seen {
    /// Requests, copies, or values of a stage's metric.
    pub samples: u64,
    /// The measure; none where it can't be told, as a ratio to nothing.
    pub value: Option<f64>,
}

/// What a guard says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Judgement {
    /// There are too few samples yet.
    Waits(Seen),
    /// All is well.
    Holds(Seen),
    /// It is not.
    Breached(Seen),
}

impl Judgement {
    /// What it was made of.
    pub const fn seen(&self) -> Seen {
        match self {
            Self::Waits(seen) | Self::Holds(seen) | Self::Breached(seen) => *seen,
        }
    }

    /// The word for it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Waits(_) => "waits",
            Self::Holds(_) => "holds",
            Self::Breached(_) => "breached",
        }
    }

    pub(super) const fn is_breach(&self) -> bool {
        matches!(self, Self::Breached(_))
    }

    pub(super) const fn waits(&self) -> bool {
        matches!(self, Self::Waits(_))
    }
}

impl Guard {
    /// Judges what was seen.
    pub fn judge(&self, seen: Seen) -> Judgement {
        match seen.value {
            Some(value) if seen.samples >= self.min_samples => {
                let is_beyond = if self.is_least() { value < self.limit } else { value > self.limit };
                if is_beyond { Judgement::Breached(seen) } else { Judgement::Holds(seen) }
            }
            _ => Judgement::Waits(seen),
        }
    }

    /// Whether a step gives it anything to see: copies come while a version is mirrored, requests when it is not, and a
    /// stage observes both.
    pub fn is_judged_in(&self, step: &Step) -> bool {
        matches!(self.measure, Measure::Metric(_)) || (self.measure == Measure::Disagreement) == step.mirrors()
    }

    /// The limit, for people.
    pub fn limit(&self) -> String {
        let side = if self.is_least() { "at least" } else { "at most" };
        format!("{side} {}", self.measure.show(self.limit))
    }

    const fn is_least(&self) -> bool {
        matches!(self.measure, Measure::Metric(Metric { is_least: true, .. }))
    }

    /// The sentence of a breach.
    pub(super) fn breach(&self, judgement: &Judgement) -> String {
        let Seen { samples, value } = judgement.seen();
        let value = self.measure.show(value.unwrap_or_default());
        format!("guard `{}`: {} was {value} of {samples} samples; {}", self.name, self.measure, self.limit())
    }
}
