//! How a version earns its traffic: steps of growing shares, each watched by guards.
//!
//! A *rollout* moves share from one variant of a route to another. Each step gives the new version
//! so many percent of what the two have together, and *bakes*: it stays for a while, until every
//! guard has seen its minimum sample and nothing beyond its limit. A guard that is breached ends
//! the rollout at once: the route is as it was before. After the last step the new version has all
//! of the share, and labels move to it.
//!
//! Guards are judged many times a second, by bounds that hold at every moment at once (`bounds`).
//! What was counted belongs to one step of one rollout ([`Bake`]), and what it came to is kept with
//! the turn that ended it ([`Evidence`]). Everything here is a decision over numbers and times that
//! are passed in; who reads them and when is the server's business. Defaults and bounds:
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

/// What a rollout shall do.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Who gets the share.
    pub to: Version,
    /// Who gives it. None: whoever has the largest.
    pub from: Option<Version>,
    /// In order; at least one.
    pub steps: Vec<Step>,
    /// What ends it early.
    pub guards: Vec<Guard>,
    /// Labels that move with success, where they point at `from`.
    pub labels: Vec<Version>,
    /// How long all of it may take before it is taken back.
    pub timeout: Option<Duration>,
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Of what the two versions have together, so much goes to the new one. 0: it only gets copies.
    pub percent: f64,
    /// How long it stays, at least.
    pub bake: Duration,
}

impl Step {
    /// Whether the new version only gets copies.
    pub fn mirrors(&self) -> bool {
        self.percent == 0.0
    }
}

/// Where a rollout is, as the journal has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rolling {
    /// The canonical document of its plan.
    pub digest: Digest,
    /// Who gives the share.
    pub from: Version,
    /// The route that was in force before, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Digest>,
    /// The step that it is at, from 0.
    pub step: u32,
    /// How it goes.
    pub phase: Phase,
    /// The revision that began it, which tells it from any other, also from one of the same plan.
    /// Absent of rollouts that began before it was kept; those are told by their plans.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<u64>,
}

/// What becomes of a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// It is at this step.
    Step(usize),
    /// It stays there, or goes on.
    Pause(bool),
    /// The new version has all of the share.
    Promote,
    /// The route is as it was.
    TakeBack(Phase),
}

impl Rolling {
    /// Whether it is the same rollout, wherever it is.
    pub fn is_same(&self, other: &Self) -> bool {
        self.started == other.started && self.digest == other.digest
    }

    /// Where it is after a turn.
    #[must_use]
    pub fn after(&self, turn: Transition) -> Self {
        let (mut step, mut phase) = (self.step, self.phase);
        match turn {
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

    /// Whether a turn to `next` ends a step of it.
    pub fn ends_step(&self, next: Option<&Self>) -> bool {
        self.phase.is_under_way()
            && next.is_none_or(|next| {
                !next.phase.is_under_way() || next.step != self.step || !next.is_same(self)
            })
    }
}

/// How a rollout goes, or went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It bakes, and goes on.
    Running,
    /// It stays where it is; guards are judged still.
    Paused,
    /// The new version has all of the share.
    Promoted,
    /// A guard took it back.
    RolledBack,
    /// Somebody took it back.
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

/// What comes next.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Nothing yet.
    Stay,
    /// The step of this number.
    Step(usize),
    /// All of the share for the new version.
    Promote,
    /// The route as it was, and why.
    TakeBack(String),
}

/// What is known of the step that a rollout is at.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress<'a> {
    /// Since the step began.
    pub baked: Duration,
    /// Since the rollout began.
    pub elapsed: Duration,
    /// Of each guard, in order.
    pub judgements: &'a [Judgement],
}

impl Plan {
    /// What comes next.
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
