//! Text output of answers: changes, tables that fit the terminal, short digests, sizes, durations.
//!
//! Texts from the server and from files are untrusted. Those in answers are already on one line
//! each when they arrive here; control characters are escaped in every cell.

use std::io::IsTerminal as _;

use comfy_table::{Cell, ContentArrangement, Row, Table, presets};
use hotstage_core::printable;
use terminal_size::{Width, terminal_size};

use super::client::Got;
use super::{Output, console};
use hotstage_client::{Applied, ChangeMade};

/// Digits of a digest that are shown.
const DIGITS: usize = 12;
/// Bound on the unchanged versions that are named.
const UNCHANGED_MAX: usize = 20;

/// Prints an answer as JSON, unchanged, or as text.
pub(super) fn tell<T>(output: Output, got: &Got<T>, text: impl FnOnce(&T) -> String) {
    match output {
        Output::Json => json(&got.body),
        Output::Table => console::print(&text(&got.value)),
    }
}

/// Prints an answer as JSON. Control characters are escaped as JSON escapes them, so the document
/// stays the same.
pub(super) fn json(body: &[u8]) {
    console::print(&printable::lines(&String::from_utf8_lossy(body)));
}

/// An untrusted text on one line.
pub(super) fn one_line(text: &str) -> String {
    printable::one_line(text).into_owned()
}

/// The changes, one on each line, and a summary.
pub(super) fn applied(applied: &Applied) -> String {
    let mut lines: Vec<String> = applied.changes.iter().map(change).collect();
    lines.extend(
        applied
            .restored
            .iter()
            .map(|version| format!("back in service {}", one_line(version))),
    );
    lines.extend(
        applied
            .unchanged
            .iter()
            .take(UNCHANGED_MAX)
            .map(|version| format!("unchanged {}", one_line(version))),
    );
    let more = applied.unchanged.len().saturating_sub(UNCHANGED_MAX);
    if more > 0 {
        lines.push(format!("and {more} more are unchanged"));
    }
    lines.push(summary(applied));
    lines.join("\n")
}

fn summary(applied: &Applied) -> String {
    let Applied {
        revision,
        head,
        dry_run,
        loaded,
        compiled,
        tests,
        took_ms,
        ..
    } = applied;
    match revision {
        _ if *dry_run => "dry run: nothing was changed".to_owned(),
        None => format!("nothing changed; revision {head} stands"),
        Some(revision) => {
            let mut parts = vec![format!("revision {revision}"), format!("{loaded} loaded")];
            if *compiled > 0 {
                parts.push(format!("{compiled} compiled"));
            }
            parts.extend([count(u64::from(*tests), "test"), milliseconds(*took_ms)]);
            parts.join(" · ")
        }
    }
}

/// One change, with short digests.
pub(super) fn change(change: &ChangeMade) -> String {
    let short = |digest: &Option<String>| digest.as_deref().map(short);
    one_line(
        &ChangeMade {
            digest: short(&change.digest),
            was: short(&change.was),
            ..change.clone()
        }
        .to_string(),
    )
}

/// A digest's first digits; any other text unchanged.
pub(super) fn short(digest: &str) -> String {
    match digest
        .strip_prefix("sha256:")
        .and_then(|hex| hex.get(..DIGITS).filter(|_| hex.len() > DIGITS))
    {
        Some(digits) => format!("sha256:{digits}…"),
        None => digest.to_owned(),
    }
}

/// A table that fits the terminal; without a terminal, as wide as needed.
pub(super) fn table<R: Into<Row>>(
    header: impl Into<Row>,
    rows: impl IntoIterator<Item = R>,
) -> String {
    let mut table = plain();
    table.set_header(header);
    table.add_rows(rows.into_iter().map(printed));
    table.trim_fmt()
}

/// A row with control characters escaped.
fn printed(row: impl Into<Row>) -> Row {
    let row: Row = row.into();
    Row::from(
        row.cell_iter()
            .map(|cell| Cell::new(printable::lines(&cell.content())))
            .collect::<Vec<Cell>>(),
    )
}

/// Names and values, one pair on each line.
pub(super) fn fields<'a>(fields: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let mut table = plain();
    let fields = fields.into_iter().filter(|(_, value)| !value.is_empty());
    table.add_rows(fields.map(|(name, value)| printed([name.to_owned(), value])));
    table.trim_fmt()
}

fn plain() -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic);
    if std::io::stdout().is_terminal()
        && let Some((Width(columns), _)) = terminal_size()
    {
        table.set_width(columns);
    }
    table
}

/// `1 test`, `2 tests`.
pub(super) fn count(number: u64, word: &str) -> String {
    let end = if number == 1 { "" } else { "s" };
    format!("{number} {word}{end}")
}

/// A size in a suitable unit.
pub(super) fn bytes(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return count(bytes, "byte");
    }
    let mut size = bytes as f64 / 1024.0;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < units.len() {
        size /= 1024.0;
        unit += 1;
    }
    format!("{size:.1} {}", units[unit])
}

/// A duration in a suitable unit.
pub(super) fn milliseconds(milliseconds: u64) -> String {
    if milliseconds < 10_000 {
        format!("{milliseconds} ms")
    } else {
        format!("{:.1} s", milliseconds as f64 / 1000.0)
    }
}

/// A duration that may be below a millisecond; empty if nothing was measured.
pub(super) fn latency(milliseconds: Option<f64>) -> String {
    match milliseconds {
        None => "-".to_owned(),
        Some(span) if span < 1.0 => format!("{:.0} µs", span * 1000.0),
        Some(span) if span < 100.0 => format!("{span:.1} ms"),
        Some(span) => format!("{span:.0} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hotstage_client::What;

    fn made(what: What) -> ChangeMade {
        ChangeMade {
            what,
            pipeline: "tumor".to_owned(),
            version: "2".to_owned(),
            label: None,
            digest: Some(format!("sha256:12ab{}", "0".repeat(60))),
            was: None,
            evidence: None,
        }
    }

    #[test]
    fn a_change_is_a_line_and_the_summary_comes_last() {
        let labelled = ChangeMade {
            label: Some("stable".to_owned()),
            digest: None,
            was: Some("1".to_owned()),
            ..made(What::Labelled)
        };
        let change = Applied {
            revision: Some(7),
            head: 7,
            changes: vec![made(What::Added), labelled],
            unchanged: vec!["tumor/1".to_owned()],
            loaded: 1,
            tests: 2,
            took_ms: 83,
            ..Applied::default()
        };
        let expect = "added tumor/2 sha256:12ab00000000…\nlabelled tumor stable → 2 (was 1)\nunchanged tumor/1\n\
                      revision 7 · 1 loaded · 2 tests · 83 ms";
        assert_eq!(applied(&change), expect);
        let change = Applied {
            head: 6,
            ..Applied::default()
        };
        assert_eq!(applied(&change), "nothing changed; revision 6 stands");
        assert_eq!(
            applied(&Applied {
                dry_run: true,
                ..change
            }),
            "dry run: nothing was changed"
        );
    }

    #[test]
    fn many_that_are_unchanged_become_a_number() {
        let unchanged = (0..1000)
            .map(|version| format!("tumor/{version}"))
            .collect();
        let text = applied(&Applied {
            unchanged,
            ..Applied::default()
        });
        assert_eq!(text.lines().count(), UNCHANGED_MAX + 2);
        assert!(text.contains("and 980 more are unchanged"));
    }

    #[test]
    fn no_cell_moves_a_cursor_or_forges_a_line() {
        let hostile = "a\u{1b}[2J\u{202e}b\nc";
        for text in [
            table(["x"], [[one_line(hostile)]]),
            fields([("x", one_line(hostile))]),
            change(&ChangeMade {
                pipeline: hostile.to_owned(),
                ..made(What::Added)
            }),
        ] {
            assert!(text.contains("a\\u001b[2J\\u202eb\\nc"), "{text:?}");
        }
        assert!(
            table(["x"], [[hostile]])
                .lines()
                .all(|line| !line.contains(['\u{1b}', '\u{202e}']))
        );
    }

    #[test]
    fn figures_have_the_unit_that_suits_them() {
        for (size, expect) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (1536, "1.5 KiB"),
            (5 << 20, "5.0 MiB"),
            (3 << 40, "3.0 TiB"),
        ] {
            assert_eq!(bytes(size), expect);
        }
        assert_eq!(
            (milliseconds(83).as_str(), milliseconds(12_345).as_str()),
            ("83 ms", "12.3 s")
        );
        for (span, expect) in [
            (None, "-"),
            (Some(0.25), "250 µs"),
            (Some(3.25), "3.2 ms"),
            (Some(250.4), "250 ms"),
        ] {
            assert_eq!(latency(span), expect);
        }
        assert_eq!(short("sha256:12"), "sha256:12");
        assert_eq!(short("2"), "2");
    }
}
