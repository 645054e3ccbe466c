//! What ends a rollout early: a measure of the new version's own traffic, a limit, a minimum
//! sample, a window.

use std::fmt;
use std::time::Duration;

use super::counts::{Counts, Served, Values, p99_ms};
use super::{Step, bounds};

/// A condition that must hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Guard {
    /// What people call it; unique in its rollout.
    pub name: String,
    /// What is looked at.
    pub measure: Measure,
    /// Beyond this is a breach: above, unless the measure says below.
    pub limit: f64,
    /// With fewer requests, copies or values, nothing is judged, and no step ends.
    pub min_samples: u64,
    /// How far back is looked for what became worse; never beyond the beginning of the step.
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
    /// The share of copies whose answers do not agree with those that clients got, or that got
    /// none.
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
        show(self.name(), value)
    }
}

/// A value of the measure that a word says, for people; of any other word a plain number.
pub fn show(measure: &str, value: f64) -> String {
    match measure {
        "errors" | "disagreement" => format!("{:.2} %", value * 100.0),
        "p99" => format!("{value:.1} ms"),
        "p99_ratio" => format!("× {value:.2}"),
        _ => format!("{value:.4}"),
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

/// What was seen of a measure in some time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Seen {
    /// Requests, copies, or values of a stage's metric.
    pub samples: u64,
    /// The measure; none where it can't be told, as a ratio to nothing.
    pub value: Option<f64>,
    /// The measure is less than this with a chance of at most the guard's, over all readings
    /// together.
    pub low: Option<f64>,
    /// The same for more; none where too little was seen to say.
    pub high: Option<f64>,
    /// How far back it reaches.
    pub back: Duration,
}

/// What a guard says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// There are too few samples yet.
    #[default]
    Waits,
    /// What was seen lies beyond the limit, and may do so by chance: no breach, and no reason to go
    /// on.
    Doubts,
    /// All is well.
    Holds,
    /// It lies beyond the limit, and not by chance.
    Breached,
}

impl Verdict {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waits => "waits",
            Self::Doubts => "doubts",
            Self::Holds => "holds",
            Self::Breached => "breached",
        }
    }
}

/// What a guard says, and what it was made of.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Judgement {
    /// What it says.
    pub verdict: Verdict,
    /// The time that decided: the window, or the step where that says more.
    pub seen: Seen,
    /// All of the step.
    pub whole: Seen,
}

impl Guard {
    /// The bounds of its measure by some counts. Each is ever wrong with a chance of at most
    /// `alpha`.
    pub(super) fn bounds(
        &self,
        counts: &Counts,
        place: usize,
        alpha: f64,
    ) -> (Option<f64>, Option<f64>) {
        let share = |hits: u64, of: u64| {
            let (low, high) = bounds::of_share(hits as f64, of as f64, alpha);
            (Some(low), Some(high))
        };
        let (to, from) = (&counts.to.durations, &counts.from.durations);
        let quantile = |(low, high): (f64, Option<f64>)| (Some(low), high);
        match &self.measure {
            Measure::Errors => share(counts.to.errors, counts.to.requests),
            Measure::Disagreement => share(counts.copies.disagreed, counts.copies.answered),
            Measure::P99 => quantile(bounds::of_p99(to, alpha)),
            Measure::P99Ratio => quantile(bounds::of_p99_ratio([to, from], alpha)),
            Measure::Metric(_) => {
                bounds::of_mean(&self.values(counts, place), self.min_samples, alpha).unzip()
            }
        }
    }

    /// Its measure; none where it can't be told.
    pub(super) fn value(&self, counts: &Counts, place: usize) -> Option<f64> {
        let share = |part: u64, of: u64| (of > 0).then(|| part as f64 / of as f64);
        let (to, from) = (&counts.to.durations, &counts.from.durations);
        match &self.measure {
            Measure::Errors => share(counts.to.errors, counts.to.requests),
            Measure::Disagreement => share(counts.copies.disagreed, counts.copies.answered),
            Measure::P99 => p99_ms(to),
            Measure::P99Ratio => {
                let ratio = p99_ms(to).zip(p99_ms(from)).filter(|(_, from)| *from > 0.0);
                ratio.map(|(to, from)| to / from)
            }
            Measure::Metric(_) => {
                let values = self.values(counts, place);
                (values.count > 0).then(|| values.sum / values.count as f64)
            }
        }
    }

    fn values(&self, counts: &Counts, place: usize) -> Values {
        debug_assert!(
            matches!(self.measure, Measure::Metric(_)),
            "other guards have no values"
        );
        counts.values.get(place).copied().unwrap_or_default()
    }

    /// What it counts.
    pub(super) fn samples(&self, counts: &Counts, place: usize) -> u64 {
        let timed = |served: &Served| served.durations.iter().sum::<u64>();
        match &self.measure {
            Measure::Errors => counts.to.requests,
            Measure::P99 => timed(&counts.to),
            // As many of the other's are needed, or its p99 says nothing.
            Measure::P99Ratio => timed(&counts.to).min(timed(&counts.from)),
            Measure::Disagreement => counts.copies.answered,
            Measure::Metric(_) => self.values(counts, place).count,
        }
    }

    /// Whether there are enough samples, and they prove that the measure lies beyond the limit. The
    /// answer is that of [`Self::bounds`], without the work of finding them.
    pub(super) fn is_breached(&self, counts: &Counts, place: usize, alpha: f64) -> bool {
        // What is not beyond the limit itself has no bound that is.
        let is_beyond = || {
            self.value(counts, place)
                .is_some_and(|value| self.is_beyond(value))
        };
        if self.samples(counts, place) < self.min_samples || !is_beyond() {
            return false;
        }
        let above =
            |hits: u64, of: u64| bounds::is_above(self.limit, hits as f64, of as f64, alpha);
        let (to, from) = (&counts.to.durations, &counts.from.durations);
        match &self.measure {
            Measure::Errors => above(counts.to.errors, counts.to.requests),
            Measure::Disagreement => above(counts.copies.disagreed, counts.copies.answered),
            Measure::P99 => bounds::is_p99_above(self.limit, to, alpha),
            Measure::P99Ratio => bounds::is_p99_ratio_above(self.limit, [to, from], alpha),
            Measure::Metric(Metric { is_least, .. }) => {
                let ends = bounds::of_mean(&self.values(counts, place), self.min_samples, alpha);
                ends.is_some_and(|(low, high)| self.is_beyond(if *is_least { high } else { low }))
            }
        }
    }

    /// Whether a value lies beyond the limit.
    pub(super) fn is_beyond(&self, value: f64) -> bool {
        if self.is_least() {
            value < self.limit
        } else {
            value > self.limit
        }
    }

    /// Whether a step gives it anything to see: copies come while a version is mirrored, requests
    /// when it is not, and a stage observes both.
    pub fn is_judged_in(&self, step: &Step) -> bool {
        matches!(self.measure, Measure::Metric(_))
            || (self.measure == Measure::Disagreement) == step.mirrors()
    }

    /// The limit, for people.
    pub fn limit(&self) -> String {
        let side = if self.is_least() {
            "at least"
        } else {
            "at most"
        };
        format!("{side} {}", self.measure.show(self.limit))
    }

    const fn is_least(&self) -> bool {
        matches!(self.measure, Measure::Metric(Metric { is_least: true, .. }))
    }

    /// The sentence of a breach.
    pub(super) fn breach(&self, seen: &Seen) -> String {
        let Seen {
            samples,
            value,
            low,
            high,
            ..
        } = seen;
        let value = self.measure.show(value.unwrap_or_default());
        let range = range(self.measure.name(), *low, *high)
            .map_or_else(String::new, |range| format!(" ({range})"));
        format!(
            "guard `{}`: {} was {value} of {samples} samples{range}; {}",
            self.name,
            self.measure,
            self.limit()
        )
    }
}

/// Two bounds, for people.
pub fn range(measure: &str, low: Option<f64>, high: Option<f64>) -> Option<String> {
    match (low, high) {
        (Some(low), Some(high)) => {
            Some(format!("{} to {}", show(measure, low), show(measure, high)))
        }
        (Some(low), None) => Some(format!("{} or more", show(measure, low))),
        (None, _) => None,
    }
}
