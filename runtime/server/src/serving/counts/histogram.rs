//! A histogram of durations, with lock-free recording.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use hotstage_core::rollout::{BUCKETS, Buckets};
use hotstage_core::sharded::Sharded;

/// Counts of durations, sharded by thread.
#[derive(Debug, Default)]
pub struct Histogram(Sharded<Cells>);

/// The counts of the threads of one shard.
#[derive(Debug, Default)]
struct Cells {
    buckets: [AtomicU64; BUCKETS],
    nanoseconds: AtomicU64,
}

impl Histogram {
    /// Records one duration.
    pub fn record(&self, took: Duration) {
        let microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = (u64::BITS - microseconds.leading_zeros()) as usize;
        let cells = self.0.own();
        cells.buckets[bucket.min(BUCKETS - 1)].fetch_add(1, Relaxed);
        cells
            .nanoseconds
            .fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    /// The current counts of the buckets.
    pub fn buckets(&self) -> Buckets {
        std::array::from_fn(|index| {
            self.0
                .all()
                .map(|cells| cells.buckets[index].load(Relaxed))
                .sum()
        })
    }

    /// The sum in seconds, the count, and the buckets as (upper bound in seconds, count).
    pub fn read(&self) -> (f64, u64, Vec<(f64, u64)>) {
        let mut total = 0;
        let mut rows = Vec::with_capacity(BUCKETS);
        for (index, count) in self.buckets().into_iter().enumerate() {
            total += count;
            rows.push((bound(index), count));
        }
        let nanoseconds: u64 = self
            .0
            .all()
            .map(|cells| cells.nanoseconds.load(Relaxed))
            .sum();
        (nanoseconds as f64 / 1e9, total, rows)
    }
}

/// The upper bound, in milliseconds, of the bucket in which this share of the durations ends.
/// `None` when there are no durations, or when they end above the last bound.
pub fn quantile_ms(buckets: &Buckets, share: f64) -> Option<f64> {
    let wanted = (buckets.iter().sum::<u64>() as f64 * share).ceil();
    let mut seen = 0.0;
    let found = buckets.iter().position(|count| {
        seen += *count as f64;
        seen >= wanted && seen > 0.0
    });
    found
        .map(|index| bound(index) * 1e3)
        .filter(|bound| bound.is_finite())
}

/// The upper bound of a bucket in seconds.
fn bound(index: usize) -> f64 {
    if index + 1 == BUCKETS {
        f64::INFINITY
    } else {
        (1_u64 << index) as f64 / 1e6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_lies_below_its_bound() {
        for microseconds in [0, 1, 2, 3, 1000, 1_000_000, u64::MAX / 2000] {
            let histogram = Histogram::default();
            histogram.record(Duration::from_micros(microseconds));
            let (_, total, rows) = histogram.read();
            let index = rows.iter().position(|row| row.1 == 1).unwrap();
            let seconds = microseconds as f64 / 1e6;
            assert_eq!(total, 1);
            assert!(
                seconds < rows[index].0 && (index == 0 || seconds >= rows[index - 1].0),
                "{microseconds}"
            );
        }
    }

    #[test]
    fn a_quantile_is_the_bound_of_its_bucket() {
        let histogram = Histogram::default();
        assert_eq!(quantile_ms(&histogram.buckets(), 0.5), None);
        (0..99).for_each(|_| histogram.record(Duration::from_micros(900)));
        histogram.record(Duration::from_millis(30));
        let buckets = histogram.buckets();
        assert_eq!(
            (quantile_ms(&buckets, 0.5), quantile_ms(&buckets, 0.99)),
            (Some(1.024), Some(1.024))
        );
        assert_eq!(quantile_ms(&buckets, 0.999), Some(32.768));
        histogram.record(Duration::from_secs(3600));
        assert_eq!(quantile_ms(&histogram.buckets(), 1.0), None);
    }
}
