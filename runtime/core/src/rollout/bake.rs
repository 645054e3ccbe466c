//! The state of one rollout at one step: when it began, and the verdicts of its guards.
//!
//! A bake belongs to one rollout, identified by the revision that began it, and to one step of it.
//! A new rollout starts at zero, even with the same plan and right after another one. Nothing of a
//! bake outlives the process: after a restart the step bakes anew, so that it is never shorter than
//! its plan says. A breach remains a breach, even if the transition that follows from it is
//! delayed.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::counts::Counts;
use super::guard::{Judgement, Seen, Verdict};
use super::watch::Watch;
use super::{Next, Phase, Plan, Progress, Rolling};
use crate::quantity::show_duration;

/// The chance that a rollout is ever rolled back although its version keeps to every limit.
pub const ALPHA: f64 = 0.05;

/// One rollout at one step. Times are measured from any fixed moment.
#[derive(Clone, Debug)]
pub struct Bake {
    rolling: Rolling,
    plan: Arc<Plan>,
    /// When the rollout began, and when the step did.
    began: Duration,
    step_began: Duration,
    /// One for each guard.
    watches: Vec<Watch>,
    /// The last reading of the counters, and its time.
    last: (Duration, Counts),
    breach: Option<String>,
}

/// The result of a step, as the journal keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// The step, from 0.
    pub step: u32,
    /// How long it baked, in milliseconds.
    pub baked_ms: u64,
    /// The findings of its guards, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guards: Vec<Finding>,
}

/// The finding of a guard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// The guard's name.
    pub name: String,
    /// The word for its measure, or a stage's metric: `label.score`.
    pub measure: String,
    /// Its limit.
    pub limit: f64,
    /// The word for its last verdict.
    pub verdict: String,
    /// Samples in the whole step; for a breach, in the time that proved it.
    pub samples: u64,
    /// The measure, if it could be computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// The lower bound of the measure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// The upper bound; `None` when there were too few samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
}

// No figure is ever NaN: JSON has none, and a figure that could not be computed is absent.
impl Eq for Evidence {}
impl Eq for Finding {}

impl Bake {
    /// The bake of a rollout at its step: `known`, if it is of that rollout and step, else a new
    /// one.
    #[must_use]
    pub fn of(
        known: Option<Self>,
        rolling: &Rolling,
        plan: &Arc<Plan>,
        now: Duration,
        counts: &Counts,
    ) -> Self {
        let known = known.filter(|known| known.rolling.is_same(rolling));
        let began = known.as_ref().map_or(now, |known| known.began);
        match known.filter(|known| known.rolling.step == rolling.step) {
            Some(known) => known,
            None => Self::begin(rolling.clone(), Arc::clone(plan), began, now, counts),
        }
    }

    /// The same step from the beginning, when the counters that it started from no longer exist.
    #[must_use]
    pub fn anew(self, now: Duration, counts: &Counts) -> Self {
        Self::begin(self.rolling, self.plan, self.began, now, counts)
    }

    fn begin(
        rolling: Rolling,
        plan: Arc<Plan>,
        began: Duration,
        now: Duration,
        counts: &Counts,
    ) -> Self {
        let watches = plan.guards.iter().map(|guard| {
            let steps = plan
                .steps
                .iter()
                .filter(|step| guard.is_judged_in(step))
                .count()
                .max(1);
            Watch::new(now, counts, ALPHA / plan.guards.len() as f64 / steps as f64)
        });
        let watches = watches.collect();
        Self {
            rolling,
            plan,
            began,
            step_began: now,
            watches,
            last: (now, counts.clone()),
            breach: None,
        }
    }

    /// Judges the counters of this moment, and returns what comes next.
    pub fn look(&mut self, phase: Phase, now: Duration, counts: &Counts) -> Next {
        if let Some(why) = self.breach.clone().filter(|_| phase.is_under_way()) {
            return Next::TakeBack(why);
        }
        self.last = (now, counts.clone());
        let judged = self.watches.iter_mut().zip(&self.plan.guards).enumerate();
        let mut judgements: Vec<Judgement> = judged
            .map(|(place, (watch, guard))| watch.judge(guard, place, now, counts))
            .collect();
        if judgements
            .iter()
            .any(|judgement| judgement.verdict == Verdict::Breached)
        {
            judgements = self.judgements();
        }
        let elapsed = now.saturating_sub(self.began);
        let progress = Progress {
            baked: self.baked(now),
            elapsed,
            judgements: &judgements,
        };
        let next = self.plan.next(self.rolling.step as usize, phase, &progress);
        if let Next::TakeBack(why) = &next {
            self.breach = Some(why.clone());
        }
        next
    }

    /// How long the step has baked.
    pub fn baked(&self, now: Duration) -> Duration {
        now.saturating_sub(self.step_began)
    }

    /// The last judgements of its guards, with bounds.
    pub fn judgements(&self) -> Vec<Judgement> {
        let (now, counts) = &self.last;
        let said = self.watches.iter().zip(&self.plan.guards).enumerate();
        said.map(|(place, (watch, guard))| watch.explain(guard, place, *now, counts))
            .collect()
    }

    /// The plan of its rollout.
    pub const fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// Whether it belongs to this rollout, at this step.
    pub fn is_of(&self, rolling: &Rolling) -> bool {
        self.rolling.is_same(rolling) && self.rolling.step == rolling.step
    }

    /// Why the step can't be judged, or not yet. Returned when the step's time is over, when a
    /// guard's window is over and had too few samples, or when an open circuit keeps requests from
    /// the version.
    pub fn hindrance(&self, now: Duration, is_circuit_open: bool) -> Option<String> {
        let step = self.plan.steps.get(self.rolling.step as usize)?;
        let baked = self.baked(now);
        let judgements = self.judgements();
        let judged = self
            .plan
            .guards
            .iter()
            .zip(&judgements)
            .filter(|(guard, _)| guard.is_judged_in(step));
        let circuit = if is_circuit_open {
            ", circuit open"
        } else {
            ""
        };
        let waiting = judged
            .clone()
            .find(|(_, judgement)| judgement.verdict == Verdict::Waits);
        if let Some((guard, Judgement { seen, .. })) = waiting
            && (baked >= step.bake.min(guard.window) || is_circuit_open)
        {
            let (name, back) = (&guard.name, show_duration(rounded(seen.back)));
            let (samples, needed) = (seen.samples, guard.min_samples);
            let why = match seen.value {
                None if samples >= needed => "has nothing to compare with".to_owned(),
                _ => format!("has {samples} of {needed} samples in {back}"),
            };
            return Some(format!("can't be judged: guard `{name}` {why}{circuit}"));
        }
        let (guard, judgement) = judged
            .clone()
            .find(|(_, judgement)| judgement.verdict == Verdict::Doubts)?;
        (baked >= step.bake).then(|| {
            let value = guard.measure.show(judgement.seen.value.unwrap_or_default());
            let (name, samples) = (&guard.name, judgement.seen.samples);
            format!("undecided: guard `{name}` saw {value} of {samples} samples, {}; this may be chance", guard.limit())
        })
    }

    /// The result of the step so far.
    pub fn evidence(&self, now: Duration) -> Evidence {
        let step = self.plan.steps.get(self.rolling.step as usize);
        let judgements = self.judgements();
        let judged = self.plan.guards.iter().zip(&judgements);
        let judged = judged.filter(|(guard, _)| step.is_none_or(|step| guard.is_judged_in(step)));
        let guards = judged.map(|(guard, judgement)| {
            let is_breached = judgement.verdict == Verdict::Breached;
            let Seen {
                samples,
                value,
                low,
                high,
                ..
            } = if is_breached {
                judgement.seen
            } else {
                judgement.whole
            };
            Finding {
                name: guard.name.clone(),
                measure: guard.measure.to_string(),
                limit: guard.limit,
                verdict: judgement.verdict.name().to_owned(),
                samples,
                value: value.map(short),
                low: low.map(short),
                high: high.map(short),
            }
        });
        let baked_ms = u64::try_from(self.baked(now).as_millis()).unwrap_or(u64::MAX);
        Evidence {
            step: self.rolling.step,
            baked_ms,
            guards: guards.collect(),
        }
    }
}

/// A figure rounded to its significant digits.
fn short(figure: f64) -> f64 {
    (figure * 1e6).round() / 1e6
}

/// A time, rounded to seconds from one second on.
fn rounded(time: Duration) -> Duration {
    if time < Duration::from_secs(1) {
        Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(0))
    } else {
        Duration::from_secs(time.as_secs())
    }
}
