//! Figures of what is taken from clients: the memory of bodies, and what was refused or left out to
//! keep the bounds.

use prometheus_client::metrics::MetricType;

use super::metrics::Count;
use crate::transport::intake::Intake;

pub(super) fn counts(intake: &Intake) -> Vec<Count> {
    let value = |count: u64| vec![("", count as f64)];
    let total = |name, help, count| (name, help, MetricType::Counter, value(count));
    vec![
        (
            "hotstage_http_body_bytes",
            "Bytes of memory that request bodies take, small ones left out",
            MetricType::Gauge,
            value(intake.bodies.used()),
        ),
        total(
            "hotstage_http_bodies_refused",
            "Bodies that found no memory left",
            intake.bodies.refused(),
        ),
        total(
            "hotstage_http_connections_refused",
            "Connections of peers that had as many as one may have",
            intake.refused(),
        ),
        total(
            "hotstage_http_log_lines_dropped",
            "Log lines about requests that were left out, as there were too many",
            intake.lines.dropped(),
        ),
    ]
}
