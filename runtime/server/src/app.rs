//! What every request may use: built once, in `cli/serve.rs`.

use hotstage_core::limits::ServerLimits;

use crate::board::Board;
use crate::counts::ServerCounts;
use crate::experiments::Experiments;
use crate::intake::Intake;
use crate::mirror::Mirrors;
use crate::place::Compute;

/// The server's parts that outlive requests.
pub struct App {
    /// What is served right now.
    pub board: Board,
    /// Where long guests run.
    pub compute: Compute,
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
