//! Metrics in the Prometheus and OpenMetrics text formats, read from the counters on each scrape.
//!
//! Each pipeline has its own counters: a request only touches atomics that it uses anyway, and an
//! unloaded pipeline leaves no series behind. Metric names include the unit: seconds, bytes.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::batches::{self, BatchRow};
use super::observed::{self, ObservedRow};
use super::pipelines::{self, Row};
use super::routes::Rows;
use super::{intake, server, triton};
use crate::serving::Serving;
use crate::serving::counts::{ROLLOUTS, SWAP_STEPS};
use crate::transport::intake::Intake;

/// The text format of a scrape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposition {
    /// Prometheus text format 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Exposition {
    /// The format that an `Accept` header asks for.
    pub fn wanted(accept: Option<&str>) -> Self {
        let open = accept.is_some_and(|accept| accept.contains("application/openmetrics-text"));
        if open {
            Self::OpenMetrics
        } else {
            Self::Prometheus
        }
    }

    /// The content type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// All metrics at this moment.
pub fn render(
    serving: &Serving,
    intake: &Intake,
    exposition: Exposition,
) -> Result<String, std::fmt::Error> {
    let mut registry = Registry::default();
    let snapshot = serving.registry.read();
    let counts = [
        server::counts(&serving.counts),
        intake::counts(intake),
        server::experiments(serving.experiments.counts()),
    ]
    .concat();
    let rows = snapshot
        .pipelines()
        .map(|pipeline| Row::read(pipeline))
        .collect();
    let batches = snapshot
        .pipelines()
        .flat_map(|pipeline| BatchRow::read(pipeline))
        .collect();
    let observed = snapshot
        .pipelines()
        .flat_map(|pipeline| ObservedRow::read(pipeline))
        .collect();
    let routes = Rows::read(&snapshot);
    registry.register_collector(Box::new(Reading {
        counts,
        rows,
        routes,
        batches,
        observed,
    }));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)?;
    Ok(match exposition {
        Exposition::OpenMetrics => text,
        Exposition::Prometheus => to_prometheus(&text),
    })
}

/// Converts OpenMetrics to the older Prometheus format: there the `# TYPE` of a counter has the
/// name of its samples, and there are no units and no end mark.
fn to_prometheus(text: &str) -> String {
    let is_counter = |name: &str| text.contains(&format!("# TYPE {name} counter\n"));
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        match line.splitn(4, ' ').collect::<Vec<_>>()[..] {
            ["#", "EOF"] | ["#", "UNIT", ..] => {}
            // Counters whose names do not follow OpenMetrics; this format can declare them as
            // counters.
            ["#", "TYPE", name, "unknown"] => out.push_str(&format!("# TYPE {name} counter\n")),
            ["#", word @ ("HELP" | "TYPE"), name, rest] if is_counter(name) => {
                out.push_str(&format!("# {word} {name}_total {rest}\n"));
            }
            _ => {
                out.push_str(line);
                out.push('\n');
            }
        }
    }
    out
}

/// All metrics at one moment.
#[derive(Debug)]
struct Reading {
    counts: Vec<Count>,
    rows: Vec<Row>,
    routes: Rows,
    batches: Vec<BatchRow>,
    observed: Vec<ObservedRow>,
}

/// Name, help, type, and values by failure kind, or one value without a kind.
pub(super) type Count = (
    &'static str,
    &'static str,
    MetricType,
    Vec<(&'static str, f64)>,
);
pub(super) type Durations = (f64, u64, Vec<(f64, u64)>);
pub(super) type Labels<'a> = Vec<(&'static str, &'a str)>;

impl Collector for Reading {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        for (name, help, kind, values) in &self.counts {
            let mut metric = encoder.encode_descriptor(name, help, None, *kind)?;
            for (label, value) in values {
                let key = match label {
                    label if SWAP_STEPS.contains(label) => "step",
                    label if ROLLOUTS.contains(label) => "phase",
                    _ => "kind",
                };
                let labels: Labels<'_> = if label.is_empty() {
                    vec![]
                } else {
                    vec![(key, label)]
                };
                number(metric.encode_family(&labels)?, *kind, *value)?;
            }
        }
        pipelines::encode(&self.rows, &mut encoder)?;
        self.routes.encode(&mut encoder)?;
        batches::encode(&self.batches, &mut encoder)?;
        observed::encode(&self.observed, &mut encoder)?;
        triton::encode(&self.rows, &mut encoder)
    }
}

pub(super) fn number(
    mut metric: MetricEncoder<'_>,
    kind: MetricType,
    value: f64,
) -> Result<(), std::fmt::Error> {
    match kind {
        MetricType::Gauge => metric.encode_gauge(&value),
        _ => metric.encode_counter::<NoLabelSet, f64, f64>(&value, None),
    }
}

#[cfg(test)]
mod tests {
    use super::to_prometheus;

    #[test]
    fn the_older_format_names_a_counter_by_its_samples() {
        let open = "# HELP a Things.\n# TYPE a counter\na_total{x=\"# TYPE\"} 1\n# HELP b_seconds T.\n\
                    # TYPE b_seconds histogram\n# UNIT b_seconds seconds\nb_seconds_sum 0.5\n# EOF\n";
        let expect = "# HELP a_total Things.\n# TYPE a_total counter\na_total{x=\"# TYPE\"} 1\n# HELP b_seconds T.\n\
                      # TYPE b_seconds histogram\nb_seconds_sum 0.5\n";
        assert_eq!(to_prometheus(open), expect);
    }
}
