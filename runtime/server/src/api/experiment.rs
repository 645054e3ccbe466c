//! How an experiment stands.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An experiment at a moment.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct ExperimentInfo {
    /// What clients call.
    pub name: String,
    /// What the reward is called.
    pub reward: String,
    /// `fixed` or `adaptive`.
    pub strategy: String,
    /// The chance that any difference here is ever wrong, however often it is looked at; and that
    /// any mean is.
    pub alpha: f64,
    /// The smallest difference worth having.
    pub worth: f64,
    /// How long an answer may wait for its feedback.
    pub keep_seconds: u64,
    /// Since when it is known here, RFC 3339.
    pub since: String,
    /// What can be said.
    pub verdict: VerdictWord,
    /// The version that is better, if one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub better: Option<String>,
    /// The same for people.
    pub says: String,
    /// In the order of the split. Differences are to the first.
    pub variants: Vec<VariantInfo>,
}

/// What can be said of an experiment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VerdictWord {
    /// Not enough is known.
    #[default]
    KeepGoing,
    /// One version earns more than each other.
    Better,
    /// Whoever may be the best earns the same, as far as the smallest difference worth having goes.
    NoDifference,
}

/// A variant of an experiment.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct VariantInfo {
    /// The version.
    pub version: String,
    /// Its digest.
    pub digest: String,
    /// Its part of the requests that it is dealt by chance, in a hundred.
    pub percent: f64,
    /// Requests to the version since it was loaded, whoever sent them there.
    pub requests: u64,
    /// Those of them that failed, by kind.
    pub failed: BTreeMap<String, u64>,
    /// The duration in milliseconds that half of its requests stayed under, since it was loaded.
    pub p50_ms: Option<f64>,
    /// The same for 99 of 100.
    pub p99_ms: Option<f64>,
    /// Answers that are part of the experiment.
    pub answers: u64,
    /// Those that had feedback.
    pub rewards: u64,
    /// What they earned on average.
    pub mean: Option<f64>,
    /// Where the mean lies, at every moment at once.
    pub interval: IntervalInfo,
    /// Whether no mean fits all rewards: it moved. The interval is that of this moment alone, and
    /// nothing is compared.
    pub drifts: bool,
    /// Where the difference to the first variant lies; absent at the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub difference: Option<IntervalInfo>,
}

/// Two bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IntervalInfo {
    /// At least.
    pub low: f64,
    /// At most.
    pub high: f64,
}
