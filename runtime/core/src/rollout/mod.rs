//! Rollouts: a version gets its traffic in steps of growing shares, each watched by guards.
//!
//! A *rollout* moves share from one variant of a route to another. Each step gives the new version
//! so many percent of the two versions' joint share, and *bakes*: it lasts until its time is over
//! and every guard has its minimum sample within its limit. A guard that is breached ends the
//! rollout at once and restores the previous route. After the last step the new version has all of
//! the share, and labels move to it.
//!
//! Guards are judged many times a second, by bounds that are valid however often they are read
//! (`bounds`). Counts belong to one step of one rollout ([`Bake`]), and the step's result is kept
//! with the transition that ended it ([`Evidence`]). This module only decides, over numbers and
//! times that are passed in; the server reads the counters. Defaults and bounds:
//! `manifest/rollout`.

mod bake;
mod bounds;
mod counts;
mod guard;
mod guardrail;
#[cfg(test)]
mod model;
mod route;
#[cfg(test)]
mod tests;
mod watch;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::bake::{ALPHA, Bake, Evidence, Finding};
pub use self::counts::{BUCKETS, Buckets, Copies, Counts, Served, Values};
pub use self::guard::{Guard, Judgement, Measure, Metric, Seen, Verdict, range, show};
pub use self::guardrail::guardrail;
pub use self::route::{mirrored, moved};
use crate::digest::Digest;
use crate::name::Version;

/// Steps of a rollout.
pub const STEPS_MAX: usize = 100;
/// Guards of a rollout.
pub const GUARDS_MAX: usize = 20;

/// The plan of a rollout.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The version that gets the share.
    pub to: Version,
    /// The version that gives it. `None`: the one with the largest share.
    pub from: Option<Version>,
    /// In order; at least one.
    pub steps: Vec<Step>,
    /// Guards that end it early.
    pub guards: Vec<Guard>,
    /// Labels that move when it succeeds, if they point at `from`.
    pub labels: Vec<Version>,
    /// How long the rollout may take before it is rolled back.
    pub timeout: Option<Duration>,
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The new version's percent of the two versions' joint share. 0: it only gets copies.
    pub percent: f64,
    /// How long the step lasts, at least.
    pub bake: Duration,
}

impl Step {
    /// Whether the new version only gets copies.
    pub fn mirrors(&self) -> bool {
        self.percent == 0.0
    }
}

/// The state of a rollout, as the journal has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rolling {
    /// The canonical document of its plan.
    pub digest: Digest,
    /// The version that gives the share.
    pub from: Version,
    /// The route that was in force before, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Digest>,
    /// The current step, from 0.
    pub step: u32,
    /// Its phase.
    pub phase: Phase,
    /// The revision that began it, which distinguishes it from other rollouts of the same plan.
    /// Absent in older journals, where the plan identifies the rollout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<u64>,
}

/// A change of a rollout's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// To this step.
    Step(usize),
    /// Pauses it, or resumes it.
    Pause(bool),
    /// Gives the new version all of the share.
    Promote,
    /// Restores the previous route.
    TakeBack(Phase),
}

impl Rolling {
    /// Whether it is the same rollout, in any state.
    pub fn is_same(&self, other: &Self) -> bool {
        self.started == other.started && self.digest == other.digest
    }

    /// The state after a transition.
    #[must_use]
    pub fn after(&self, transition: Transition) -> Self {
        let (mut step, mut phase) = (self.step, self.phase);
        match transition {
            Transition::Step(next) => step = u32::try_from(next).unwrap_or(u32::MAX),
            Transition::Pause(pause) => phase = if pause { Phase::Paused } else { Phase::Running },
            Transition::Promote => phase = Phase::Promoted,
            Transition::TakeBack(how) => phase = how,
        }
        Self {
            step,
            phase,
            ..self.clone()
        }
    }

    /// Whether a transition to `next` ends a step of it.
    pub fn ends_step(&self, next: Option<&Self>) -> bool {
        self.phase.is_under_way()
            && next.is_none_or(|next| {
                !next.phase.is_under_way() || next.step != self.step || !next.is_same(self)
            })
    }
}

/// The phase of a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It bakes and moves on.
    Running,
    /// It stays at its step; guards are still judged.
    Paused,
    /// The new version has all of the share.
    Promoted,
    /// A guard rolled it back.
    RolledBack,
    /// An operator aborted it.
    Aborted,
}

impl Phase {
    /// Whether it is not over.
    pub const fn is_under_way(self) -> bool {
        matches!(self, Self::Running | Self::Paused)
    }

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Promoted => "promoted",
            Self::RolledBack => "rolled_back",
            Self::Aborted => "aborted",
        }
    }
}

/// The next action.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// None yet.
    Stay,
    /// Go to the step of this number.
    Step(usize),
    /// Give the new version all of the share.
    Promote,
    /// Restore the previous route, for this reason.
    TakeBack(String),
}

/// The progress of the current step.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress<'a> {
    /// Time since the step began.
    pub baked: Duration,
    /// Time since the rollout began.
    pub elapsed: Duration,
    /// Of each guard, in order.
    pub judgements: &'a [Judgement],
}

impl Plan {
    /// The next action.
    pub fn next(&self, step: usize, phase: Phase, progress: &Progress<'_>) -> Next {
        if !phase.is_under_way() {
            return Next::Stay;
        }
        let judged = self.guards.iter().zip(progress.judgements);
        if let Some((guard, judgement)) = judged
            .clone()
            .find(|(_, judged)| judged.verdict == Verdict::Breached)
        {
            return Next::TakeBack(guard.breach(&judgement.seen));
        }
        if let Some(timeout) = self.timeout.filter(|timeout| progress.elapsed >= *timeout) {
            let message = format!(
                "was not done after {}",
                crate::quantity::show_duration(timeout)
            );
            return Next::TakeBack(message);
        }
        let Some(at) = self.steps.get(step) else {
            return Next::Promote;
        };
        let mut judged = judged.filter(|(guard, _)| guard.is_judged_in(at));
        let holds = progress.judgements.len() == self.guards.len()
            && judged.all(|(_, judgement)| judgement.verdict == Verdict::Holds);
        if phase == Phase::Paused || progress.baked < at.bake || !holds {
            return Next::Stay;
        }
        if step + 1 < self.steps.len() {
            Next::Step(step + 1)
        } else {
            Next::Promote
        }
    }
}
