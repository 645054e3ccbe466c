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
    /// What ends it early.
    pub guards: Vec<GuardInfo>,
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
    /// Both, for people.
    pub shown: String,
    /// Requests, copies, or values of the metric, in its window.
    pub samples: u64,
    /// With fewer nothing is judged.
    pub min_samples: u64,
    /// How far back it looks.
    pub window_ms: u64,
    /// `waits`, `holds` or `breached`; `over` when nobody looks any more.
    pub state: String,
}
