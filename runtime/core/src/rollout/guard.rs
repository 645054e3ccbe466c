//! Guards, which end a rollout early: a measure of the new version's own traffic, a limit, a
//! minimum sample, a window.

use std::fmt;
use std::time::Duration;

use super::counts::{Counts, Served, Values, p99_ms};
use super::{Step, bounds};

/// A condition that must hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Guard {
    /// The name in messages; unique in its rollout.
    pub name: String,
    /// The measure that is judged.
    pub measure: Measure,
    /// The limit of the measure: a maximum, unless the measure says that it is a minimum.
    pub limit: f64,
    /// With fewer requests, copies or values the guard waits, and the step does not end.
    pub min_samples: u64,
    /// The time over which later changes are judged; never longer than the step so far.
    pub window: Duration,
    /// For disagreement: how much floats may differ in answers that agree. `None`: by any amount.
    pub tolerance: Option<f64>,
}

/// The measure of a guard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Measure {
    /// The share of the new version's requests that failed through no fault of the client.
    Errors,
    /// The new version's p99, in milliseconds.
    P99,
    /// The new version's p99 as a multiple of the other version's.
    P99Ratio,
    /// The share of copies whose answers differ from those of the clients, or that got no answer.
    Disagreement,
    /// The mean of a metric that a stage of the new version observes.
    Metric(Metric),
}

/// A metric that a stage observes, and the side of the limit on which it must stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    /// The stage.
    pub stage: String,
    /// The stage's name for it.
    pub name: String,
    /// Whether the limit is a minimum, not a maximum.
    pub is_least: bool,
}

impl Measure {
    /// The measures that are a single word.
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

    /// A value of the measure, for messages.
    pub fn show(&self, value: f64) -> String {
        show(self.name(), value)
    }
}

/// A value of the measure with this word, for messages; a plain number for any other word.
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

/// What was observed of a measure over some time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Seen {
    /// Requests, copies, or values of a stage's metric.
    pub samples: u64,
    /// The measure; `None` if it can't be computed, such as a ratio to nothing.
    pub value: Option<f64>,
    /// The lower bound: the chance that the measure is ever less is at most the guard's, over all
    /// readings together.
    pub low: Option<f64>,
    /// The upper bound; `None` with too few samples.
    pub high: Option<f64>,
    /// The length of the time that it covers.
    pub back: Duration,
}

/// The verdict of a guard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// There are too few samples yet.
    #[default]
    Waits,
    /// The measure lies beyond the limit, but may do so by chance: neither a breach nor a reason to
    /// continue.
    Doubts,
    /// The measure is within the limit.
    Holds,
    /// The measure lies beyond the limit, and not by chance.
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

/// The verdict of a guard, and what it is based on.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// The time that decided: the window, or the step if that is more conclusive.
    pub seen: Seen,
    /// The whole step.
    pub whole: Seen,
}

impl Guard {
    /// The bounds of its measure for some counts. The chance that each is ever wrong is at most
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

    /// The value of its measure; `None` if it can't be computed.
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

    /// The number of its samples.
    pub(super) fn samples(&self, counts: &Counts, place: usize) -> u64 {
        let timed = |served: &Served| served.durations.iter().sum::<u64>();
        match &self.measure {
            Measure::Errors => counts.to.requests,
            Measure::P99 => timed(&counts.to),
            // The other version needs as many, or its p99 says nothing.
            Measure::P99Ratio => timed(&counts.to).min(timed(&counts.from)),
            Measure::Disagreement => counts.copies.answered,
            Measure::Metric(_) => self.values(counts, place).count,
        }
    }

    /// Whether there are enough samples, and they prove that the measure lies beyond the limit. The
    /// same answer as that of [`Self::bounds`], without computing them.
    pub(super) fn is_breached(&self, counts: &Counts, place: usize, alpha: f64) -> bool {
        // A value within the limit has no bound beyond it.
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

    /// Whether a step gives it samples: copies come while a version is mirrored, requests when it
    /// is not, and a stage observes both.
    pub fn is_judged_in(&self, step: &Step) -> bool {
        matches!(self.measure, Measure::Metric(_))
            || (self.measure == Measure::Disagreement) == step.mirrors()
    }

    /// The limit, for messages.
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

    /// The message of a breach.
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

/// Two bounds, for messages.
pub fn range(measure: &str, low: Option<f64>, high: Option<f64>) -> Option<String> {
    match (low, high) {
        (Some(low), Some(high)) => {
            Some(format!("{} to {}", show(measure, low), show(measure, high)))
        }
        (Some(low), None) => Some(format!("{} or more", show(measure, low))),
        (None, _) => None,
    }
}
