//! What is served at the moment: types of the read-only endpoints.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One page of served names, in alphabetical order.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Page {
    /// The newest revision.
    pub head: u64,
    /// Number of names on all pages.
    pub total: u64,
    /// The names of this page.
    pub models: Vec<ModelInfo>,
    /// Pass this as `after` to get the next page; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_after: Option<String>,
}

/// One name.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct ModelInfo {
    /// The model name that clients use.
    pub name: String,
    /// The version that answers calls without a version; absent where a route chooses it.
    pub answers: Option<String>,
    /// The route of calls without a version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<RouteInfo>,
    /// Versions, oldest first.
    pub versions: Vec<VersionInfo>,
    /// Labels in alphabetical order.
    pub labels: Vec<LabelInfo>,
}

/// A route.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct RouteInfo {
    /// SHA-256 of the canonical document.
    pub digest: String,
    /// Whether the route is in service.
    pub ready: bool,
    /// Versions named by the route that are not in service; the route skips them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub out_of_service: Vec<String>,
    /// Variants in the order of the document.
    pub split: Vec<ShareInfo>,
    /// Versions that get no requests because their circuit is open.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open_circuits: Vec<String>,
    /// The canonical document.
    pub manifest: serde_json::Value,
}

/// The share of one variant.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct ShareInfo {
    /// The version.
    pub version: String,
    /// Its weight.
    pub weight: f64,
    /// Share of the requests that no rule matches, in percent.
    pub percent: f64,
}

/// Condition of a version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// In service.
    #[default]
    Ready,
    /// Loading: the server is starting and has not opened the version yet.
    Loading,
    /// The version can't be opened; `why` has the reason.
    Failed,
    /// Out of service, but kept loaded so that a rollback is immediate.
    Kept,
    /// Out of service, and finishing its last requests.
    Draining,
}

/// One version.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct VersionInfo {
    /// The version.
    pub version: String,
    /// Its digest.
    pub digest: String,
    /// Its condition.
    pub condition: Condition,
    /// Why it can't be opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Requests answered since it was loaded.
    pub answered: u64,
    /// Requests that failed since it was loaded.
    pub failed: u64,
    /// Median duration in milliseconds since it was loaded.
    pub p50_ms: Option<f64>,
    /// 99th percentile of the duration in milliseconds.
    pub p99_ms: Option<f64>,
    /// Number of instances of all stages.
    pub instances: u64,
}

/// One label.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct LabelInfo {
    /// The name of the label.
    pub label: String,
    /// The version that it points to.
    pub version: String,
}

/// One version in detail.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct PipelineInfo {
    /// The model name that clients use.
    pub name: String,
    /// The version and its counters.
    #[serde(flatten)]
    pub about: VersionInfo,
    /// Labels that point to it.
    pub labels: Vec<String>,
    /// The revision that introduced it.
    pub revision: Option<u64>,
    /// The actor of that revision.
    pub actor: Option<String>,
    /// Time of that revision, RFC 3339.
    pub since: Option<String>,
    /// Inputs.
    pub inputs: Vec<PortInfo>,
    /// Outputs.
    pub outputs: Vec<PortInfo>,
    /// Stages in order; empty for a graph.
    pub stages: Vec<StageInfo>,
    /// Nodes of a graph, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeInfo>,
    /// Names of the golden tests.
    pub tests: Vec<String>,
    /// The canonical manifest.
    pub manifest: serde_json::Value,
}

/// One input or output.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct PortInfo {
    /// Its name.
    pub name: String,
    /// Datatype, as named by the Open Inference Protocol.
    pub datatype: String,
    /// Shape; -1 is any size.
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
    /// The component's own name and version.
    pub describes: String,
    /// Inference engine of each graph that the stage opened, such as `onnxruntime 1.32 (cpu)`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub engines: Vec<String>,
    /// Files of the stage: names and digests.
    pub files: BTreeMap<String, String>,
    /// Mean duration of a call in milliseconds.
    pub mean_ms: Option<f64>,
    /// Instances of the stage.
    pub instances: InstanceInfo,
}

/// One node of a graph.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct NodeInfo {
    /// Its name.
    pub name: String,
    /// `pipeline`, `ensemble`, `switch` or `splitter`.
    pub kind: String,
    /// Pipelines that it may call.
    pub members: Vec<MemberInfo>,
    /// Ensembles: how an output given by several members is combined.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub merge: BTreeMap<String, String>,
    /// Splitters: the tensor used as key. Without a key the choice is random.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticky: Option<String>,
    /// Switches: `pass` where no condition needs to hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}

/// A pipeline that a node may call.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct MemberInfo {
    /// Its name.
    pub pipeline: String,
    /// Its version.
    pub version: String,
    /// Its digest.
    pub digest: String,
    /// Its position in the manifest.
    pub place: String,
    /// Ensembles: whether the ensemble answers without this member when it fails.
    #[serde(default)]
    pub soft: bool,
    /// Splitters: the weight; the share is the weight divided by the sum of all weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
    /// Timeout in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<f64>,
}

/// Instances of a stage.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct InstanceInfo {
    /// Existing now.
    pub exist: u64,
    /// Created so far.
    pub created: u64,
    /// Ended so far.
    pub ended: u64,
    /// Kept even when other stages need slots of the instance budget; absent without `min` in the
    /// manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<u64>,
    /// Maximum at once.
    pub max: u64,
}

/// State of the server at one moment.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// The server's version.
    pub version: String,
    /// Whether the readiness probe succeeds.
    pub ready: bool,
    /// Why the server is not ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The newest revision.
    pub head: u64,
    /// Uptime in seconds.
    pub uptime_seconds: f64,
    /// Number of versions in service.
    pub pipelines: u64,
    /// Number of versions still loading.
    pub loading: u64,
    /// Number of versions and routes that can't be put in service.
    #[serde(default)]
    pub failed: u64,
    /// The first of them, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub out_of_service: Vec<OutOfService>,
    /// Documents of watched files that are not applied: refused, or in conflict with another
    /// change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_applied: Vec<String>,
    /// Number of versions out of service and still loaded.
    pub kept: u64,
    /// Number of versions finishing their last requests.
    pub draining: u64,
    /// Number of requests so far, of any kind.
    pub requests: u64,
    /// Number of requests in flight.
    pub in_flight: u64,
    /// Number of open connections.
    pub connections: i64,
    /// Resident memory of the process in bytes.
    pub resident_bytes: Option<u64>,
    /// Address of the inference listener.
    pub inference: String,
}

/// A version or route that can't be put in service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OutOfService {
    /// The model name that clients use.
    pub name: String,
    /// The version; absent for the route of the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The reason.
    pub why: String,
    /// How to fix it.
    pub remedy: String,
}
