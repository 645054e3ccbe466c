//! Triton's metric names, so that dashboards and alerts for Triton work with this server.
//!
//! Labels are Triton's (`model`, `version`); times are sums in microseconds. Time in preprocess
//! stages is compute_input, in model stages compute_infer, in postprocess stages compute_output;
//! the rest of a request's time is queue time. Names and meanings: Triton Inference Server, user
//! guide, "Metrics".

use hotstage_core::failure::Kind;
use hotstage_core::role::Role;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;

use super::metrics::{Labels, number};
use super::pipelines::Row;

/// A name without the common prefix, its help, and its value for a pipeline.
type Figure = (&'static str, &'static str, fn(&Row) -> f64);

const TOTALS: [Figure; 8] = [
    ("request_success", "Requests that were answered", |row| {
        row.outcome("answered")
    }),
    (
        "count",
        "Inferences: elements along the first dimension of the requests' first input",
        |row| row.elements as f64,
    ),
    (
        "exec_count",
        "Executions of the model; requests are not batched",
        |row| row.outcome("answered"),
    ),
    (
        "request_duration_us",
        "Time of requests, including waiting",
        Row::total_us,
    ),
    (
        "queue_duration_us",
        "Time of requests outside of stages",
        |row| {
            let inside: f64 = Role::ALL.iter().map(|role| row.stages_us(*role)).sum();
            (row.total_us() - inside).max(0.0)
        },
    ),
    (
        "compute_input_duration_us",
        "Time in preprocess stages",
        |row| row.stages_us(Role::Preprocess),
    ),
    ("compute_infer_duration_us", "Time in model stages", |row| {
        row.stages_us(Role::Model)
    }),
    (
        "compute_output_duration_us",
        "Time in postprocess stages",
        |row| row.stages_us(Role::Postprocess),
    ),
];

/// Writes the metrics of these pipelines.
pub(super) fn encode(
    rows: &[Row],
    encoder: &mut DescriptorEncoder<'_>,
) -> Result<(), std::fmt::Error> {
    for (name, help, figure) in TOTALS {
        // OpenMetrics requires a suffix on counters, which Triton's names lack, so their type is
        // unknown there.
        let name = format!("nv_inference_{name}");
        let mut metric = encoder.encode_descriptor(&name, help, None, MetricType::Unknown)?;
        for row in rows {
            number(
                metric.encode_family(&labels(row))?,
                MetricType::Gauge,
                figure(row),
            )?;
        }
    }
    let help = "Requests that failed, by Triton's reasons";
    let mut metric = encoder.encode_descriptor(
        "nv_inference_request_failure",
        help,
        None,
        MetricType::Unknown,
    )?;
    for row in rows {
        for reason in REASONS {
            let of_reason = Kind::ALL.iter().filter(|kind| reason_of(**kind) == reason);
            let failed = of_reason.map(|kind| row.outcome(kind.code())).sum();
            let labels = [labels(row), vec![("reason", reason)]].concat();
            number(metric.encode_family(&labels)?, MetricType::Gauge, failed)?;
        }
    }
    let help = "Requests waiting for a permit";
    let mut metric = encoder.encode_descriptor(
        "nv_inference_pending_request_count",
        help,
        None,
        MetricType::Gauge,
    )?;
    for row in rows {
        number(
            metric.encode_family(&labels(row))?,
            MetricType::Gauge,
            row.waiting as f64,
        )?;
    }
    Ok(())
}

fn labels(row: &Row) -> Labels<'_> {
    vec![("model", &row.pipeline), ("version", &row.version)]
}

const REASONS: [&str; 3] = ["REJECTED", "BACKEND", "OTHER"];

/// Rejected before it ran, failed in a stage, or other. Requests whose client disconnected are not
/// counted by any pipeline.
fn reason_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Overloaded => "REJECTED",
        kind if kind.code().starts_with("stage_") => "BACKEND",
        _ => "OTHER",
    }
}
