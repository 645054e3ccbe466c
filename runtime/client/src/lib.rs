//! Requests and answers of the admin API, as types.
//!
//! The server, the command line and the OpenAPI document all use these types. Digests are
//! `sha256:` and 64 hexadecimal digits; times are RFC 3339 in UTC; durations are milliseconds.
//! Unknown keys in requests are refused. Errors have the shape of the inference API's:
//! `{"error": "…"}`, one problem to a line.

mod apply;
mod experiment;
mod history;
mod look;
mod mirror;
mod rollout;
mod traffic;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::apply::{
    Applied, ApplyRequest, ChangeMade, Document, Gc, GcRequest, LabelRequest, LabelsRequest,
    RollbackRequest, What,
};
pub use self::experiment::{ExperimentInfo, IntervalInfo, VariantInfo, VerdictWord};
pub use self::history::{Answered, History, RevisionInfo, Verified};
pub use self::look::{
    Condition, InstanceInfo, LabelInfo, MemberInfo, ModelInfo, NodeInfo, OutOfService, Page,
    PipelineInfo, PortInfo, RouteInfo, ShareInfo, StageInfo, Status, VersionInfo,
};
pub use self::mirror::{MirrorExample, MirrorInfo, MirrorWindow, Mirrors, OutputAgreement};
pub use self::rollout::{
    FindingInfo, GuardInfo, RolloutInfo, RolloutRequest, Steer, SteerRequest, StepEvidence,
    StepInfo, StepPast,
};
pub use self::traffic::{Order, Rates, Traffic, VersionTraffic};

/// Body of every error answer.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ErrorBody {
    /// What is wrong, where, and what to do; one problem per line.
    pub error: String,
}

/// State of an upload.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct UploadInfo {
    /// The expected digest of the bytes.
    pub digest: String,
    /// Number of bytes received; the next part starts at this offset.
    pub offset: u64,
    /// Whether all bytes were received, verified and stored.
    pub complete: bool,
}
