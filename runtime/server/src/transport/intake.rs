//! What one listener accepts from its clients, in addition to the bounds on each request: host
//! names, the memory of all bodies, log lines, and a counter of refused connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use hotstage_core::limits::ServerLimits;

use crate::telemetry::request_log::RequestLog;
use crate::transport::budget::Budget;
use crate::transport::hosts::Hosts;

/// One for inference and one for administration, so that neither uses up the other's resources.
#[derive(Debug)]
pub struct Intake {
    /// Names that requests may use as their host.
    pub hosts: Hosts,
    /// The memory budget of bodies.
    pub bodies: Arc<Budget>,
    /// The log of requests.
    pub lines: RequestLog,
    /// Connections that were refused because their peer had too many.
    pub refused: Arc<AtomicU64>,
}

impl Intake {
    /// The intake of the first listener.
    pub fn new(limits: &ServerLimits, hosts: Hosts, lines: RequestLog) -> Self {
        Self {
            hosts,
            bodies: Budget::new(limits.body_memory),
            lines,
            refused: Arc::default(),
        }
    }

    /// Another listener's intake, with its own hosts and memory budget. The log and the counter are
    /// shared.
    #[must_use]
    pub fn beside(&self, limits: &ServerLimits, hosts: Hosts) -> Self {
        let (lines, refused) = (self.lines.clone(), Arc::clone(&self.refused));
        Self {
            hosts,
            bodies: Budget::new(limits.body_memory),
            lines,
            refused,
        }
    }

    /// Connections that were refused because their peer had too many.
    pub fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }
}
