//! State of an experiment.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// State of an experiment at one moment.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct ExperimentInfo {
    /// The model name that clients use.
    pub name: String,
    /// Name of the reward.
    pub reward: String,
    /// `fixed` or `adaptive`.
    pub strategy: String,
    /// Bound on the probability that any reported difference is ever wrong, at any number of
    /// checks; the same bound holds for the means.
    pub alpha: f64,
    /// Smallest difference that matters.
    pub worth: f64,
    /// How long an answer waits for feedback.
    pub keep_seconds: u64,
    /// When the experiment became known to this server, RFC 3339.
    pub since: String,
    /// The verdict so far.
    pub verdict: VerdictWord,
    /// The better version, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub better: Option<String>,
    /// The verdict as text.
    pub says: String,
    /// Variants in the order of the split. Differences are relative to the first.
    pub variants: Vec<VariantInfo>,
}

/// Verdict of an experiment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VerdictWord {
    /// Not enough evidence.
    #[default]
    KeepGoing,
    /// One version earns more than every other.
    Better,
    /// The best versions earn the same, within the smallest difference that matters.
    NoDifference,
}

/// A variant of an experiment.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct VariantInfo {
    /// The version.
    pub version: String,
    /// Its digest.
    pub digest: String,
    /// Share of the randomly assigned requests, in percent.
    pub percent: f64,
    /// Requests to the version since it was loaded, from any source.
    pub requests: u64,
    /// Failed requests, by kind.
    pub failed: BTreeMap<String, u64>,
    /// Median request duration in milliseconds since the version was loaded.
    pub p50_ms: Option<f64>,
    /// 99th percentile of the duration in milliseconds.
    pub p99_ms: Option<f64>,
    /// Number of answers that are part of the experiment.
    pub answers: u64,
    /// Number of those answers that got feedback.
    pub rewards: u64,
    /// Mean reward.
    pub mean: Option<f64>,
    /// Confidence interval of the mean, valid at all times at once.
    pub interval: IntervalInfo,
    /// Whether the rewards drifted, so that no single mean fits all of them. The interval then
    /// holds for this moment only, and nothing is compared.
    pub drifts: bool,
    /// Confidence interval of the difference to the first variant; absent for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub difference: Option<IntervalInfo>,
}

/// A closed interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IntervalInfo {
    /// Lower bound.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
}
