//! Parses queries according to the endpoint's parameters. Unknown and repeated keys are refused by
//! name.

use std::borrow::Cow;

use super::refusal::Refusal;
use crate::control::ChangeOptions;

/// Type of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    /// `true` or `false`.
    Flag,
    /// RFC 3339. Here a `+` stands for itself, because clients often forget to escape the offset's
    /// sign.
    Time,
}

/// A query parameter, or a header of one endpoint.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) is_required: bool,
    pub(super) says: &'static str,
}

impl Parameter {
    pub(super) const fn new(name: &'static str, kind: Kind, says: &'static str) -> Self {
        Self {
            name,
            kind,
            is_required: false,
            says,
        }
    }

    pub(super) const fn required(self) -> Self {
        Self {
            is_required: true,
            ..self
        }
    }
}

/// A parsed query: only known keys with valid values.
#[derive(Debug, Default)]
pub(super) struct Query(Vec<(&'static str, String)>);

impl Query {
    pub(super) fn read(text: &str, known: &[Parameter]) -> Result<Self, Refusal> {
        let mut found = Self::default();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let key = decode(key, Kind::Text)?;
            let Some(parameter) = known.iter().find(|parameter| parameter.name == key) else {
                return Err(unknown(&key, known));
            };
            let value = decode(value, parameter.kind)?.into_owned();
            check(parameter, &value)?;
            if found.text(parameter.name).is_some() {
                return Err(Refusal::invalid(format!(
                    "`{}` is given twice",
                    parameter.name
                )));
            }
            found.0.push((parameter.name, value));
        }
        match known
            .iter()
            .find(|parameter| parameter.is_required && found.text(parameter.name).is_none())
        {
            Some(missing) => Err(Refusal::invalid(format!(
                "`{}` is missing: {}",
                missing.name, missing.says
            ))),
            None => Ok(found),
        }
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.as_str())
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.text(name) == Some("true")
    }

    /// Number of entries per page.
    pub(super) fn limit(&self) -> Result<usize, Refusal> {
        match self.number("limit") {
            None => Ok(LIMIT),
            Some(limit @ 1..=LIMIT_MAX) => Ok(usize::try_from(limit).unwrap_or(LIMIT)),
            Some(limit) => Err(Refusal::invalid(format!(
                "`limit` must be 1 to {LIMIT_MAX}, not {limit}"
            ))),
        }
    }

    pub(super) fn ask(&self) -> ChangeOptions {
        ChangeOptions {
            reason: self.text("reason").unwrap_or_default().to_owned(),
            if_revision: self.number("if_revision"),
            dry_run: self.flag("dry_run"),
        }
    }
}

/// Entries per page: default and maximum.
const LIMIT: usize = 100;
const LIMIT_MAX: u64 = 1000;

fn check(parameter: &Parameter, value: &str) -> Result<(), Refusal> {
    let is_sound = match parameter.kind {
        Kind::Text | Kind::Time => true,
        // Digits only; `parse` would accept a sign.
        Kind::Number => {
            value.bytes().all(|byte| byte.is_ascii_digit()) && value.parse::<u64>().is_ok()
        }
        Kind::Flag => matches!(value, "true" | "false"),
    };
    if is_sound {
        return Ok(());
    }
    let what = if parameter.kind == Kind::Flag {
        "neither true nor false"
    } else {
        "not a valid number"
    };
    Err(Refusal::invalid(format!(
        "`{}`: `{}` is {what}",
        parameter.name,
        shown(value)
    )))
}

fn unknown(key: &str, known: &[Parameter]) -> Refusal {
    let names: Vec<String> = known
        .iter()
        .map(|parameter| format!("`{}`", parameter.name))
        .collect();
    let known = if names.is_empty() {
        "takes none".to_owned()
    } else {
        format!("takes {}", names.join(", "))
    };
    Refusal::invalid(format!(
        "the query has an unknown key `{}`; this {known}",
        shown(key)
    ))
}

/// Form encoding: `+` for a space, percent escapes for other characters.
fn decode(text: &str, kind: Kind) -> Result<Cow<'_, str>, Refusal> {
    let broken = |_| Refusal::invalid(format!("the query's `{}` is not valid UTF-8", shown(text)));
    if kind == Kind::Time || !text.contains('+') {
        return percent_encoding::percent_decode_str(text)
            .decode_utf8()
            .map_err(broken);
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_encoding::percent_decode_str(&spaced)
        .decode_utf8()
        .map_err(broken)?;
    Ok(decoded.into_owned().into())
}

/// Client text, shortened and escaped for a message.
pub(super) fn shown(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(100)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(100).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [Parameter; 5] = [
        Parameter::new("reason", Kind::Text, "why"),
        Parameter::new("if_revision", Kind::Number, "the newest"),
        Parameter::new("dry_run", Kind::Flag, "only check"),
        Parameter::new("time", Kind::Time, "when"),
        Parameter::new("limit", Kind::Number, "how many"),
    ];

    #[test]
    fn a_query_is_read() {
        let read = |text| Query::read(text, &KNOWN).unwrap();
        let ask = read("reason=a+b%20c%2B&if_revision=7&dry_run=true").ask();
        assert_eq!(
            (ask.reason.as_str(), ask.if_revision, ask.dry_run),
            ("a b c+", Some(7), true)
        );
        let ask = read("").ask();
        assert_eq!(
            (ask.reason.as_str(), ask.if_revision, ask.dry_run),
            ("", None, false)
        );
        assert_eq!(
            read("time=2026-01-31T12:00:00+01:00").text("time"),
            Some("2026-01-31T12:00:00+01:00")
        );
        assert_eq!(
            read("time=2026-01-31T12:00:00%2B01:00").text("time"),
            Some("2026-01-31T12:00:00+01:00")
        );
        assert_eq!(
            (
                read("").limit().unwrap(),
                read("limit=1000").limit().unwrap()
            ),
            (100, 1000)
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, part) in [
            (
                "raeson=x",
                "unknown key `raeson`; this takes `reason`, `if_revision`",
            ),
            ("dry_run=yes", "`dry_run`: `yes` is neither true nor false"),
            ("dry_run", "neither"),
            (
                "if_revision=-1",
                "`if_revision`: `-1` is not a valid number",
            ),
            ("if_revision=", "not a valid number"),
            ("if_revision=99999999999999999999", "not a valid number"),
            ("reason=a&reason=b", "`reason` is given twice"),
            ("reason=%ff", "UTF-8"),
        ] {
            let refusal = Query::read(text, &KNOWN).unwrap_err();
            assert!(refusal.message.contains(part), "{}", refusal.message);
        }
        for text in ["limit=0", "limit=1001"] {
            assert!(Query::read(text, &KNOWN).unwrap().limit().is_err());
        }
        let needed = [Parameter::new("time", Kind::Time, "when").required()];
        assert_eq!(
            Query::read("", &needed).unwrap_err().message,
            "`time` is missing: when"
        );
        assert!(
            Query::read("x", &[])
                .unwrap_err()
                .message
                .contains("this takes none")
        );
    }
}
