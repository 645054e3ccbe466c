//! Numbers with a unit in manifests and flags: `64MiB`, `500us`.
//!
//! A quantity is a whole number and a unit, without a space between. Bytes: `B`, `kB`, `MB`, `GB`
//! (powers of 1000), `KiB`, `MiB`, `GiB` (powers of 1024); a bare number is bytes. Times: `us`,
//! `ms`, `s`, `m`, `h`; a bare number is refused, because half of the readers would take it for
//! milliseconds. Bounds: a quantity of bytes fits 64 bits, a time fits 64 bits of microseconds.

use std::time::Duration;

use crate::suggest::{list, nearest, shown};

/// Text that is not a valid quantity. The message says what it should look like.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotAQuantity(String);

/// The name of a kind of quantity, an example, and its units, smallest first, each in terms of the
/// first.
struct Units {
    what: &'static str,
    example: &'static str,
    units: &'static [(&'static str, u64)],
}

const BYTES: Units = Units {
    what: "a size",
    example: "64MiB",
    units: &[
        ("B", 1),
        ("kB", 1000),
        ("KiB", 1 << 10),
        ("MB", 1_000_000),
        ("MiB", 1 << 20),
        ("GB", 1_000_000_000),
        ("GiB", 1 << 30),
    ],
};

const TIMES: Units = Units {
    what: "a time",
    example: "500ms",
    units: &[
        ("us", 1),
        ("ms", 1000),
        ("s", 1_000_000),
        ("m", 60_000_000),
        ("h", 3_600_000_000),
    ],
};

/// A number of bytes: `64MiB`, `65536`.
pub fn parse_bytes(text: &str) -> Result<u64, NotAQuantity> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().map_err(|_| too_large(&BYTES, text));
    }
    parse(&BYTES, text)
}

/// A time: `500us`, `2m`.
pub fn parse_duration(text: &str) -> Result<Duration, NotAQuantity> {
    parse(&TIMES, text).map(Duration::from_micros)
}

/// Bytes in the largest binary unit that represents them exactly.
pub fn show_bytes(bytes: u64) -> String {
    match bytes {
        1.. if bytes.is_multiple_of(1 << 30) => format!("{}GiB", bytes >> 30),
        1.. if bytes.is_multiple_of(1 << 20) => format!("{}MiB", bytes >> 20),
        1.. if bytes.is_multiple_of(1 << 10) => format!("{}KiB", bytes >> 10),
        _ => format!("{bytes}B"),
    }
}

/// A time in the largest unit that represents it exactly; fractions of a microsecond are dropped.
pub fn show_duration(time: Duration) -> String {
    let micros = time.as_micros();
    let units = TIMES
        .units
        .iter()
        .rev()
        .map(|&(unit, size)| (unit, u128::from(size)));
    let exact = units
        .into_iter()
        .find(|(_, size)| micros >= *size && micros.is_multiple_of(*size));
    exact.map_or_else(
        || "0s".to_owned(),
        |(unit, size)| format!("{}{unit}", micros / size),
    )
}

fn parse(units: &Units, text: &str) -> Result<u64, NotAQuantity> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let what = units.what;
    let known = || list(units.units.iter().map(|(unit, _)| *unit));
    if number.is_empty() || unit.starts_with(['.', ',']) {
        let example = units.example;
        return Err(NotAQuantity(format!(
            "`{}` is not a {}; write a whole number and a unit, like `{example}` (units: {})",
            shown(text),
            &what[2..],
            known()
        )));
    }
    if unit.is_empty() {
        return Err(NotAQuantity(format!(
            "`{}` lacks a unit: {}",
            shown(text),
            known()
        )));
    }
    let Some((_, size)) = units.units.iter().find(|(known, _)| *known == unit) else {
        let hint = match meant(units, unit) {
            Some(near) => format!("did you mean `{}{near}`?", shown(number)),
            None => format!("units: {}", known()),
        };
        return Err(NotAQuantity(format!(
            "`{}` is not a unit of {what}; {hint}",
            shown(unit)
        )));
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(*size))
        .ok_or_else(|| too_large(units, text))
}

fn too_large(units: &Units, text: &str) -> NotAQuantity {
    NotAQuantity(format!(
        "`{}` is {} that 64 bits can't hold",
        shown(text),
        units.what
    ))
}

/// The unit that was probably meant. Other notations first (`Mi` is Kubernetes', `µs` the
/// textbook's), because the distance between words of one or two letters says little.
fn meant(units: &Units, unit: &str) -> Option<&'static str> {
    let alias = match unit.trim() {
        "K" | "k" | "Ki" => "KiB",
        "M" | "Mi" => "MiB",
        "G" | "Gi" => "GiB",
        "µs" | "μs" | "usec" | "micros" => "us",
        "msec" | "millis" => "ms",
        "sec" | "secs" | "second" | "seconds" => "s",
        "min" | "mins" | "minute" | "minutes" => "m",
        "hr" | "hour" | "hours" => "h",
        other => other,
    };
    let names = || units.units.iter().map(|(unit, _)| *unit);
    names()
        .find(|known| known.eq_ignore_ascii_case(alias))
        .or_else(|| nearest(alias, names().filter(|u| u.len() > 2)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes(text: &str) -> String {
        parse_bytes(text).map_or_else(|error| error.to_string(), |bytes| bytes.to_string())
    }

    fn time(text: &str) -> String {
        parse_duration(text).map_or_else(|error| error.to_string(), |time| format!("{time:?}"))
    }

    #[test]
    fn sizes() {
        const UNITS: &str = "`B`, `kB`, `KiB`, `MB`, `MiB`, `GB` and `GiB`";
        for (text, expect) in [
            ("0", "0".to_owned()),
            ("65536", "65536".to_owned()),
            ("64MiB", "67108864".to_owned()),
            ("64MB", "64000000".to_owned()),
            ("7B", "7".to_owned()),
            (
                "64M",
                "`M` is not a unit of a size; did you mean `64MiB`?".to_owned(),
            ),
            (
                "64 MiB",
                "` MiB` is not a unit of a size; did you mean `64MiB`?".to_owned(),
            ),
            (
                "64Gi",
                "`Gi` is not a unit of a size; did you mean `64GiB`?".to_owned(),
            ),
            (
                "64mib",
                "`mib` is not a unit of a size; did you mean `64MiB`?".to_owned(),
            ),
            (
                "64parsec",
                format!("`parsec` is not a unit of a size; units: {UNITS}"),
            ),
            (
                "1.5GiB",
                format!(
                    "`1.5GiB` is not a size; write a whole number and a unit, like `64MiB` (units: {UNITS})"
                ),
            ),
            (
                "-1",
                format!(
                    "`-1` is not a size; write a whole number and a unit, like `64MiB` (units: {UNITS})"
                ),
            ),
            (
                "",
                format!(
                    "`` is not a size; write a whole number and a unit, like `64MiB` (units: {UNITS})"
                ),
            ),
            (
                "99999999999999GiB",
                "`99999999999999GiB` is a size that 64 bits can't hold".to_owned(),
            ),
            (
                "99999999999999999999",
                "`99999999999999999999` is a size that 64 bits can't hold".to_owned(),
            ),
        ] {
            assert_eq!(bytes(text), expect, "{text}");
        }
    }

    #[test]
    fn times() {
        const UNITS: &str = "`us`, `ms`, `s`, `m` and `h`";
        for (text, expect) in [
            ("500us", "500µs".to_owned()),
            ("1s", "1s".to_owned()),
            ("2m", "120s".to_owned()),
            ("5", format!("`5` lacks a unit: {UNITS}")),
            (
                "5µs",
                "`µs` is not a unit of a time; did you mean `5us`?".to_owned(),
            ),
            (
                "5 sec",
                "` sec` is not a unit of a time; did you mean `5s`?".to_owned(),
            ),
            ("5d", format!("`d` is not a unit of a time; units: {UNITS}")),
            (
                "1.5s",
                format!(
                    "`1.5s` is not a time; write a whole number and a unit, like `500ms` (units: {UNITS})"
                ),
            ),
        ] {
            assert_eq!(time(text), expect, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read(number: u64) {
            prop_assert_eq!(parse_bytes(&show_bytes(number)), Ok(number));
            let time = Duration::from_micros(number);
            prop_assert_eq!(parse_duration(&show_duration(time)), Ok(time));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = (parse_bytes(&text), parse_duration(&text));
        }
    }
}
