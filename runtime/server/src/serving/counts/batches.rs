//! Counters of a stage whose calls are batched.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::histogram::Histogram;

/// Why a batch was not larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// It has the largest number of rows.
    Full,
    /// No other request waited.
    Empty,
    /// No other request arrived within `max_delay`.
    Delay,
    /// The waiting requests have other shapes.
    Shape,
    /// The request can't be batched: it has no rows, as many rows as a batch may have, or inputs
    /// that disagree on the number of rows.
    Alone,
}

impl Cut {
    /// All reasons, in order.
    pub const ALL: [Self; 5] = [
        Self::Full,
        Self::Empty,
        Self::Delay,
        Self::Shape,
        Self::Alone,
    ];

    /// The label value for metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Empty => "empty",
            Self::Delay => "delay",
            Self::Shape => "shape",
            Self::Alone => "alone",
        }
    }
}

/// Bucket `i` counts batches of at most 2^i rows; the last one counts all larger batches.
const BUCKETS: usize = 12;

/// Counters of one stage.
#[derive(Debug, Default)]
pub struct Batches {
    rows: [AtomicU64; BUCKETS],
    rows_sum: AtomicU64,
    cuts: [AtomicU64; Cut::ALL.len()],
    /// Requests that ran in a batch, including batches of one.
    pub requests: AtomicU64,
    /// Requests that were called again alone because their batch failed.
    pub again: AtomicU64,
    /// How long the first request of a batch waited until its call began.
    pub waits: Histogram,
}

impl Batches {
    /// Counts a batch when its call begins.
    pub fn record(&self, cut: Cut, rows: u64, requests: usize, waited: Duration) {
        let bucket = (u64::BITS - rows.saturating_sub(1).leading_zeros()) as usize;
        self.rows[bucket.min(BUCKETS - 1)].fetch_add(1, Relaxed);
        self.rows_sum.fetch_add(rows, Relaxed);
        self.cuts[cut as usize].fetch_add(1, Relaxed);
        self.requests.fetch_add(requests as u64, Relaxed);
        self.waits.record(waited);
    }

    /// Counts requests whose batch failed.
    pub fn again(&self, requests: usize) {
        self.again.fetch_add(requests as u64, Relaxed);
    }

    /// How many batches ended for each reason.
    pub fn cuts(&self) -> impl Iterator<Item = (Cut, u64)> {
        Cut::ALL
            .into_iter()
            .map(|cut| (cut, self.cuts[cut as usize].load(Relaxed)))
    }

    /// The sum of all rows, the number of batches, and the buckets as (most rows, count).
    pub fn read(&self) -> (f64, u64, Vec<(f64, u64)>) {
        let bound = |index: usize| {
            if index + 1 == BUCKETS {
                f64::INFINITY
            } else {
                (1_u64 << index) as f64
            }
        };
        let rows: Vec<(f64, u64)> = self
            .rows
            .iter()
            .enumerate()
            .map(|(index, count)| (bound(index), count.load(Relaxed)))
            .collect();
        let total = rows.iter().map(|row| row.1).sum();
        (self.rows_sum.load(Relaxed) as f64, total, rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_lies_in_the_bucket_of_its_rows() {
        let batches = Batches::default();
        for rows in [1, 2, 3, 4, 5, 5000] {
            batches.record(Cut::Empty, rows, 1, Duration::ZERO);
        }
        let (sum, count, rows) = batches.read();
        assert!((sum - 5015.0).abs() < 1e-9);
        assert_eq!(count, 6);
        let counts: Vec<u64> = rows.iter().map(|row| row.1).collect();
        assert_eq!(counts, [1, 1, 2, 1, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(
            batches
                .cuts()
                .find(|(cut, _)| *cut == Cut::Empty)
                .unwrap()
                .1,
            6
        );
    }
}
