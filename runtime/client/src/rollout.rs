//! Requests and state of rollouts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Request to begin a rollout.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RolloutRequest {
    /// A document of `kind: Rollout`, as YAML or JSON.
    pub document: String,
    /// The sender's name for the document; error messages use it.
    #[serde(default)]
    pub file: String,
    /// The reason; recorded in the journal.
    #[serde(default)]
    pub reason: String,
    /// Refuse the change unless this is the newest revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_revision: Option<u64>,
    /// Run every check without changing anything.
    #[serde(default)]
    pub dry_run: bool,
}

/// An order to a running rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Steer {
    /// Stay at this step; guards are still judged.
    Pause,
    /// Continue.
    Resume,
    /// Give the new version the whole share now.
    Promote,
    /// Restore the previous route.
    Abort,
}

impl Steer {
    /// The word in requests.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Promote => "promote",
            Self::Abort => "abort",
        }
    }
}

/// Request to steer a rollout.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SteerRequest {
    /// The order.
    pub order: Steer,
    /// The reason; recorded in the journal.
    #[serde(default)]
    pub reason: String,
    /// Refuse the change unless this is the newest revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_revision: Option<u64>,
}

/// The running rollout of a name, or its last one.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct RolloutInfo {
    /// The model name that clients use.
    pub name: String,
    /// `running`, `paused`, `promoted`, `rolled_back` or `aborted`.
    pub phase: String,
    /// The version that gives up the share.
    pub from: String,
    /// The version that gets the share.
    pub to: String,
    /// The revision that began it. None: it began before this was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<u64>,
    /// The current step, from 1.
    pub step: u32,
    /// All steps.
    pub steps: Vec<StepInfo>,
    /// Current share of the new version, as part of what both versions have together.
    pub percent: f64,
    /// Milliseconds the step has baked. None: the rollout is over, or has not been evaluated yet.
    pub baked_ms: Option<u64>,
    /// Milliseconds until the step can end, if its guards have enough samples by then.
    pub left_ms: Option<u64>,
    /// Why the step can't be judged or is undecided, so that it does not end by itself. None: only
    /// its bake time is outstanding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked: Option<String>,
    /// Guards, which can end the rollout early; after the end, their last findings.
    pub guards: Vec<GuardInfo>,
    /// Completed steps in order, with their evidence.
    #[serde(default)]
    pub past: Vec<StepPast>,
    /// The last revision of the rollout.
    pub revision: u64,
    /// Time of that revision, RFC 3339.
    pub time: String,
    /// Actor of that revision.
    pub actor: String,
    /// Reason of that revision.
    pub reason: String,
    /// The canonical document.
    pub manifest: serde_json::Value,
}

/// One step.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct StepInfo {
    /// Share of the new version. 0: it only gets mirrored copies.
    pub percent: f64,
    /// Minimum duration in milliseconds.
    pub bake_ms: u64,
}

/// A completed step.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct StepPast {
    /// Share of the new version in that step.
    pub percent: f64,
    /// The revision that ended it.
    pub revision: u64,
    /// Time of that revision, RFC 3339.
    pub time: String,
    /// Actor of that revision.
    pub actor: String,
    /// Reason of that revision.
    pub reason: String,
    /// The evidence of the step.
    pub evidence: StepEvidence,
}

/// Evidence of a step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StepEvidence {
    /// Number of the step, from 1.
    pub step: u32,
    /// How long it baked.
    pub baked_ms: u64,
    /// Findings of its guards.
    pub guards: Vec<FindingInfo>,
}

/// Finding of a guard in one step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FindingInfo {
    /// Display name of the guard.
    pub name: String,
    /// The measure, as in [`GuardInfo`].
    pub measure: String,
    /// The limit; a value beyond it is a breach.
    pub limit: f64,
    /// The value over the whole step; for a breach, over the time that proved it.
    pub value: Option<f64>,
    /// Lower confidence bound, at the guard's error probability.
    pub low: Option<f64>,
    /// Upper confidence bound. None: too few samples.
    pub high: Option<f64>,
    /// Value and bounds as text.
    pub shown: String,
    /// Number of samples: requests, copies, or values of the metric.
    pub samples: u64,
    /// `waits`, `doubts`, `holds` or `breached`.
    pub state: String,
}

/// One guard.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct GuardInfo {
    /// Display name of the guard.
    pub name: String,
    /// `errors`, `p99`, `p99_ratio`, `disagreement`, or a stage's metric: `label.score`.
    pub measure: String,
    /// The limit: a share, milliseconds, a ratio, or the metric's unit. A value beyond it is a
    /// breach.
    pub limit: f64,
    /// The current value.
    pub value: Option<f64>,
    /// Lower confidence bound, at the guard's error probability over all readings together.
    #[serde(default)]
    pub low: Option<f64>,
    /// Upper confidence bound. None: too few samples.
    #[serde(default)]
    pub high: Option<f64>,
    /// Value, bounds and limit as text.
    pub shown: String,
    /// Number of samples in the window: requests, copies, or values of the metric.
    pub samples: u64,
    /// Minimum number of samples; with fewer, nothing is judged and no step ends.
    pub min_samples: u64,
    /// Length of the window.
    pub window_ms: u64,
    /// `waits` for samples, `doubts` (beyond the limit, but possibly by chance), `holds` or
    /// `breached`; `over` when the rollout has ended and the last step gave the guard no samples.
    pub state: String,
}
