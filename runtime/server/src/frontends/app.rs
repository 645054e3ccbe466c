//! State shared by all requests of the HTTP front end: built once, at the start.

use std::sync::Arc;

use hotstage_core::limits::ServerLimits;

use crate::serving::Serving;
use crate::transport::intake::Intake;

/// The parts of the front end that outlive a request.
pub struct App {
    /// The data plane.
    pub serving: Arc<Serving>,
    /// Limits per client.
    pub limits: ServerLimits,
    /// Limits shared by all clients.
    pub intake: Intake,
}
