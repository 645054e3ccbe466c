//! Escapes log lines: control characters that could drive a terminal or forge a line are written as
//! escapes, and the length of a line is bounded.
//!
//! It runs behind the formatter, on the writing thread, so it covers every field and costs no
//! request time. The formatter escapes every escape character in a field, so the remaining colour
//! sequences are its own. Bound: [`LINE_BYTES_MAX`]; the number of bytes cut off is part of the
//! line.

use std::borrow::Cow;
use std::io::{self, Write};

use hotstage_core::limits::FAILURE_TEXT_BYTES_MAX;
use hotstage_core::printable::{cut, one_line};
use serde_json::Value;

use super::logging::Format;

/// Maximum bytes of a line. Failures have texts of 4 KiB and guests lines of 8 KiB, so other lines
/// are shorter.
const LINE_BYTES_MAX: usize = 32 << 10;

/// A writer that gets whole lines, one per `write`.
pub(super) struct Escaped<W> {
    pub(super) inner: W,
    pub(super) format: Format,
    pub(super) has_colours: bool,
}

impl<W: Write> Write for Escaped<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let (line, end) = text
            .strip_suffix('\n')
            .map_or((text.as_ref(), ""), |line| (line, "\n"));
        let line = bounded(line, self.format);
        let line = if self.has_colours {
            between_colours(&line)
        } else {
            one_line(&line)
        };
        // One write, so that no other output comes between a line and its end.
        self.inner.write_all(format!("{line}{end}").as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn bounded(line: &str, format: Format) -> Cow<'_, str> {
    if line.len() <= LINE_BYTES_MAX {
        return Cow::Borrowed(line);
    }
    if format == Format::Json
        && let Ok(mut object) = serde_json::from_str(line)
    {
        // Cutting the line itself would break the JSON.
        cut_strings(&mut object);
        return Cow::Owned(object.to_string());
    }
    Cow::Owned(cut(line.to_owned(), LINE_BYTES_MAX))
}

fn cut_strings(value: &mut Value) {
    match value {
        Value::String(text) => *text = cut(std::mem::take(text), FAILURE_TEXT_BYTES_MAX),
        Value::Array(items) => items.iter_mut().for_each(cut_strings),
        Value::Object(fields) => fields.values_mut().for_each(cut_strings),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The parts between the sequences that set colours.
fn between_colours(line: &str) -> Cow<'_, str> {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(start) = rest.find("\x1b[") {
        let parameters = &rest[start + 2..];
        let length = parameters.find(|character: char| !matches!(character, '0'..='9' | ';'));
        let end = length
            .filter(|&length| parameters[length..].starts_with('m'))
            .map(|length| start + 2 + length + 1);
        // Anything else is escaped, up to and including its escape character.
        let (foreign, kept) = end.map_or((start + 1, start + 1), |end| (start, end));
        out.push_str(&one_line(&rest[..foreign]));
        out.push_str(&rest[foreign..kept]);
        rest = &rest[kept..];
    }
    out.push_str(&one_line(rest));
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(line: &str, format: Format, has_colours: bool) -> String {
        let mut escaped = Escaped {
            inner: Vec::new(),
            format,
            has_colours,
        };
        escaped.write_all(line.as_bytes()).unwrap();
        String::from_utf8(escaped.inner).unwrap()
    }

    #[test]
    fn a_line_stays_one_line_and_drives_nothing() {
        let hostile = "name=\x1b]0;title\x07 \x1b[2J\u{9b}31m\u{202e}gnp.\r\n2026 ERROR forged\n";
        let line = written(hostile, Format::Text, false);
        assert_eq!(
            line,
            "name=\\u001b]0;title\\u0007 \\u001b[2J\\u009b31m\\u202egnp.\\r\\n2026 ERROR forged\n"
        );
        assert_eq!(written("plain\n", Format::Text, false), "plain\n");
    }

    #[test]
    fn colours_of_the_formatter_stay() {
        let line = "\x1b[2m12:00\x1b[0m \x1b[31;1mERROR\x1b[0m a\x1b[2Jb\x1b[31\x1b[mc\x1b[\n";
        let expected =
            "\x1b[2m12:00\x1b[0m \x1b[31;1mERROR\x1b[0m a\\u001b[2Jb\\u001b[31\x1b[mc\\u001b[\n";
        assert_eq!(written(line, Format::Text, true), expected);
    }

    #[test]
    fn a_line_has_a_bound_and_json_stays_json() {
        let long = "é".repeat(1 << 20);
        let text = written(&format!("{long}\n"), Format::Text, false);
        assert!(
            text.len() <= LINE_BYTES_MAX + 1 && text.ends_with(" bytes more)\n"),
            "{}",
            text.len()
        );
        let json =
            serde_json::json!({ "fields": { "error": long, "id": "x\u{202e}" }, "status": 500 });
        let line = written(&format!("{json}\n"), Format::Json, false);
        let back: Value = serde_json::from_str(&line).unwrap();
        assert!(
            line.len() <= LINE_BYTES_MAX && !line.contains('\u{202e}'),
            "{}",
            line.len()
        );
        assert!(
            back["fields"]["error"]
                .as_str()
                .unwrap()
                .ends_with(" bytes more)")
        );
        assert_eq!(
            (&back["fields"]["id"], &back["status"]),
            (&json["fields"]["id"], &json["status"])
        );
    }
}
