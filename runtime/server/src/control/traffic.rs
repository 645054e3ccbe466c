//! Current traffic: the counters are read twice, `interval` apart, and subtracted.
//!
//! The caller waits for the interval, so nothing is stored between queries and nothing is added to
//! the request path. Bounds: [`MEASURED_AT_ONCE`] measurements at a time, each with about 300 bytes
//! per loaded version. A stopping server ends the interval early.

use std::collections::HashMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use hotstage_core::rollout::Buckets;

use super::look::{absence, absent_from, instances};
use super::{Control, locked};
use crate::serving::counts::histogram::quantile_ms;
use crate::serving::pipeline::Pipeline;
use crate::serving::registry::{DefaultTarget, Phase, newer};
use hotstage_client::{Condition, Order, Rates, Traffic, VersionTraffic};

/// Maximum number of concurrent measurements; more callers wait.
pub(super) const MEASURED_AT_ONCE: usize = 16;
/// Interval of checking whether the server stops.
const POLL: Duration = Duration::from_millis(50);

/// Counters at one moment, or their increase between two.
#[derive(Clone, Copy, Default)]
struct Reading {
    requests: u64,
    failed: u64,
    durations: Buckets,
}

/// All counters at one moment.
struct Readings {
    at: Instant,
    server: Reading,
    /// Keyed by the pipeline's address. The weak reference keeps the address from being reused.
    versions: HashMap<usize, (Weak<Pipeline>, Reading)>,
}

/// A version and its rates.
struct Row<'a> {
    name: &'a str,
    version: &'a str,
    condition: Condition,
    pipeline: Option<&'a Pipeline>,
    rates: Rates,
}

impl Reading {
    fn of(pipeline: &Pipeline) -> Self {
        let counts = &pipeline.counts;
        let failed: u64 = counts.failed.iter().map(|count| count.load(Relaxed)).sum();
        let requests = counts.answered.read() + failed;
        Self {
            requests,
            failed,
            durations: counts.durations.buckets(),
        }
    }

    fn since(&self, before: &Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(before.requests),
            failed: self.failed.saturating_sub(before.failed),
            durations: std::array::from_fn(|index| {
                self.durations[index].saturating_sub(before.durations[index])
            }),
        }
    }

    fn add_durations(&mut self, other: &Self) {
        self.durations
            .iter_mut()
            .zip(other.durations)
            .for_each(|(sum, count)| *sum += count);
    }

    fn rates(&self, seconds: f64) -> Rates {
        Rates {
            requests_per_second: self.requests as f64 / seconds,
            failed_per_second: self.failed as f64 / seconds,
            p50_ms: quantile_ms(&self.durations, 0.5),
            p99_ms: quantile_ms(&self.durations, 0.99),
        }
    }
}

impl Control {
    /// Measures for `interval`; returns the first `limit` versions in this order, of names that
    /// contain `part`.
    pub async fn traffic(
        &self,
        interval: Duration,
        order: Order,
        limit: usize,
        part: &str,
    ) -> Traffic {
        // The semaphore is never closed.
        let _permit = self.measuring.acquire().await;
        let before = self.readings();
        self.let_pass(interval).await;
        self.compared(&before, order, limit, part)
    }

    /// Waits for the interval, or until the server stops.
    async fn let_pass(&self, interval: Duration) {
        let began = Instant::now();
        while self.serving.registry.phase() != Phase::Stopping {
            let left = interval.saturating_sub(began.elapsed());
            if left.is_zero() {
                break;
            }
            tokio::time::sleep(POLL.min(left)).await;
        }
    }

    fn readings(&self) -> Readings {
        let loaded = self.everything();
        let reading = |(pipeline, _): &(Arc<Pipeline>, Condition)| {
            (
                place(pipeline),
                (Arc::downgrade(pipeline), Reading::of(pipeline)),
            )
        };
        Readings {
            at: Instant::now(),
            server: self.server(),
            versions: loaded.iter().map(reading).collect(),
        }
    }

    fn server(&self) -> Reading {
        let counts = &self.serving.counts;
        let failed = counts.failed.iter().map(|count| count.load(Relaxed)).sum();
        Reading {
            requests: counts.requests.read(),
            failed,
            durations: Buckets::default(),
        }
    }

    /// Every loaded version, by name and age; those out of service come last.
    fn everything(&self) -> Vec<(Arc<Pipeline>, Condition)> {
        let snapshot = self.serving.registry.read();
        let mut loaded: Vec<_> = snapshot
            .pipelines()
            .map(|pipeline| (Arc::clone(pipeline), Condition::Ready))
            .collect();
        let retired = locked(&self.retired);
        loaded.extend(
            retired
                .kept
                .iter()
                .map(|pipeline| (Arc::clone(pipeline), Condition::Kept)),
        );
        let draining = retired.draining.iter().filter_map(Weak::upgrade);
        loaded.extend(draining.map(|pipeline| (pipeline, Condition::Draining)));
        loaded
    }

    fn compared(&self, before: &Readings, order: Order, limit: usize, part: &str) -> Traffic {
        let (loaded, now) = (self.everything(), Instant::now());
        let seconds = (now - before.at).as_secs_f64().max(1e-3);
        let mut all = self.server().since(&before.server);
        let mut rows = Vec::new();
        for (pipeline, condition) in &loaded {
            // A version loaded in the meantime began at zero.
            let earlier = before
                .versions
                .get(&place(pipeline))
                .map(|(_, reading)| *reading)
                .unwrap_or_default();
            let passed = Reading::of(pipeline).since(&earlier);
            all.add_durations(&passed);
            let (name, version) = (pipeline.name.as_str(), pipeline.version.as_str());
            let rates = passed.rates(seconds);
            rows.push(Row {
                name,
                version,
                condition: *condition,
                pipeline: Some(pipeline),
                rates,
            });
        }
        let ledger = self.ledger.load();
        let snapshot = self.serving.registry.read();
        for (name, version, digest) in ledger.state.pipelines() {
            let model = snapshot.model(name.as_str());
            let versions = model.map_or(&[][..], |model| model.versions());
            if !versions.iter().any(|pipeline| pipeline.digest == digest) {
                let (condition, _) = absence(absent_from(model, &digest));
                let (name, version) = (name.as_str(), version.as_str());
                rows.push(Row {
                    name,
                    version,
                    condition,
                    pipeline: None,
                    rates: Rates::default(),
                });
            }
        }
        rows.retain(|row| row.name.contains(part));
        let total = rows.len() as u64;
        rows.sort_by(|a, b| {
            let versions = || newer(a.version, b.version);
            order
                .compare((a.name, &a.rates), (b.name, &b.rates))
                .then_with(versions)
        });
        rows.truncate(limit);
        let versions = rows.iter().map(|row| self.version_traffic(row)).collect();
        Traffic {
            status: self.status(),
            interval_ms: seconds * 1e3,
            all: all.rates(seconds),
            total,
            versions,
        }
    }

    fn version_traffic(&self, row: &Row<'_>) -> VersionTraffic {
        let (ledger, snapshot) = (self.ledger.load(), self.serving.registry.read());
        let is_served = matches!(
            row.condition,
            Condition::Ready | Condition::Loading | Condition::Failed
        );
        let labels = ledger
            .state
            .model(row.name)
            .into_iter()
            .flat_map(|entry| &entry.labels);
        let labels = labels.filter(|(_, to)| is_served && to.as_str() == row.version);
        let model = snapshot
            .model(row.name)
            .filter(|model| matches!(model.default_target(), DefaultTarget::Newest));
        let newest = model.and_then(|model| model.newest());
        VersionTraffic {
            name: row.name.to_owned(),
            version: row.version.to_owned(),
            answers: newest
                .zip(row.pipeline)
                .is_some_and(|(newest, own)| std::ptr::eq(&raw const **newest, own)),
            labels: labels.map(|(label, _)| label.to_string()).collect(),
            condition: row.condition,
            instances: row.pipeline.map_or(0, instances),
            rates: row.rates,
        }
    }
}

fn place(pipeline: &Arc<Pipeline>) -> usize {
    Arc::as_ptr(pipeline).addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_the_increase_between_two_readings() {
        let reading = |requests, failed, fast, slow| {
            let mut durations = Buckets::default();
            (durations[10], durations[20]) = (fast, slow);
            Reading {
                requests,
                failed,
                durations,
            }
        };
        let passed = reading(300, 10, 250, 50).since(&reading(100, 6, 50, 50));
        let rates = passed.rates(2.0);
        assert_eq!(
            (rates.requests_per_second, rates.failed_per_second),
            (100.0, 2.0)
        );
        // The slow requests were counted before.
        assert_eq!((rates.p50_ms, rates.p99_ms), (Some(1.024), Some(1.024)));
        assert_eq!(Reading::default().rates(1.0), Rates::default());
    }
}
