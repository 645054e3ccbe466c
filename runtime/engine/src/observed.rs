//! The metrics that a stage observes: numbers under names that it chooses, counted and summed over
//! all its instances.
//!
//! Each name has a slot, taken on its first use; after that nothing is locked and nothing
//! allocated. Bounds: [`OBSERVED_MAX`] names, of 64 bytes each; values beyond them, or that are not
//! finite numbers, are dropped and counted.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use hotstage_core::limits::{OBSERVED_MAX, is_observed_name};

/// The metrics of a stage.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    places: [OnceLock<Metric>; OBSERVED_MAX],
    dropped: AtomicU64,
}

#[derive(Debug)]
struct Metric {
    name: String,
    count: AtomicU64,
    /// The bits of a float; so are the squares'.
    sum: AtomicU64,
    squares: AtomicU64,
}

/// The values of one metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// The stage's name for it.
    pub name: String,
    /// The number of values.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// The sum of their squares, from which their variance follows.
    pub squares: f64,
}

impl Observed {
    /// Adds a value.
    pub(crate) fn observe(&self, name: &str, value: f64) {
        match self.place(name).filter(|_| value.is_finite()) {
            Some(metric) => {
                let add = |more: f64| move |sum: u64| (f64::from_bits(sum) + more).to_bits();
                metric.sum.update(Relaxed, Relaxed, add(value));
                metric.squares.update(Relaxed, Relaxed, add(value * value));
                metric.count.fetch_add(1, Relaxed);
            }
            None => drop(self.dropped.fetch_add(1, Relaxed)),
        }
    }

    fn place(&self, name: &str) -> Option<&Metric> {
        let nothing = || AtomicU64::new(0);
        let make = || Metric {
            name: name.to_owned(),
            count: nothing(),
            sum: nothing(),
            squares: nothing(),
        };
        for place in &self.places {
            let metric = match place.get() {
                Some(metric) => metric,
                // Another thread may have taken the slot for another name.
                None if is_observed_name(name) => place.get_or_init(make),
                None => return None,
            };
            if metric.name == name {
                return Some(metric);
            }
        }
        None
    }

    /// All metrics so far, in the order in which they came.
    pub(crate) fn read(&self) -> Vec<Observation> {
        let read = |metric: &Metric| Observation {
            name: metric.name.clone(),
            count: metric.count.load(Relaxed),
            sum: f64::from_bits(metric.sum.load(Relaxed)),
            squares: f64::from_bits(metric.squares.load(Relaxed)),
        };
        self.places
            .iter()
            .map_while(OnceLock::get)
            .map(read)
            .collect()
    }

    /// Values that were dropped.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_add_up_from_many_threads() {
        let observed = Observed::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        observed.observe("half", 0.5);
                        observed.observe("minus", -1.0);
                    }
                });
            }
        });
        let mut seen = observed.read();
        seen.sort_by(|one, other| one.name.cmp(&other.name));
        let metric = |name: &str, sum, squares| Observation {
            name: name.to_owned(),
            count: 4000,
            sum,
            squares,
        };
        let expect = vec![
            metric("half", 2000.0, 1000.0),
            metric("minus", -4000.0, 4000.0),
        ];
        assert_eq!((seen, observed.dropped()), (expect, 0));
    }

    #[test]
    fn what_is_too_much_or_no_number_is_dropped_and_counted() {
        let observed = Observed::default();
        for name in ["", "A", "1a", "a-b", "ä", &"a".repeat(65)] {
            observed.observe(name, 1.0);
        }
        observed.observe("a", f64::NAN);
        observed.observe("a", f64::INFINITY);
        (0..OBSERVED_MAX + 3).for_each(|index| observed.observe(&format!("m{index}"), 1.0));
        // One place went to `a`, which has no value.
        assert_eq!(
            (observed.dropped(), observed.read().len()),
            (6 + 2 + 4, OBSERVED_MAX)
        );
    }
}
