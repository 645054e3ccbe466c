//! The table of versions: its cells, and which columns fit.

use super::super::{get, show};
use super::words::{rate, shown};
use hotstage_client::VersionTraffic;

/// The number of columns.
pub(super) const COLUMNS: usize = 9;
pub(super) const HEADER: [&str; COLUMNS] = [
    "name",
    "version",
    "labels",
    "condition",
    "rate/s",
    "failed/s",
    "p50",
    "p99",
    "instances",
];
/// The column of the name. Only this column is truncated, and it is dropped last.
pub(super) const NAME: usize = 0;
pub(super) const CONDITION: usize = 3;
pub(super) const FAILED: usize = 5;
/// The columns by importance, the most important first.
const RANKS: [usize; COLUMNS] = [NAME, 4, 1, 7, FAILED, CONDITION, 6, 8, 2];
/// Width to which names are truncated before a column is dropped.
const NAME_MIN: usize = 10;
/// Spaces between columns.
const GAP: usize = 2;
/// Spaces between columns if there is enough width.
const GAP_MAX: usize = 4;

/// Whether the column is right-aligned.
pub(super) const fn is_number(column: usize) -> bool {
    column > CONDITION
}

/// A version as one row.
pub(super) fn row(version: &VersionTraffic) -> [String; COLUMNS] {
    let rates = &version.rates;
    // As in `get`, the star marks the version that answers by default.
    let star = if version.answers { " *" } else { "" };
    [
        shown(&version.name),
        format!("{}{star}", shown(&version.version)),
        shown(&version.labels.join(" ")),
        get::condition(version.condition).to_owned(),
        rate(rates.requests_per_second),
        rate(rates.failed_per_second),
        show::latency(rates.p50_ms),
        show::latency(rates.p99_ms),
        version.instances.to_string(),
    ]
}

/// The part of a table that fits.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fit {
    /// Columns from left to right, with their widths.
    pub(super) columns: Vec<(usize, usize)>,
    /// Spaces between columns.
    pub(super) gap: usize,
}

/// Drops the least important columns until the others fit.
pub(super) fn fit(rows: &[[String; COLUMNS]], width: usize) -> Fit {
    let widest = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells
            .chain([HEADER[column].len()])
            .max()
            .unwrap_or_default()
    };
    let widths: [usize; COLUMNS] = std::array::from_fn(widest);
    let needed = |kept: &[usize], name: usize, gap: usize| {
        let others: usize = kept
            .iter()
            .filter(|column| **column != NAME)
            .map(|column| widths[*column])
            .sum();
        others + name + gap * (kept.len() - 1)
    };
    let mut kept = &RANKS[..];
    while kept.len() > 1 && needed(kept, widths[NAME].min(NAME_MIN), GAP) > width {
        kept = &kept[..kept.len() - 1];
    }
    let name = widths[NAME].min(width.saturating_sub(needed(kept, 0, GAP)));
    let gap = (GAP..=GAP_MAX)
        .rev()
        .find(|gap| needed(kept, name, *gap) <= width)
        .unwrap_or(GAP);
    let mut columns: Vec<(usize, usize)> = kept
        .iter()
        .map(|column| {
            (
                *column,
                if *column == NAME {
                    name
                } else {
                    widths[*column]
                },
            )
        })
        .collect();
    columns.sort_unstable();
    Fit { columns, gap }
}

/// A cell, padded to the width of its column.
pub(super) fn padded(text: &str, column: usize, width: usize) -> String {
    let text = cut(text, width);
    if is_number(column) {
        format!("{text:>width$}")
    } else {
        format!("{text:<width$}")
    }
}

/// A text truncated to the width, with an ellipsis.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept = text.chars().take(width.saturating_sub(1));
    kept.chain("…".chars().take(width)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::state::tests::some;
    use super::*;

    #[track_caller]
    fn check(width: usize, expect: &str) {
        let state = some(&[("a-rather-long-name", 812.0), ("tumor", 0.0)]);
        let rows: Vec<_> = state.rows().into_iter().map(row).collect();
        let Fit { columns, gap } = fit(&rows, width);
        let words: Vec<&str> = columns.iter().map(|(column, _)| HEADER[*column]).collect();
        assert_eq!(words.join(" "), expect, "{width}");
        let sum: usize = columns.iter().map(|(_, width)| width).sum();
        assert!(
            sum + gap * (columns.len() - 1) <= width,
            "{width}: {columns:?}"
        );
    }

    #[test]
    fn columns_go_in_the_order_of_their_importance() {
        check(
            200,
            "name version labels condition rate/s failed/s p50 p99 instances",
        );
        check(
            90,
            "name version labels condition rate/s failed/s p50 p99 instances",
        );
        check(
            75,
            "name version condition rate/s failed/s p50 p99 instances",
        );
        check(60, "name version condition rate/s failed/s p99");
        check(40, "name version rate/s p99");
        check(20, "name rate/s");
        check(5, "name");
        check(1, "name");
        check(0, "name");
    }

    #[test]
    fn a_name_is_cut_and_a_figure_is_not() {
        assert_eq!(padded("tumor", NAME, 8), "tumor   ");
        assert_eq!(padded("tumor", NAME, 4), "tum…");
        assert_eq!(padded("12", FAILED, 4), "  12");
        assert_eq!(
            (cut("tumor", 1).as_str(), cut("tumor", 0).as_str()),
            ("…", "")
        );
    }
}
