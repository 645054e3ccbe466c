//! The columns with the largest scores of each row, the largest first, and of equal ones the lower
//! column first.
//!
//! One pass for the largest alone; a partial sort for more. Bound: room for one row's columns and
//! for every row's picks, which the next call uses again.

use std::cmp::Ordering;

/// What a call picked.
#[derive(Debug, Default)]
pub(crate) struct Ranks {
    /// So many columns for each row, one row after another.
    pub(crate) picks: Vec<usize>,
    order: Vec<usize>,
}

impl Ranks {
    /// Picks `top_k` of the `columns` of each row. There is no NaN among the elements.
    pub(crate) fn rank(&mut self, elements: &[f32], columns: usize, top_k: usize) {
        let Self { picks, order } = self;
        picks.clear();
        let rows = elements.chunks_exact(columns);
        if top_k == 1 {
            picks.extend(rows.map(largest));
            return;
        }
        for row in rows {
            order.clear();
            order.extend(0..columns);
            let by_score = |one: &usize, other: &usize| {
                descending(row[*one], row[*other]).then(one.cmp(other))
            };
            if top_k < columns {
                order.select_nth_unstable_by(top_k, by_score);
            }
            order[..top_k].sort_unstable_by(by_score);
            picks.extend_from_slice(&order[..top_k]);
        }
    }
}

fn largest(row: &[f32]) -> usize {
    let best = |best: (usize, f32), (index, &score): (usize, &f32)| {
        if best.1 < score { (index, score) } else { best }
    };
    row.iter().enumerate().fold((0, f32::NEG_INFINITY), best).0
}

fn descending(one: f32, other: f32) -> Ordering {
    other.partial_cmp(&one).unwrap_or(Ordering::Equal)
}
