//! Metrics that stages observe: count and sum of the values, by stage and name.

use hotstage_engine::Observation;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;

use super::metrics::{Labels, number};
use crate::serving::pipeline::Pipeline;

/// Observations of one stage.
#[derive(Debug)]
pub(super) struct ObservedRow {
    pipeline: String,
    version: String,
    stage: String,
    metrics: Vec<Observation>,
    dropped: u64,
}

impl ObservedRow {
    /// One row per stage that observed anything.
    pub(super) fn read(pipeline: &Pipeline) -> impl Iterator<Item = Self> {
        pipeline.steps().iter().filter_map(|step| {
            let (metrics, dropped) = step.stage.observed();
            let (name, version, stage) = (
                pipeline.name.clone(),
                pipeline.version.clone(),
                step.name.clone(),
            );
            let seen = dropped > 0 || !metrics.is_empty();
            seen.then_some(Self {
                pipeline: name,
                version,
                stage,
                metrics,
                dropped,
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

/// Writes the metrics; nothing if there are no observations.
pub(super) fn encode(
    rows: &[ObservedRow],
    encoder: &mut DescriptorEncoder<'_>,
) -> Result<(), std::fmt::Error> {
    type Figure = fn(&Observation) -> f64;
    if rows.is_empty() {
        return Ok(());
    }
    let figures: [(&str, &str, MetricType, Figure); 2] = [
        (
            "hotstage_stage_metric_values",
            "Values that a stage observed",
            MetricType::Counter,
            |seen| seen.count as f64,
        ),
        // Values may be negative, so the sum is not a counter.
        (
            "hotstage_stage_metric_sum",
            "Sum of the values that a stage observed",
            MetricType::Gauge,
            |seen| seen.sum,
        ),
    ];
    for (name, help, kind, figure) in figures {
        let mut metric = encoder.encode_descriptor(name, help, None, kind)?;
        for (row, seen) in rows
            .iter()
            .flat_map(|row| row.metrics.iter().map(move |seen| (row, seen)))
        {
            let labels = [row.labels(), vec![("metric", seen.name.as_str())]].concat();
            number(metric.encode_family(&labels)?, kind, figure(seen))?;
        }
    }
    let help = "Values that were dropped: too many names, or not a finite number";
    let mut metric = encoder.encode_descriptor(
        "hotstage_stage_metric_dropped",
        help,
        None,
        MetricType::Counter,
    )?;
    for row in rows {
        number(
            metric.encode_family(&row.labels())?,
            MetricType::Counter,
            row.dropped as f64,
        )?;
    }
    Ok(())
}
