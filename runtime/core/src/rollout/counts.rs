//! The counters of a rollout's two versions at a moment. Guards judge the differences between two
//! moments. The server owns the counters and reads them.

/// The number of buckets for durations: bucket `i` counts those of less than 2^i microseconds, the
/// last one all others.
pub const BUCKETS: usize = 26;

/// The number of durations in each bucket.
pub type Buckets = [u64; BUCKETS];

/// All counters at a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counts {
    /// The new version's.
    pub to: Served,
    /// The other version's.
    pub from: Served,
    /// Copies of requests to the new version, while it is mirrored.
    pub copies: Copies,
    /// For each guard in order, the observed values of its stage's metric; empty for other guards.
    pub values: Vec<Values>,
}

/// A version's requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// Requests that were answered, or failed through no fault of the client, including those that
    /// an open circuit kept from the version.
    pub requests: u64,
    /// Those of them that the version did not answer.
    pub errors: u64,
    /// The durations of those that reached the version.
    pub durations: Buckets,
}

/// Copies of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copies {
    /// Copies that were compared, or got no answer.
    pub answered: u64,
    /// Those of them that did not agree.
    pub disagreed: u64,
}

/// Values of a stage's metric.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Values {
    /// The number of values.
    pub count: u64,
    /// The sum of the values.
    pub sum: f64,
    /// The sum of their squares.
    pub squares: f64,
}

impl Counts {
    /// The difference to an earlier moment.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let nothing = Values::default();
        let earlier = before.values.iter().chain(std::iter::repeat(&nothing));
        Self {
            to: self.to.since(&before.to),
            from: self.from.since(&before.from),
            copies: self.copies.since(&before.copies),
            values: self
                .values
                .iter()
                .zip(earlier)
                .map(|(now, before)| now.since(before))
                .collect(),
        }
    }
}

impl Served {
    fn since(&self, before: &Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(before.requests),
            errors: self.errors.saturating_sub(before.errors),
            durations: std::array::from_fn(|index| {
                self.durations[index].saturating_sub(before.durations[index])
            }),
        }
    }
}

impl Copies {
    const fn since(&self, before: &Self) -> Self {
        Self {
            answered: self.answered.saturating_sub(before.answered),
            disagreed: self.disagreed.saturating_sub(before.disagreed),
        }
    }
}

impl Values {
    /// Adds one value.
    pub fn add(&mut self, value: f64) {
        self.count += 1;
        self.sum += value;
        self.squares += value * value;
    }

    const fn since(&self, before: &Self) -> Self {
        Self {
            count: self.count.saturating_sub(before.count),
            sum: self.sum - before.sum,
            squares: self.squares - before.squares,
        }
    }
}

/// The number of durations.
pub(super) fn total(durations: &Buckets) -> f64 {
    durations.iter().sum::<u64>() as f64
}

/// The number of durations longer than `ms` milliseconds, those of a bucket being spread evenly.
pub(super) fn slower(durations: &Buckets, ms: f64) -> f64 {
    let parts = durations.iter().enumerate().map(|(index, count)| {
        let (low, high) = ends_ms(index);
        *count as f64 * ((high - ms) / (high - low)).clamp(0.0, 1.0)
    });
    parts.sum()
}

/// The duration in milliseconds that `exceed` of them exceed; `None` without durations.
pub(super) fn value_above(durations: &Buckets, exceed: f64) -> Option<f64> {
    let mut above = 0.0;
    for (index, count) in durations
        .iter()
        .enumerate()
        .rev()
        .filter(|(_, count)| **count > 0)
    {
        let (count, (low, high)) = (*count as f64, ends_ms(index));
        if above + count >= exceed {
            return Some(high - (high - low) * (exceed - above) / count);
        }
        above += count;
    }
    None
}

/// The duration in milliseconds that 99 of 100 stay under, as Prometheus' `histogram_quantile`
/// estimates it.
pub(super) fn p99_ms(durations: &Buckets) -> Option<f64> {
    value_above(durations, total(durations) * 0.01)
}

/// The range of a bucket's durations; those beyond all buckets are assumed to be less than twice as
/// long.
fn ends_ms(index: usize) -> (f64, f64) {
    let end = |index: usize| (1_u64 << index) as f64 / 1e3;
    match index {
        0 => (0.0, end(0)),
        index if index + 1 == BUCKETS => (end(index - 1), 2.0 * end(index - 1)),
        index => (end(index - 1), end(index)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_spread_evenly_within_their_bucket() {
        let mut durations = Buckets::default();
        assert_eq!(p99_ms(&durations), None);
        // 99 of 100 lie between 0.512 and 1.024 ms, the slowest between 16.384 and 32.768 ms.
        (durations[10], durations[15]) = (99, 1);
        assert_eq!(
            (
                slower(&durations, 0.768),
                slower(&durations, 2.0),
                slower(&durations, 40.0)
            ),
            (50.5, 1.0, 0.0)
        );
        assert_eq!(
            (value_above(&durations, 50.5), p99_ms(&durations)),
            (Some(0.768), Some(16.384))
        );
        durations[25] = 100;
        assert!((p99_ms(&durations).unwrap() - 33_554.432 * 0.99).abs() < 1e-6);
    }

    #[test]
    fn what_came_since_is_a_difference() {
        let now = Counts {
            to: Served {
                requests: 9,
                errors: 2,
                ..Served::default()
            },
            values: vec![Values {
                count: 3,
                sum: 6.0,
                squares: 14.0,
            }],
            ..Counts::default()
        };
        let mut before = Counts {
            to: Served {
                requests: 4,
                errors: 2,
                ..Served::default()
            },
            ..Counts::default()
        };
        let since = now.since(&before);
        assert_eq!(
            (since.to.requests, since.to.errors, since.values[0].count),
            (5, 0, 3)
        );
        before.values.push(Values {
            count: 1,
            sum: 1.0,
            squares: 1.0,
        });
        assert_eq!(
            now.since(&before).values[0],
            Values {
                count: 2,
                sum: 5.0,
                squares: 13.0
            }
        );
    }
}
