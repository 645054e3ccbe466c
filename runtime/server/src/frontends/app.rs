//! What every request may use: built once, in `cli/serve.rs`.

use hotstage_core::limits::ServerLimits;

use crate::executors::compute::ComputePool;
use crate::serving::counts::ServerCounts;
use crate::serving::experiments::Experiments;
use crate::serving::mirror::Mirrors;
use crate::serving::registry::Registry;
use crate::transport::intake::Intake;

/// The server's parts that outlive requests.
pub struct App {
    /// What is served right now.
    pub registry: Registry,
    /// Where long guests run.
    pub compute: ComputePool,
    /// Where copies of requests run.
    pub mirrors: Mirrors,
    /// What is taken from clients.
    pub limits: ServerLimits,
    /// What is taken from all of them together.
    pub intake: Intake,
    /// What is counted about requests that reach no pipeline, and connections.
    pub counts: ServerCounts,
    /// What experiments remember.
    pub experiments: Experiments,
}
