//! Metrics of batched stages: batch sizes, the reasons for their sizes, and waiting times.

use std::sync::atomic::Ordering::Relaxed;

use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use super::metrics::{Durations, Labels, number};
use crate::serving::counts::batches::Cut;
use crate::serving::pipeline::Pipeline;

/// Counters of one batched stage.
#[derive(Debug)]
pub(super) struct BatchRow {
    pipeline: String,
    version: String,
    stage: String,
    rows: Durations,
    waits: Durations,
    cuts: Vec<(Cut, u64)>,
    requests: u64,
    again: u64,
}

impl BatchRow {
    /// One row per batched stage.
    pub(super) fn read(pipeline: &Pipeline) -> impl Iterator<Item = Self> {
        pipeline.steps().iter().filter_map(|step| {
            let counts = &step.batcher.as_ref()?.counts;
            Some(Self {
                pipeline: pipeline.name.clone(),
                version: pipeline.version.clone(),
                stage: step.name.clone(),
                rows: counts.read(),
                waits: counts.waits.read(),
                cuts: counts.cuts().collect(),
                requests: counts.requests.load(Relaxed),
                again: counts.again.load(Relaxed),
            })
        })
    }

    fn labels(&self) -> Labels<'_> {
        vec![
            ("pipeline", &self.pipeline),
            ("version", &self.version),
            ("stage", &self.stage),
        ]
    }
}

/// Writes the metrics; nothing if no stage is batched.
pub(super) fn encode(
    rows: &[BatchRow],
    encoder: &mut DescriptorEncoder<'_>,
) -> Result<(), std::fmt::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let help = "Rows of a batch";
    let mut metric =
        encoder.encode_descriptor("hotstage_batch_rows", help, None, MetricType::Histogram)?;
    for row in rows {
        let (sum, count, buckets) = &row.rows;
        metric
            .encode_family(&row.labels())?
            .encode_histogram::<NoLabelSet>(*sum, *count, buckets, None)?;
    }
    let help = "Time from the first request of a batch to the start of its call";
    let mut metric = encoder.encode_descriptor(
        "hotstage_batch_wait",
        help,
        Some(&Unit::Seconds),
        MetricType::Histogram,
    )?;
    for row in rows {
        let (sum, count, buckets) = &row.waits;
        metric
            .encode_family(&row.labels())?
            .encode_histogram::<NoLabelSet>(*sum, *count, buckets, None)?;
    }
    let help = "Batches by the reason for their size";
    let mut metric =
        encoder.encode_descriptor("hotstage_batches", help, None, MetricType::Counter)?;
    for row in rows {
        for (cut, count) in &row.cuts {
            let labels = [row.labels(), vec![("cut", cut.word())]].concat();
            number(
                metric.encode_family(&labels)?,
                MetricType::Counter,
                *count as f64,
            )?;
        }
    }
    type Figure = fn(&BatchRow) -> u64;
    let figures: [(&str, &str, Figure); 2] = [
        (
            "hotstage_batch_requests",
            "Requests in batches, including batches of one",
            |row| row.requests,
        ),
        (
            "hotstage_batch_retries",
            "Requests that were retried alone after their batch failed",
            |row| row.again,
        ),
    ];
    for (name, help, figure) in figures {
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for row in rows {
            number(
                metric.encode_family(&row.labels())?,
                MetricType::Counter,
                figure(row) as f64,
            )?;
        }
    }
    Ok(())
}
