//! Rollouts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A rollout to begin.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RolloutRequest {
    /// A document of `kind: Rollout`, as YAML or JSON.
    pub document: String,
    /// What the sender calls it; problems name it.
    #[serde(default)]
    pub file: String,
    /// Why; kept in the journal.
    #[serde(default)]
    pub reason: String,
    /// Refuse when the newest revision is not this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_revision: Option<u64>,
    /// Make every check and change nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// What somebody wants of a rollout that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Steer {
    /// Stay at this step; guards are judged still.
    Pause,
    /// Go on.
    Resume,
    /// Give the new version all of the share, now.
    Promote,
    /// Put the route back as it was.
    Abort,
}

impl Steer {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Promote => "promote",
            Self::Abort => "abort",
        }
    }
}

/// A rollout that shall do something.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SteerRequest {
    /// What.
    pub order: Steer,
    /// Why; kept in the journal.
    #[serde(default)]
    pub reason: String,
    /// Refuse when the newest revision is not this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_revision: Option<u64>,
}

/// A rollout: the one that is under way, or the last.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct RolloutInfo {
    /// What clients call.
    pub name: String,
    /// `running`, `paused`, `promoted`, `rolled_back` or `aborted`.
    pub phase: String,
    /// Who gives the share.
    pub from: String,
    /// Who gets it.
    pub to: String,
    /// The revision that began it. None: it began before that was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<u64>,
    /// The step that it is at, from 1.
    pub step: u32,
    /// All of them.
    pub steps: Vec<StepInfo>,
    /// The share of the new version now, of what the two have together.
    pub percent: f64,
    /// Milliseconds that the step has baked. None: it is over, or not looked at yet.
    pub baked_ms: Option<u64>,
    /// Milliseconds until the step is over, if its guards have seen enough by then.
    pub left_ms: Option<u64>,
    /// Why the step can't be judged, or is not decided yet, and therefore never ends by itself.
    /// None: nothing is in its way but its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked: Option<String>,
    /// What ends it early; when it is over, what each said last.
    pub guards: Vec<GuardInfo>,
    /// The steps that have ended, in order, with what they came to.
    #[serde(default)]
    pub past: Vec<StepPast>,
    /// The last revision of it.
    pub revision: u64,
    /// When that was, RFC 3339.
    pub time: String,
    /// Who made it.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// The canonical document.
    pub manifest: serde_json::Value,
}

/// One step.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct StepInfo {
    /// The new version's share. 0: it only gets copies.
    pub percent: f64,
    /// Milliseconds that it stays, at least.
    pub bake_ms: u64,
}

/// A step that has ended.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct StepPast {
    /// The new version's share in it.
    pub percent: f64,
    /// The revision that ended it.
    pub revision: u64,
    /// When that was, RFC 3339.
    pub time: String,
    /// Who made it.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// What it came to.
    pub evidence: StepEvidence,
}

/// What a step came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StepEvidence {
    /// Which step, from 1.
    pub step: u32,
    /// How long it baked.
    pub baked_ms: u64,
    /// What its guards found.
    pub guards: Vec<FindingInfo>,
}

/// What a guard found in a step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FindingInfo {
    /// What people call it.
    pub name: String,
    /// As of [`GuardInfo`].
    pub measure: String,
    /// Beyond this is a breach.
    pub limit: f64,
    /// What it was, in the whole step; of a breach, in the time that proved it.
    pub value: Option<f64>,
    /// It was less than this with the chance that a guard may be wrong.
    pub low: Option<f64>,
    /// The same for more. None: too little was seen to say.
    pub high: Option<f64>,
    /// The three, for people.
    pub shown: String,
    /// Requests, copies, or values of the metric.
    pub samples: u64,
    /// `waits`, `doubts`, `holds` or `breached`.
    pub state: String,
}

/// One guard.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct GuardInfo {
    /// What people call it.
    pub name: String,
    /// `errors`, `p99`, `p99_ratio`, `disagreement`, or a stage's metric: `label.score`.
    pub measure: String,
    /// Beyond this is a breach: a share, milliseconds, a multiple, or the metric's own.
    pub limit: f64,
    /// What it is now.
    pub value: Option<f64>,
    /// It is less than this with the chance that the guard may be wrong, over all readings
    /// together.
    #[serde(default)]
    pub low: Option<f64>,
    /// The same for more. None: too little was seen to say.
    #[serde(default)]
    pub high: Option<f64>,
    /// Value, bounds and limit, for people.
    pub shown: String,
    /// Requests, copies, or values of the metric, in its window.
    pub samples: u64,
    /// With fewer nothing is judged, and no step ends.
    pub min_samples: u64,
    /// How far back it looks.
    pub window_ms: u64,
    /// `waits` for samples, `doubts` (beyond the limit, but maybe by chance), `holds` or
    /// `breached`; `over` where nobody looks any more and the last step gave it nothing to see.
    pub state: String,
}
