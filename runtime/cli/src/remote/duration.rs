//! Durations and times in the notation of the command line: `90s`, `1h30m`, `10m ago`,
//! `2026-03-01T12:00:00Z`.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

const UNITS: [(&str, u64); 6] = [
    ("ms", 1),
    ("s", 1000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
    ("w", 604_800_000),
];

/// Parses a duration.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let refuse = || format!("`{text}` is not a duration; examples: 500ms, 30s, 10m, 1h30m, 2d");
    let mut rest = text.trim();
    let mut milliseconds: u64 = 0;
    if rest.is_empty() {
        return Err(refuse());
    }
    while !rest.is_empty() {
        let digits = rest
            .find(|character: char| !character.is_ascii_digit())
            .unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let letters = after
            .find(|character: char| !character.is_ascii_alphabetic())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let number: u64 = number.parse().map_err(|_| refuse())?;
        let (_, scale) = UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .ok_or_else(refuse)?;
        let span = number.checked_mul(*scale).ok_or_else(refuse)?;
        milliseconds = milliseconds.checked_add(span).ok_or_else(refuse)?;
        rest = after.trim_start();
    }
    Ok(Duration::from_millis(milliseconds))
}

/// Parses a time: RFC 3339, or a duration before now.
pub(super) fn moment(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let refuse = || {
        format!(
            "`{text}` is not a time; examples: 2026-03-01T12:00:00Z, 2026-03-01T13:00:00+01:00, 10m ago"
        )
    };
    let text = text.trim();
    if text == "now" {
        return Ok(now);
    }
    match text.strip_suffix("ago") {
        Some(span) => {
            let span = SignedDuration::try_from(duration(span).map_err(|_| refuse())?)
                .map_err(|_| refuse())?;
            now.checked_sub(span).map_err(|_| refuse())
        }
        None => text.parse().map_err(|_| refuse()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        for (text, expect) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("1h30m", 5_400_000),
            ("2d", 172_800_000),
            ("1h 1s", 3_601_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(expect)), "{text}");
        }
        for text in [
            "",
            "30",
            "s",
            "-1s",
            "1x",
            "1.5h",
            "99999999999999999999s",
            "999999999999999999w",
            "é",
        ] {
            assert!(
                duration(text).unwrap_err().contains("is not a duration"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_time_is_absolute_or_ago() {
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        for (text, expect) in [
            ("now", "2026-03-01T12:00:00Z"),
            ("10m ago", "2026-03-01T11:50:00Z"),
            ("1d ago", "2026-02-28T12:00:00Z"),
            ("2026-03-01T13:00:00+01:00", "2026-03-01T12:00:00Z"),
        ] {
            assert_eq!(moment(text, now).unwrap().to_string(), expect, "{text}");
        }
        for text in ["", "ago", "yesterday", "10 minutes ago", "99999999999d ago"] {
            assert!(
                moment(text, now).unwrap_err().contains("is not a time"),
                "{text}"
            );
        }
    }
}
