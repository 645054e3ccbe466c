//! Short figures and texts for the screen, without control characters.

use jiff::Timestamp;

use super::super::show;
use hotstage_client::{RevisionInfo, Status};

/// A rate per second: with a fraction if small, in thousands if large.
pub(super) fn rate(per_second: f64) -> String {
    match per_second {
        0.0 => "0".to_owned(),
        few if few < 9.95 => format!("{few:.1}"),
        some if some < 99_999.5 => format!("{some:.0}"),
        many if many < 9_999_500.0 => format!("{:.0}k", many / 1e3),
        many => format!("{:.0}M", many / 1e6),
    }
}

/// The time since `then`.
pub(super) fn ago(then: &str, now: Timestamp) -> String {
    let Ok(then) = then.parse::<Timestamp>() else {
        return shown(then);
    };
    // A clock that is slightly behind must not show a time in the future.
    let seconds = now.duration_since(then).as_secs().max(0);
    match seconds {
        0..60 => format!("{seconds} s ago"),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..172_800 => format!("{} h ago", seconds / 3600),
        _ => format!("{} d ago", seconds / 86_400),
    }
}

/// A revision in one line.
pub(super) fn change(revision: &RevisionInfo) -> String {
    let first = revision
        .changes
        .first()
        .map(|change| format!(": {}", show::change(change)))
        .unwrap_or_default();
    let more = match revision.changes.len() {
        0 | 1 => String::new(),
        many => format!(" and {} more", many - 1),
    };
    let reason = if revision.reason.is_empty() {
        String::new()
    } else {
        format!(" ({})", revision.reason)
    };
    shown(&format!("{}{first}{more}{reason}", revision.asked()))
}

/// An untrusted text in one line: invisible characters are escaped.
pub(super) fn shown(text: &str) -> String {
    show::one_line(text)
}

/// The number of versions in each condition other than ready.
pub(super) fn others(status: &Status) -> String {
    let counts = [
        (status.loading, "loading"),
        (status.failed, "failed"),
        (status.kept, "kept"),
        (status.draining, "draining"),
    ];
    let words = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!(", {count} {word}"));
    words.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hotstage_client::{ChangeMade, What};

    #[test]
    fn a_rate_is_short() {
        for (per_second, expect) in [
            (0.0, "0"),
            (0.04, "0.0"),
            (0.5, "0.5"),
            (9.97, "10"),
            (812.3, "812"),
            (99_999.0, "99999"),
            (123_456.0, "123k"),
            (12_345_678.0, "12M"),
        ] {
            assert_eq!(rate(per_second), expect);
        }
    }

    #[test]
    fn time_passes() {
        let now: Timestamp = "2026-03-03T12:00:00Z".parse().unwrap();
        for (then, expect) in [
            ("2026-03-03T11:59:57Z", "3 s ago"),
            ("2026-03-03T12:00:09Z", "0 s ago"),
            ("2026-03-03T11:55:00Z", "5 min ago"),
            ("2026-03-02T11:00:00Z", "25 h ago"),
            ("2026-02-28T11:00:00Z", "3 d ago"),
            ("soon\n", "soon\\n"),
        ] {
            assert_eq!(ago(then, now), expect);
        }
    }

    #[test]
    fn a_change_is_one_line_and_moves_no_cursor() {
        let made = ChangeMade {
            what: What::Added,
            pipeline: "tumor".to_owned(),
            version: "2".to_owned(),
            label: None,
            digest: None,
            was: None,
            evidence: None,
        };
        let revision = RevisionInfo {
            number: 7,
            time: String::new(),
            actor: String::new(),
            reason: "a \u{1b}[31mred\u{202e}\n one".to_owned(),
            verb: "rollback".to_owned(),
            to: Some(5),
            name: None,
            changes: vec![made.clone(), made],
            loaded: 0,
            compiled: 0,
            tests: 0,
            took_ms: 3,
            hash: String::new(),
            previous: String::new(),
        };
        let line = change(&revision);
        assert!(line.starts_with("rollback to 5: added tumor/2"), "{line}");
        assert!(
            line.ends_with(" and 1 more (a \\u001b[31mred\\u202e\\n one)"),
            "{line}"
        );
    }
}
