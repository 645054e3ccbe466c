//! What the admin API says: every request and answer as a type.
//!
//! The server, the command line and the OpenAPI document are all made from these. Digests are
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

/// The error body of every answer that is no success.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ErrorBody {
    /// What was wrong, where, and what to do; one problem to a line.
    pub error: String,
}

/// Where an upload is.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct UploadInfo {
    /// The digest that the bytes must have.
    pub digest: String,
    /// Bytes that are here; the next part starts there.
    pub offset: u64,
    /// Whether all bytes are here, verified and stored.
    pub complete: bool,
}
