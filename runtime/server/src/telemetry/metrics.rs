//! Metrics in the Prometheus text format (OpenMetrics), read off the counters when somebody asks.
//!
//! The pipelines keep their own counters, so a request touches nothing but atomics that it already
//! has, and a pipeline that is gone leaves no series behind. Units are in the names: seconds,
//! bytes.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use hotstage_core::failure::Kind;
use hotstage_core::role::Role;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::batches::{self, BatchRow};
use super::observed::{self, ObservedRow};
use super::routes::Rows;
use super::{intake, triton};
use crate::app::App;
use crate::board::Snapshot;
use crate::counts::histogram::Histogram;
use crate::counts::{CACHED, ROLLOUTS, SWAP_STEPS, ServerCounts, Swaps};
use crate::experiments;
use crate::pipeline::{Pipeline, Step};

/// The text that a scrape gets, in the format that it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposition {
    /// Prometheus' own, version 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Exposition {
    /// What an `Accept` header asks for.
    pub fn wanted(accept: Option<&str>) -> Self {
        let open = accept.is_some_and(|accept| accept.contains("application/openmetrics-text"));
        if open {
            Self::OpenMetrics
        } else {
            Self::Prometheus
        }
    }

    /// Its content type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// All figures at this moment.
pub fn render(app: &App, exposition: Exposition) -> Result<String, std::fmt::Error> {
    let mut registry = Registry::default();
    let snapshot = app.board.read();
    let counts = [
        Reading::counts(&app.counts),
        intake::counts(&app.intake),
        Reading::experiments(app.experiments.counts()),
    ]
    .concat();
    let rows = Reading::rows(&snapshot);
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

/// OpenMetrics as Prometheus' older format: there a counter's `# TYPE` bears the name of its
/// samples, units are nobody's business, and the end needs no mark.
fn to_prometheus(text: &str) -> String {
    let is_counter = |name: &str| text.contains(&format!("# TYPE {name} counter\n"));
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        match line.splitn(4, ' ').collect::<Vec<_>>()[..] {
            ["#", "EOF"] | ["#", "UNIT", ..] => {}
            // Counters whose names are not OpenMetrics' own; here they may say what they are.
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

/// All figures at one moment.
#[derive(Debug)]
struct Reading {
    counts: Vec<Count>,
    rows: Vec<Row>,
    routes: Rows,
    batches: Vec<BatchRow>,
    observed: Vec<ObservedRow>,
}

/// The figures of one pipeline.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) pipeline: String,
    pub(super) version: String,
    /// Inferences, as Triton counts them.
    pub(super) elements: u64,
    pub(super) waiting: usize,
    outcomes: Vec<(&'static str, u64)>,
    /// Where answers are kept.
    cached: Option<[u64; CACHED.len()]>,
    durations: Durations,
    stages: Vec<StageRow>,
}

#[derive(Debug)]
struct StageRow {
    stage: String,
    role: Role,
    durations: Durations,
    created: u64,
    ended: u64,
    dropped_lines: u64,
    held: u64,
}

/// Name, help, kind, and the values by failure kind; by no kind at all where there is one value.
pub(super) type Count = (
    &'static str,
    &'static str,
    MetricType,
    Vec<(&'static str, f64)>,
);
pub(super) type Durations = (f64, u64, Vec<(f64, u64)>);
pub(super) type Labels<'a> = Vec<(&'static str, &'a str)>;

impl Reading {
    fn counts(counts: &ServerCounts) -> Vec<Count> {
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
                "Requests whose client went away first",
                MetricType::Counter,
                value(counts.abandoned.load(Relaxed)),
            ),
            (
                "hotstage_http_requests_in_flight",
                "Requests being answered",
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
        .chain(Self::swaps(&counts.swaps))
        .chain([(
            "hotstage_rollouts",
            "Rollouts, by how they began and ended",
            MetricType::Counter,
            rollouts,
        )])
        .collect()
    }

    fn experiments(counts: &experiments::Counts) -> Vec<Count> {
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
                "Rewards that came: counted, for an answer that had one, or for one that nobody knows",
                MetricType::Counter,
                by_kind(&[
                    ("counted", counted),
                    ("duplicate", duplicates),
                    ("unknown", unknown),
                ]),
            ),
            (
                "hotstage_experiment_moves",
                "Revisions by which adaptive experiments moved weights",
                MetricType::Counter,
                vec![("", value(moves))],
            ),
        ]
    }

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
                "Time that changes took, by step: prepare, record, swap",
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
                "Requests that ran on while their version drained",
                &swaps.drained,
            ),
        ]
    }

    fn rows(snapshot: &Snapshot) -> Vec<Row> {
        snapshot
            .pipelines()
            .map(|pipeline| Row::read(pipeline))
            .collect()
    }
}

impl Row {
    fn read(pipeline: &Pipeline) -> Self {
        let failed = Kind::ALL
            .iter()
            .zip(&pipeline.counts.failed)
            .map(|(kind, count)| (kind.code(), count.load(Relaxed)));
        let answered = ("answered", pipeline.counts.answered.read());
        Self {
            pipeline: pipeline.name.clone(),
            version: pipeline.version.clone(),
            elements: pipeline.counts.elements.read(),
            waiting: pipeline.waiting(),
            outcomes: std::iter::once(answered)
                .chain(failed.filter(|(_, count)| *count > 0))
                .collect(),
            cached: pipeline.cache.as_ref().map(|_| {
                pipeline
                    .counts
                    .cached
                    .each_ref()
                    .map(|count| count.load(Relaxed))
            }),
            durations: Histogram::read(&pipeline.counts.durations),
            stages: pipeline.steps().iter().map(StageRow::read).collect(),
        }
    }

    fn labels(&self) -> Labels<'_> {
        vec![("pipeline", &self.pipeline), ("version", &self.version)]
    }

    /// Requests that ended so.
    pub(super) fn outcome(&self, code: &str) -> f64 {
        self.outcomes
            .iter()
            .find(|(outcome, _)| *outcome == code)
            .map_or(0.0, |(_, count)| *count as f64)
    }

    /// Microseconds of all its requests.
    pub(super) fn total_us(&self) -> f64 {
        self.durations.0 * 1e6
    }

    /// Microseconds in its stages of a role.
    pub(super) fn stages_us(&self, role: Role) -> f64 {
        self.stages
            .iter()
            .filter(|stage| stage.role == role)
            .map(|stage| stage.durations.0 * 1e6)
            .sum()
    }
}

impl StageRow {
    fn read(step: &Step) -> Self {
        let (created, ended, dropped_lines) = step.stage.counts();
        let (stage, role) = (step.name.clone(), step.stage.role());
        let held = step.stage.held();
        Self {
            stage,
            role,
            durations: step.durations.read(),
            created,
            ended,
            dropped_lines,
            held,
        }
    }
}

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
        self.requests(&mut encoder)?;
        self.durations(&mut encoder)?;
        self.instances(&mut encoder)?;
        self.routes.encode(&mut encoder)?;
        batches::encode(&self.batches, &mut encoder)?;
        observed::encode(&self.observed, &mut encoder)?;
        triton::encode(&self.rows, &mut encoder)
    }
}

impl Reading {
    fn requests(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let help = "Inference requests by outcome: answered, or the failure's kind";
        let mut metric =
            encoder.encode_descriptor("hotstage_requests", help, None, MetricType::Counter)?;
        for row in &self.rows {
            for (outcome, count) in &row.outcomes {
                let labels = [row.labels(), vec![("outcome", *outcome)]].concat();
                number(
                    metric.encode_family(&labels)?,
                    MetricType::Counter,
                    *count as f64,
                )?;
            }
        }
        let help = "Requests that the cache had an answer to, or not, of pipelines that use it";
        let mut metric = encoder.encode_descriptor(
            "hotstage_cache_requests",
            help,
            None,
            MetricType::Counter,
        )?;
        for (row, counts) in self.rows.iter().filter_map(|row| Some((row, row.cached?))) {
            for (result, count) in CACHED.iter().zip(counts) {
                let labels = [row.labels(), vec![("result", *result)]].concat();
                number(
                    metric.encode_family(&labels)?,
                    MetricType::Counter,
                    count as f64,
                )?;
            }
        }
        Ok(())
    }

    fn durations(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let help = "Time from the first stage to the last, waiting for a turn included";
        let mut metric = encoder.encode_descriptor(
            "hotstage_request_duration",
            help,
            Some(&Unit::Seconds),
            MetricType::Histogram,
        )?;
        for row in &self.rows {
            let (sum, count, buckets) = &row.durations;
            metric
                .encode_family(&row.labels())?
                .encode_histogram::<NoLabelSet>(*sum, *count, buckets, None)?;
        }
        let help = "Time of one call of a stage, the wall included";
        let mut metric = encoder.encode_descriptor(
            "hotstage_stage_duration",
            help,
            Some(&Unit::Seconds),
            MetricType::Histogram,
        )?;
        for (row, stage) in self.stages() {
            let labels = [row.labels(), vec![("stage", stage.stage.as_str())]].concat();
            let (sum, count, buckets) = &stage.durations;
            metric
                .encode_family(&labels)?
                .encode_histogram::<NoLabelSet>(*sum, *count, buckets, None)?;
        }
        Ok(())
    }

    fn instances(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        type Figure = fn(&StageRow) -> u64;
        let figures: [(&str, &str, MetricType, Figure); 5] = [
            (
                "hotstage_stage_instances",
                "Instances that exist",
                MetricType::Gauge,
                |stage| stage.created.saturating_sub(stage.ended),
            ),
            (
                "hotstage_stage_instances_created",
                "Instances that were made",
                MetricType::Counter,
                |stage| stage.created,
            ),
            (
                "hotstage_stage_instances_ended",
                "Instances that ended",
                MetricType::Counter,
                |stage| stage.ended,
            ),
            (
                "hotstage_stage_log_lines_dropped",
                "Log lines of guests that were dropped",
                MetricType::Counter,
                |stage| stage.dropped_lines,
            ),
            (
                "hotstage_stage_held_bytes",
                "Bytes of buffers that instances hold between calls, files left out",
                MetricType::Gauge,
                |stage| stage.held,
            ),
        ];
        for (name, help, kind, figure) in figures {
            let mut metric = encoder.encode_descriptor(name, help, None, kind)?;
            for (row, stage) in self.stages() {
                let labels = [row.labels(), vec![("stage", stage.stage.as_str())]].concat();
                number(metric.encode_family(&labels)?, kind, figure(stage) as f64)?;
            }
        }
        Ok(())
    }

    fn stages(&self) -> impl Iterator<Item = (&Row, &StageRow)> {
        self.rows
            .iter()
            .flat_map(|row| row.stages.iter().map(move |stage| (row, stage)))
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
