//! Results of mirrors.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The mirrors of a name's route.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Mirrors {
    /// The model name that clients use.
    pub name: String,
    /// Mirrors in the order of the route.
    pub mirrors: Vec<MirrorInfo>,
}

/// One mirror.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct MirrorInfo {
    /// The version that gets the copies.
    pub version: String,
    /// Share of the requests that is copied, in percent.
    pub percent: f64,
    /// Copies waiting in the queue.
    pub waiting: u64,
    /// Copies accepted.
    pub sent: u64,
    /// Copies dropped because the queue was full.
    pub dropped: u64,
    /// Median duration of an answer in milliseconds.
    pub p50_ms: Option<f64>,
    /// 99th percentile of the duration in milliseconds.
    pub p99_ms: Option<f64>,
    /// Counts since the mirror began.
    #[serde(flatten)]
    pub all: MirrorWindow,
    /// Counts per minute, oldest first; minutes without copies are left out.
    pub windows: Vec<MirrorWindow>,
    /// Compared answers with the largest differences, worst first, where the route keeps examples.
    pub worst: Vec<MirrorExample>,
}

/// Counts of one time window.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct MirrorWindow {
    /// Seconds since the window began.
    pub seconds_ago: f64,
    /// Answers compared with the client's answer.
    pub compared: u64,
    /// Compared answers that disagree.
    pub disagreed: u64,
    /// Copies that failed.
    pub failed: u64,
    /// The error of the last failed copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Agreement of each output.
    pub outputs: Vec<OutputAgreement>,
}

/// Agreement of one output.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct OutputAgreement {
    /// Its name.
    pub name: String,
    /// Its datatype.
    pub datatype: String,
    /// Answers with a different shape; their elements are not compared.
    pub shapes_differ: u64,
    /// Elements compared.
    pub elements: u64,
    /// Share of equal elements.
    pub agreement: Option<f64>,
    /// Largest absolute difference, for floats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_abs: Option<f64>,
    /// Mean absolute difference, for floats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_abs: Option<f64>,
}

/// Two answers that differ.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct MirrorExample {
    /// Number of outputs with another shape or datatype. Examples are sorted by this, then by the
    /// next two fields.
    pub shapes_differ: u64,
    /// Elements that disagree without a numeric difference: labels, integers, booleans, and NaN
    /// against a number.
    pub unequal: u64,
    /// Largest absolute difference of floats.
    pub max_abs: f64,
    /// The request, with the protocol's names.
    pub request: Value,
    /// The answer that the client got.
    pub answer: Value,
    /// The answer of the mirror.
    pub mirrored: Value,
}
