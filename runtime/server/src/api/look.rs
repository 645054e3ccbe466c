//! What is served, as somebody sees it who asks.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One page of what is served, by name.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Page {
    /// The newest revision.
    pub head: u64,
    /// Names, over all pages.
    pub total: u64,
    /// One page.
    pub models: Vec<ModelInfo>,
    /// Ask with `after` set to this for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_after: Option<String>,
}

/// One name.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct ModelInfo {
    /// What clients call.
    pub name: String,
    /// The version that answers when none is asked for; absent where a route decides.
    pub answers: Option<String>,
    /// The route that decides who answers when no version is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<RouteInfo>,
    /// Oldest first.
    pub versions: Vec<VersionInfo>,
    /// In order of their words.
    pub labels: Vec<LabelInfo>,
}

/// A route.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct RouteInfo {
    /// The SHA-256 of its canonical document.
    pub digest: String,
    /// Whether it answers.
    pub ready: bool,
    /// Versions that it names and that are not in service: it goes on without them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub out_of_service: Vec<String>,
    /// Its variants, as it lists them.
    pub split: Vec<ShareInfo>,
    /// Versions that nobody asks now, as they failed too often.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open_circuits: Vec<String>,
    /// The canonical document.
    pub manifest: serde_json::Value,
}

/// What a variant gets.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct ShareInfo {
    /// The version.
    pub version: String,
    /// Its weight.
    pub weight: f64,
    /// Its part of the requests that no rule takes, in a hundred.
    pub percent: f64,
}

/// Whether a version can answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// It answers.
    #[default]
    Ready,
    /// It will answer: the server is starting and has not come to it yet.
    Loading,
    /// It should answer and can't be opened; `why` says more.
    Failed,
    /// It is out of service and still loaded, so that a rollback is instant.
    Kept,
    /// It is out of service and answers its last requests.
    Draining,
}

/// One version.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct VersionInfo {
    /// The version.
    pub version: String,
    /// Its digest.
    pub digest: String,
    /// Whether it can answer.
    pub condition: Condition,
    /// Why it can't be opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Requests that it answered since it was loaded.
    pub answered: u64,
    /// Requests that failed since it was loaded.
    pub failed: u64,
    /// The duration in milliseconds that half of its requests stayed under, since it was loaded.
    pub p50_ms: Option<f64>,
    /// The same for 99 of 100.
    pub p99_ms: Option<f64>,
    /// Instances that exist, over its stages.
    pub instances: u64,
}

/// One label.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct LabelInfo {
    /// The word.
    pub label: String,
    /// The version that it points at.
    pub version: String,
}

/// One version, in full.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct PipelineInfo {
    /// What clients call.
    pub name: String,
    /// The version and its figures.
    #[serde(flatten)]
    pub about: VersionInfo,
    /// The labels that point at it.
    pub labels: Vec<String>,
    /// The revision that brought it.
    pub revision: Option<u64>,
    /// Who brought it, and when (RFC 3339).
    pub actor: Option<String>,
    /// When, RFC 3339.
    pub since: Option<String>,
    /// What flows in.
    pub inputs: Vec<PortInfo>,
    /// What flows out.
    pub outputs: Vec<PortInfo>,
    /// In order; none of a graph.
    pub stages: Vec<StageInfo>,
    /// A graph's nodes, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeInfo>,
    /// Golden tests, by name.
    pub tests: Vec<String>,
    /// The canonical manifest.
    pub manifest: serde_json::Value,
}

/// One input or output.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct PortInfo {
    /// Its name.
    pub name: String,
    /// As the Open Inference Protocol calls it.
    pub datatype: String,
    /// -1: any.
    pub shape: Vec<i64>,
}

/// One stage.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct StageInfo {
    /// Its name.
    pub name: String,
    /// `preprocess`, `model` or `postprocess`.
    pub role: String,
    /// The component's digest.
    pub component: String,
    /// What the component calls itself, and its version.
    pub describes: String,
    /// What computes its graphs: `onnxruntime 1.32 (cpu)`. One for each graph that it opened.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub engines: Vec<String>,
    /// File names and digests.
    pub files: BTreeMap<String, String>,
    /// The mean duration of a call in milliseconds.
    pub mean_ms: Option<f64>,
    /// Its instances.
    pub instances: InstanceInfo,
}

/// One node of a graph.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct NodeInfo {
    /// Its name.
    pub name: String,
    /// `pipeline`, `ensemble`, `switch` or `splitter`.
    pub kind: String,
    /// Whom it may ask.
    pub members: Vec<MemberInfo>,
    /// Of an ensemble: how each output that several give becomes one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub merge: BTreeMap<String, String>,
    /// Of a splitter: the tensor that is the key; chance decides without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticky: Option<String>,
    /// Of a switch: `pass` where no condition needs to hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}

/// A pipeline that a node may ask.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct MemberInfo {
    /// Its name.
    pub pipeline: String,
    /// Its version.
    pub version: String,
    /// Its digest.
    pub digest: String,
    /// Where it stands in the manifest.
    pub place: String,
    /// Of an ensemble's: whether the answer goes on without it when it fails.
    #[serde(default)]
    pub soft: bool,
    /// Of a splitter's: its part of the sum of all weights is its share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
    /// Milliseconds that it may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<f64>,
}

/// A stage's instances.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct InstanceInfo {
    /// That exist.
    pub exist: u64,
    /// That were made so far.
    pub created: u64,
    /// That ended so far.
    pub ended: u64,
    /// That are kept whoever needs their places; none where the manifest says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<u64>,
    /// At once, at most.
    pub max: u64,
}

/// The server at a moment.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// The server's version.
    pub version: String,
    /// Whether the server is ready, as its probe says.
    pub ready: bool,
    /// Why it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The newest revision.
    pub head: u64,
    /// Seconds since it started.
    pub uptime_seconds: f64,
    /// Versions that answer.
    pub pipelines: u64,
    /// Versions that will answer.
    pub loading: u64,
    /// Versions and routes that should be in service and can't be.
    #[serde(default)]
    pub failed: u64,
    /// The first of them, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub out_of_service: Vec<OutOfService>,
    /// Of watched files, what is not applied: refused, or in conflict with what was changed
    /// elsewhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_applied: Vec<String>,
    /// Versions that are out of service and still loaded.
    pub kept: u64,
    /// Versions that answer their last requests.
    pub draining: u64,
    /// Requests so far, of any kind.
    pub requests: u64,
    /// Requests being answered.
    pub in_flight: u64,
    /// Open connections.
    pub connections: i64,
    /// Bytes of memory that the process has.
    pub resident_bytes: Option<u64>,
    /// Where inference listens.
    pub inference: String,
}

/// Something that should be in service and can't be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OutOfService {
    /// What clients call.
    pub name: String,
    /// The version; none for the name's route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Why.
    pub why: String,
    /// What mends it.
    pub remedy: String,
}
