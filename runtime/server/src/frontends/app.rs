//! What every request of the HTTP front end may use: built once, at the start.

use std::sync::Arc;

use hotstage_core::limits::ServerLimits;

use crate::serving::Serving;
use crate::transport::intake::Intake;

/// The front end's parts that outlive requests.
pub struct App {
    /// The data plane.
    pub serving: Arc<Serving>,
    /// What is taken from clients.
    pub limits: ServerLimits,
    /// What is taken from all of them together.
    pub intake: Intake,
}
