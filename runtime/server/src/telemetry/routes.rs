//! Metrics of routes, fallbacks and mirrors.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use super::metrics::{Durations, Labels, number};
use crate::serving::counts::FALLS;
use crate::serving::mirror::Mirror;
use crate::serving::registry::Snapshot;

/// Outcomes of mirrored copies, in the order of [`MirrorRow`].
const OUTCOMES: [&str; 4] = ["agreed", "disagreed", "failed", "dropped"];

/// Counters of all routes.
#[derive(Debug, Default)]
pub(super) struct Rows {
    shares: Vec<ShareRow>,
    falls: Vec<FallRow>,
    mirrors: Vec<MirrorRow>,
}

#[derive(Debug)]
struct ShareRow {
    pipeline: String,
    version: String,
    share: f64,
    is_open: bool,
}

#[derive(Debug)]
struct FallRow {
    pipeline: String,
    version: String,
    counts: [u64; FALLS.len()],
}

#[derive(Debug)]
struct MirrorRow {
    pipeline: String,
    version: String,
    copies: [u64; OUTCOMES.len()],
    waiting: usize,
    durations: Durations,
}

impl Rows {
    pub(super) fn read(snapshot: &Snapshot) -> Self {
        let mut rows = Self::default();
        for name in snapshot.names() {
            let Some(routing) = snapshot.model(name).and_then(|model| model.routing()) else {
                continue;
            };
            let pipeline = name.to_owned();
            rows.shares
                .extend(routing.shares().map(|(version, share, is_open)| ShareRow {
                    pipeline: pipeline.clone(),
                    version: version.to_owned(),
                    share,
                    is_open,
                }));
            rows.mirrors.extend(
                routing
                    .mirrors()
                    .iter()
                    .map(|mirror| MirrorRow::read(mirror)),
            );
        }
        for pipeline in snapshot.pipelines() {
            let counts = pipeline
                .counts
                .fell
                .each_ref()
                .map(|count| count.load(Relaxed));
            if counts.iter().any(|count| *count > 0) {
                let (pipeline, version) = (pipeline.name.clone(), pipeline.version.clone());
                rows.falls.push(FallRow {
                    pipeline,
                    version,
                    counts,
                });
            }
        }
        rows
    }

    pub(super) fn encode(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
    ) -> Result<(), std::fmt::Error> {
        self.routes(encoder)?;
        let help = "Requests that the fallback answered instead of this version, by reason";
        let mut metric =
            encoder.encode_descriptor("hotstage_fallbacks", help, None, MetricType::Counter)?;
        for row in &self.falls {
            for (because, count) in FALLS.iter().zip(row.counts) {
                let labels = labels(&row.pipeline, &row.version, Some(("because", because)));
                number(
                    metric.encode_family(&labels)?,
                    MetricType::Counter,
                    count as f64,
                )?;
            }
        }
        self.mirrored(encoder)
    }

    fn routes(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        type Figure = fn(&ShareRow) -> f64;
        let figures: [(&str, &str, Figure); 2] = [
            (
                "hotstage_route_share",
                "Share of the requests that no rule matches, 0 to 1",
                |row| row.share,
            ),
            (
                "hotstage_circuit_open",
                "Whether the circuit is open, so that this version gets no requests",
                |row| f64::from(u8::from(row.is_open)),
            ),
        ];
        for (name, help, figure) in figures {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for row in &self.shares {
                let labels = labels(&row.pipeline, &row.version, None);
                number(
                    metric.encode_family(&labels)?,
                    MetricType::Gauge,
                    figure(row),
                )?;
            }
        }
        Ok(())
    }

    fn mirrored(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let help = "Copies of requests by outcome: agreed, disagreed, failed, dropped";
        let mut metric =
            encoder.encode_descriptor("hotstage_mirror_copies", help, None, MetricType::Counter)?;
        for row in &self.mirrors {
            for (outcome, count) in OUTCOMES.iter().zip(row.copies) {
                let labels = labels(&row.pipeline, &row.version, Some(("outcome", outcome)));
                number(
                    metric.encode_family(&labels)?,
                    MetricType::Counter,
                    count as f64,
                )?;
            }
        }
        let help = "Copies waiting for a mirror";
        let mut metric =
            encoder.encode_descriptor("hotstage_mirror_waiting", help, None, MetricType::Gauge)?;
        for row in &self.mirrors {
            let labels = labels(&row.pipeline, &row.version, None);
            number(
                metric.encode_family(&labels)?,
                MetricType::Gauge,
                row.waiting as f64,
            )?;
        }
        let (help, unit) = (
            "Time of a mirror's answer, including the wait for a core",
            Some(&Unit::Seconds),
        );
        let mut metric = encoder.encode_descriptor(
            "hotstage_mirror_duration",
            help,
            unit,
            MetricType::Histogram,
        )?;
        for row in &self.mirrors {
            let labels = labels(&row.pipeline, &row.version, None);
            let (sum, count, buckets) = &row.durations;
            metric
                .encode_family(&labels)?
                .encode_histogram::<NoLabelSet>(*sum, *count, buckets, None)?;
        }
        Ok(())
    }
}

impl MirrorRow {
    fn read(mirror: &Mirror) -> Self {
        let counts = &mirror.counts;
        let value = |count: &AtomicU64| count.load(Relaxed);
        // Read in this order, so that concurrent updates make no difference negative.
        let disagreed = value(&counts.disagreed);
        let agreed = value(&counts.compared).saturating_sub(disagreed);
        Self {
            pipeline: mirror.pipeline.name.clone(),
            version: mirror.pipeline.version.clone(),
            copies: [
                agreed,
                disagreed,
                value(&counts.failed),
                value(&counts.dropped),
            ],
            waiting: mirror.waiting(),
            durations: counts.durations.read(),
        }
    }
}

fn labels<'a>(
    pipeline: &'a str,
    version: &'a str,
    more: Option<(&'static str, &'a str)>,
) -> Labels<'a> {
    [("pipeline", pipeline), ("version", version)]
        .into_iter()
        .chain(more)
        .collect()
}
