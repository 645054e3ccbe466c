//! The columns with the largest scores of each row, in descending order, and the lower column first
//! among equals.
//!
//! One pass for the largest only; a partial sort for more. Bound: memory for one row's columns and
//! for the results of all rows, which the next call reuses.

use std::cmp::Ordering;

/// The result of a call.
#[derive(Debug, Default)]
pub(crate) struct Ranks {
    /// This many columns for each row, one row after another.
    pub(crate) picks: Vec<usize>,
    order: Vec<usize>,
}

impl Ranks {
    /// Selects `top_k` of the `columns` of each row. The elements contain no NaN.
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
