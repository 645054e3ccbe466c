//! Metrics of the server as a whole: HTTP requests, changes, rollouts, experiments.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use hotstage_core::failure::Kind;
use prometheus_client::metrics::MetricType;

use super::metrics::Count;
use crate::serving::counts::{ROLLOUTS, SWAP_STEPS, ServerCounts, Swaps};
use crate::serving::experiments;

/// Counters of requests, changes and rollouts.
pub(super) fn counts(counts: &ServerCounts) -> Vec<Count> {
    let value = |count: u64| vec![("", count as f64)];
    let connections = vec![("", counts.connections.load(Relaxed) as f64)];
    let failed = Kind::ALL
        .iter()
        .zip(&counts.failed)
        .map(|(kind, count)| (kind.code(), count.load(Relaxed) as f64));
    let rollouts = ROLLOUTS
        .iter()
        .zip(&counts.rollouts)
        .map(|(phase, count)| (*phase, count.load(Relaxed) as f64))
        .collect();
    vec![
        (
            "hotstage_http_requests",
            "HTTP requests of any kind",
            MetricType::Counter,
            value(counts.requests.read()),
        ),
        (
            "hotstage_http_failures",
            "HTTP requests that failed",
            MetricType::Counter,
            failed.collect(),
        ),
        (
            "hotstage_http_abandoned",
            "Requests whose client disconnected before the answer",
            MetricType::Counter,
            value(counts.abandoned.load(Relaxed)),
        ),
        (
            "hotstage_http_requests_in_flight",
            "Requests in flight",
            MetricType::Gauge,
            value(counts.in_flight()),
        ),
        (
            "hotstage_http_connections",
            "Open connections",
            MetricType::Gauge,
            connections,
        ),
    ]
    .into_iter()
    .chain(swaps(&counts.swaps))
    .chain([(
        "hotstage_rollouts",
        "Rollouts by phase: started, promoted, rolled_back, aborted",
        MetricType::Counter,
        rollouts,
    )])
    .collect()
}

/// Counters of experiments.
pub(super) fn experiments(counts: &experiments::Counts) -> Vec<Count> {
    let experiments::Counts {
        answers,
        dropped,
        reused,
        counted,
        duplicates,
        unknown,
        moves,
    } = counts;
    let value = |count: &AtomicU64| count.load(Relaxed) as f64;
    let by_kind = |rows: &[(&'static str, &AtomicU64)]| {
        rows.iter()
            .map(|(kind, count)| (*kind, value(count)))
            .collect()
    };
    vec![
        (
            "hotstage_experiment_answers",
            "Answers of experiments: noted, dropped, or with the id of another one",
            MetricType::Counter,
            by_kind(&[("noted", answers), ("dropped", dropped), ("reused", reused)]),
        ),
        (
            "hotstage_experiment_feedback",
            "Rewards by result: counted, for an answer that had one, or for an unknown answer",
            MetricType::Counter,
            by_kind(&[
                ("counted", counted),
                ("duplicate", duplicates),
                ("unknown", unknown),
            ]),
        ),
        (
            "hotstage_experiment_moves",
            "Revisions in which adaptive experiments moved weights",
            MetricType::Counter,
            vec![("", value(moves))],
        ),
    ]
}

/// Counters of changes to what is served.
fn swaps(swaps: &Swaps) -> Vec<Count> {
    let value = |count: &AtomicU64| count.load(Relaxed) as f64;
    let steps = SWAP_STEPS
        .iter()
        .zip(&swaps.took_us)
        .map(|(step, took)| (*step, value(took) / 1e6));
    let total = |name, help, count| (name, help, MetricType::Counter, vec![("", value(count))]);
    vec![
        total(
            "hotstage_revisions",
            "Changes to what is served",
            &swaps.made,
        ),
        total(
            "hotstage_revisions_refused",
            "Changes that were refused",
            &swaps.refused,
        ),
        (
            "hotstage_swap_seconds",
            "Time of changes by step: prepare, record, swap",
            MetricType::Counter,
            steps.collect(),
        ),
        total(
            "hotstage_versions_freed",
            "Versions that drained and were freed",
            &swaps.freed,
        ),
        total(
            "hotstage_versions_freed_bytes",
            "Bytes of files freed with them",
            &swaps.freed_bytes,
        ),
        total(
            "hotstage_versions_overdue",
            "Versions that did not drain in time",
            &swaps.overdue,
        ),
        total(
            "hotstage_requests_drained",
            "Requests in flight when their version began to drain",
            &swaps.drained,
        ),
    ]
}
