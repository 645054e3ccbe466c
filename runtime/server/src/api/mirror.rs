//! What mirrors have seen.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The mirrors of a name's route.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Mirrors {
    /// What clients call.
    pub name: String,
    /// In the order of the route.
    pub mirrors: Vec<MirrorInfo>,
}

/// One mirror.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct MirrorInfo {
    /// Who gets copies.
    pub version: String,
    /// Of all requests, so many in a hundred.
    pub percent: f64,
    /// Copies that wait now.
    pub waiting: u64,
    /// Copies that were taken.
    pub sent: u64,
    /// Copies that found the queue full.
    pub dropped: u64,
    /// The duration in milliseconds that half of its answers stayed under.
    pub p50_ms: Option<f64>,
    /// The same for 99 of 100.
    pub p99_ms: Option<f64>,
    /// Since the mirror began.
    #[serde(flatten)]
    pub all: MirrorWindow,
    /// Minute by minute, the oldest first; minutes without copies are left out.
    pub windows: Vec<MirrorWindow>,
    /// The answers that differ most of all that were compared, the worst first, where the route
    /// keeps some.
    pub worst: Vec<MirrorExample>,
}

/// What was seen in a while.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct MirrorWindow {
    /// Seconds since it began.
    pub seconds_ago: f64,
    /// Answers that were compared with those that clients got.
    pub compared: u64,
    /// Of those, the ones that do not agree.
    pub disagreed: u64,
    /// Copies that got no answer.
    pub failed: u64,
    /// What the last of those said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Output by output.
    pub outputs: Vec<OutputAgreement>,
}

/// How much one output agrees.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct OutputAgreement {
    /// Its name.
    pub name: String,
    /// Its datatype.
    pub datatype: String,
    /// Answers of another shape, whose elements are not compared.
    pub shapes_differ: u64,
    /// Elements that were compared.
    pub elements: u64,
    /// The share of them that are equal.
    pub agreement: Option<f64>,
    /// For floats, the largest absolute difference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_abs: Option<f64>,
    /// For floats, the mean absolute difference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_abs: Option<f64>,
}

/// Two answers that differ.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct MirrorExample {
    /// Outputs of another shape or datatype. Examples are in the order of this, then of the next,
    /// then of the last.
    pub shapes_differ: u64,
    /// Elements that disagree and have no difference: labels, whole numbers, booleans, NaN beside a
    /// number.
    pub unequal: u64,
    /// The largest absolute difference of floats.
    pub max_abs: f64,
    /// What was asked, by the protocol's names for it.
    pub request: Value,
    /// What the client got.
    pub answer: Value,
    /// What the mirror would have said.
    pub mirrored: Value,
}
