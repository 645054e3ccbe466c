//! Metrics of each pipeline version and its stages: requests, durations, instances.

use std::sync::atomic::Ordering::Relaxed;

use hotstage_core::failure::Kind;
use hotstage_core::role::Role;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use super::metrics::{Durations, Labels, number};
use crate::serving::counts::CACHED;
use crate::serving::counts::histogram::Histogram;
use crate::serving::pipeline::{Pipeline, Step};

/// Counters of one pipeline.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) pipeline: String,
    pub(super) version: String,
    /// Inferences, counted as Triton does.
    pub(super) elements: u64,
    pub(super) waiting: usize,
    outcomes: Vec<(&'static str, u64)>,
    /// None without a response cache.
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

impl Row {
    pub(super) fn read(pipeline: &Pipeline) -> Self {
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

    /// Number of requests with this outcome.
    pub(super) fn outcome(&self, code: &str) -> f64 {
        self.outcomes
            .iter()
            .find(|(outcome, _)| *outcome == code)
            .map_or(0.0, |(_, count)| *count as f64)
    }

    /// Total duration of all requests in microseconds.
    pub(super) fn total_us(&self) -> f64 {
        self.durations.0 * 1e6
    }

    /// Total duration in stages of this role, in microseconds.
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

/// Writes the metrics of these pipelines.
pub(super) fn encode(
    rows: &[Row],
    encoder: &mut DescriptorEncoder<'_>,
) -> Result<(), std::fmt::Error> {
    requests(rows, encoder)?;
    durations(rows, encoder)?;
    instances(rows, encoder)
}

fn requests(rows: &[Row], encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
    let help = "Inference requests by outcome: answered, or the kind of failure";
    let mut metric =
        encoder.encode_descriptor("hotstage_requests", help, None, MetricType::Counter)?;
    for row in rows {
        for (outcome, count) in &row.outcomes {
            let labels = [row.labels(), vec![("outcome", *outcome)]].concat();
            number(
                metric.encode_family(&labels)?,
                MetricType::Counter,
                *count as f64,
            )?;
        }
    }
    let help = "Requests to pipelines with a response cache, by hit or miss";
    let mut metric =
        encoder.encode_descriptor("hotstage_cache_requests", help, None, MetricType::Counter)?;
    for (row, counts) in rows.iter().filter_map(|row| Some((row, row.cached?))) {
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

fn durations(rows: &[Row], encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
    let help = "Time from the first stage to the last, including the wait for a permit";
    let mut metric = encoder.encode_descriptor(
        "hotstage_request_duration",
        help,
        Some(&Unit::Seconds),
        MetricType::Histogram,
    )?;
    for row in rows {
        let (sum, count, buckets) = &row.durations;
        metric
            .encode_family(&row.labels())?
            .encode_histogram::<NoLabelSet>(*sum, *count, buckets, None)?;
    }
    let help = "Time of one call of a stage, including the ABI crossing";
    let mut metric = encoder.encode_descriptor(
        "hotstage_stage_duration",
        help,
        Some(&Unit::Seconds),
        MetricType::Histogram,
    )?;
    for (row, stage) in stages(rows) {
        let labels = [row.labels(), vec![("stage", stage.stage.as_str())]].concat();
        let (sum, count, buckets) = &stage.durations;
        metric
            .encode_family(&labels)?
            .encode_histogram::<NoLabelSet>(*sum, *count, buckets, None)?;
    }
    Ok(())
}

fn instances(rows: &[Row], encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
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
            "Instances that were created",
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
            "Bytes of buffers that instances hold between calls, except files",
            MetricType::Gauge,
            |stage| stage.held,
        ),
    ];
    for (name, help, kind, figure) in figures {
        let mut metric = encoder.encode_descriptor(name, help, None, kind)?;
        for (row, stage) in stages(rows) {
            let labels = [row.labels(), vec![("stage", stage.stage.as_str())]].concat();
            number(metric.encode_family(&labels)?, kind, figure(stage) as f64)?;
        }
    }
    Ok(())
}

fn stages(rows: &[Row]) -> impl Iterator<Item = (&Row, &StageRow)> {
    rows.iter()
        .flat_map(|row| row.stages.iter().map(move |stage| (row, stage)))
}
