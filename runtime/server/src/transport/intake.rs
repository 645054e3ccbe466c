//! What a listener takes from its clients, beside the bounds on each request: which hosts they may
//! name, the memory of all bodies, the log lines that they may cause, and the connections that were
//! too many.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use hotstage_core::limits::ServerLimits;

use crate::telemetry::request_log::RequestLog;
use crate::transport::budget::Budget;
use crate::transport::hosts::Hosts;

/// One for inference, one for administration, so that neither takes what the other needs.
#[derive(Debug)]
pub struct Intake {
    /// Names that requests may give as their host.
    pub hosts: Hosts,
    /// The memory of bodies.
    pub bodies: Arc<Budget>,
    /// RequestLog about requests.
    pub lines: RequestLog,
    /// Connections that were refused, as their peer had as many as it may have.
    pub refused: Arc<AtomicU64>,
}

impl Intake {
    /// The first one.
    pub fn new(limits: &ServerLimits, hosts: Hosts, lines: RequestLog) -> Self {
        Self {
            hosts,
            bodies: Budget::new(limits.body_memory),
            lines,
            refused: Arc::default(),
        }
    }

    /// Another one, for other hosts and with a budget of its own. What is counted and logged is
    /// counted together.
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

    /// Connections that were refused.
    pub fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }
}
