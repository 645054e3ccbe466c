//! One measurement as text, for pipes, scripts and terminals that do not support drawing.

use jiff::Timestamp;

use super::super::show;
use super::state::{LIMIT_MAX, State};
use super::words::{ago, change, shown};
use super::{columns, screen};

/// Bound on the versions.
pub(super) const VERSIONS: usize = LIMIT_MAX;
/// Bound on the revisions.
const REVISIONS: usize = 5;

/// All parts, as wide as needed.
pub(super) fn text(state: &State, now: Timestamp) -> String {
    let head = screen::head(state).map(|parts| {
        let words: Vec<String> = parts.into_iter().map(|part| part.text).collect();
        words.join(" · ")
    });
    let mut blocks = vec![head.join("\n")];
    let rows: Vec<_> = state.rows().into_iter().map(columns::row).collect();
    if !rows.is_empty() {
        let more = state.traffic.total.saturating_sub(rows.len() as u64);
        let mut table = show::table(columns::HEADER, rows);
        if more > 0 {
            table = format!("{table}\nand {more} more");
        }
        blocks.push(table);
    }
    let revisions: Vec<_> = state.revisions.iter().take(REVISIONS).collect();
    if !revisions.is_empty() {
        let row = |revision: &&hotstage_client::RevisionInfo| {
            [
                revision.number.to_string(),
                ago(&revision.time, now),
                shown(&revision.actor),
                change(revision),
            ]
        };
        blocks.push(show::table(
            ["revision", "when", "actor", "change"],
            revisions.iter().map(row),
        ));
    }
    blocks.join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::super::state::tests::some;
    use super::*;

    #[test]
    fn a_snapshot_has_its_figures_and_its_rows() {
        let mut state = some(&[("tumor", 12.0), ("iris", 0.75)]);
        state.traffic.total = 7;
        let text = text(&state, Timestamp::UNIX_EPOCH);
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[0].starts_with("hotstage 0.1.0 · ready · up 2 min 5 s · revision 12"),
            "{text}"
        );
        assert!(lines[1].starts_with("13 requests/s"), "{text}");
        assert_eq!(
            lines[4].split_whitespace().take(5).collect::<Vec<_>>(),
            ["tumor", "1", "*", "stable", "ready"]
        );
        assert!(text.ends_with("and 5 more"), "{text}");
    }
}
