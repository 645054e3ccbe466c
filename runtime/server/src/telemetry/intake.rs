//! Metrics of limits on clients: the memory of bodies, and what was refused or dropped to stay
//! within the limits.

use prometheus_client::metrics::MetricType;

use super::metrics::Count;
use crate::transport::intake::Intake;

pub(super) fn counts(intake: &Intake) -> Vec<Count> {
    let value = |count: u64| vec![("", count as f64)];
    let total = |name, help, count| (name, help, MetricType::Counter, value(count));
    vec![
        (
            "hotstage_http_body_bytes",
            "Bytes of memory taken by request bodies, except small ones",
            MetricType::Gauge,
            value(intake.bodies.used()),
        ),
        total(
            "hotstage_http_bodies_refused",
            "Bodies refused because the memory budget was used up",
            intake.bodies.refused(),
        ),
        total(
            "hotstage_http_connections_refused",
            "Connections refused because their peer had the maximum",
            intake.refused(),
        ),
        total(
            "hotstage_http_log_lines_dropped",
            "Log lines about requests that were dropped by the rate limit",
            intake.lines.dropped(),
        ),
    ]
}
