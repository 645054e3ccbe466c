//! Describes how two texts, or other bytes, differ: the position of the first difference and a
//! window around it; for JSON, value by value.
//!
//! Texts that are both JSON objects or lists are compared by value: the order of keys and white
//! space do not count, and numbers may differ by the test's tolerance. A bare number or word is
//! compared as text. Bounds: [`WINDOW`] characters of a text before and after its first difference.

use std::collections::BTreeSet;

use serde_json::{Number, Value};

use super::{Value as Element, near};
use crate::suggest::{SHOWN_CHARACTERS_MAX, shown};

/// Characters shown before the first difference, and after it.
const WINDOW: usize = 32;
/// Bytes shown of a value that is not text.
const BYTES_SHOWN_MAX: usize = 16;

/// One difference: its path inside a JSON text, and both sides.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Differs {
    pub(super) path: String,
    pub(super) expected: String,
    pub(super) got: String,
}

/// All differences of two elements, of JSON at most `most`; none if they mean the same.
pub(super) fn differences(
    expected: &[u8],
    got: &[u8],
    tolerance: f64,
    most: usize,
) -> Vec<Differs> {
    if expected == got {
        return Vec::new();
    }
    if let (Some(expected), Some(got)) = (json(expected), json(got)) {
        let mut found = Found {
            tolerance,
            most,
            list: Vec::new(),
        };
        found.compare(&mut String::new(), &expected, &got);
        return found.list;
    }
    let (expected, got) = match (str::from_utf8(expected), str::from_utf8(got)) {
        (Ok(expected), Ok(got)) => windows(expected, got),
        _ => raw(expected, got),
    };
    vec![Differs {
        path: String::new(),
        expected,
        got,
    }]
}

/// An object or a list.
fn json(text: &[u8]) -> Option<Value> {
    if !matches!(text.trim_ascii_start().first(), Some(b'{' | b'[')) {
        return None;
    }
    serde_json::from_slice(text).ok()
}

struct Found {
    tolerance: f64,
    most: usize,
    list: Vec<Differs>,
}

impl Found {
    fn compare(&mut self, path: &mut String, expected: &Value, got: &Value) {
        match (expected, got) {
            _ if self.list.len() >= self.most => {}
            (Value::Object(one), Value::Object(other)) => {
                let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
                for key in keys {
                    self.under(path, &step(key), one.get(key), other.get(key));
                }
            }
            (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
                for (index, (one, other)) in one.iter().zip(other).enumerate() {
                    self.under(path, &format!("[{index}]"), Some(one), Some(other));
                }
            }
            (Value::Array(one), Value::Array(other)) => {
                self.note(
                    path,
                    format!("{} items", one.len()),
                    format!("{} items", other.len()),
                );
            }
            (Value::Number(one), Value::Number(other)) if is_near(one, other, self.tolerance) => {}
            (Value::Number(one), Value::Number(other)) => {
                let within = format!("{other} (tolerance {})", Element::F64(self.tolerance));
                self.note(path, one.to_string(), within);
            }
            (Value::String(one), Value::String(other)) if one != other => {
                let (one, other) = windows(one, other);
                self.note(path, one, other);
            }
            _ if expected == got => {}
            _ => self.note(path, excerpt(expected), excerpt(got)),
        }
    }

    fn under(
        &mut self,
        path: &mut String,
        step: &str,
        expected: Option<&Value>,
        got: Option<&Value>,
    ) {
        let length = path.len();
        path.push_str(step);
        match (expected, got) {
            (Some(expected), Some(got)) => self.compare(path, expected, got),
            (one, other) => {
                let shown =
                    |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), excerpt);
                self.note(path, shown(one), shown(other));
            }
        }
        path.truncate(length);
    }

    fn note(&mut self, path: &str, expected: String, got: String) {
        if self.list.len() < self.most {
            self.list.push(Differs {
                path: path.to_owned(),
                expected,
                got,
            });
        }
    }
}

fn step(key: &str) -> String {
    let is_plain = !key.is_empty()
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if is_plain && key.len() <= SHOWN_CHARACTERS_MAX {
        format!(".{key}")
    } else {
        format!("[\"{}\"]", shown(key))
    }
}

fn excerpt(value: &Value) -> String {
    match value {
        Value::String(text) => format!("\"{}\"", shown(text)),
        // Quotes and backslashes are JSON's own here.
        value => {
            let text = value.to_string();
            let cut: String = text.chars().take(SHOWN_CHARACTERS_MAX).collect();
            if cut.len() < text.len() {
                format!("{cut}…")
            } else {
                cut
            }
        }
    }
}

fn is_near(one: &Number, other: &Number, tolerance: f64) -> bool {
    match (whole(one), whole(other)) {
        // Exactly, since floats may round both to the same value.
        (Some(one), Some(other)) => one == other || (one.abs_diff(other) as f64) <= tolerance,
        _ => match (one.as_f64(), other.as_f64()) {
            (Some(one), Some(other)) => near(one, other, tolerance),
            _ => false,
        },
    }
}

fn whole(number: &Number) -> Option<i128> {
    number
        .as_i64()
        .map(i128::from)
        .or_else(|| number.as_u64().map(i128::from))
}

/// Both texts, or the windows around their first difference when they are long.
fn windows(expected: &str, got: &str) -> (String, String) {
    let is_short = |text: &str| text.chars().nth(SHOWN_CHARACTERS_MAX).is_none();
    if is_short(expected) && is_short(got) {
        return (
            format!("\"{}\"", shown(expected)),
            format!("\"{}\"", shown(got)),
        );
    }
    let same = expected
        .chars()
        .zip(got.chars())
        .take_while(|(one, other)| one == other)
        .count();
    let from = same.saturating_sub(WINDOW);
    let window = |text: &str| {
        let part: String = text.chars().skip(from).take(2 * WINDOW).collect();
        let before = if from > 0 { "…" } else { "" };
        let behind = if text.chars().nth(from + 2 * WINDOW).is_some() {
            "…"
        } else {
            ""
        };
        format!("\"{before}{}{behind}\"", shown(&part))
    };
    (
        window(expected),
        format!(
            "{}; they differ from character {} on",
            window(got),
            same + 1
        ),
    )
}

/// The same for bytes that are not text.
fn raw(expected: &[u8], got: &[u8]) -> (String, String) {
    let same = expected
        .iter()
        .zip(got)
        .take_while(|(one, other)| one == other)
        .count();
    if same < BYTES_SHOWN_MAX {
        return (
            Element::Bytes(expected).to_string(),
            Element::Bytes(got).to_string(),
        );
    }
    let window = |bytes: &[u8]| {
        let part = bytes.iter().skip(same).take(BYTES_SHOWN_MAX);
        let part: String = part.map(|byte| format!(" {byte:02x}")).collect();
        let behind = if bytes.len() > same + BYTES_SHOWN_MAX {
            " …"
        } else {
            ""
        };
        format!("{} bytes, from byte {same} on{part}{behind}", bytes.len())
    };
    (window(expected), window(got))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(expected: &str, got: &str, tolerance: f64, expect: &[&str]) {
        let lines: Vec<String> = differences(expected.as_bytes(), got.as_bytes(), tolerance, 3)
            .into_iter()
            .map(
                |Differs {
                     path,
                     expected,
                     got,
                 }| format!("{path}: {expected} | {got}"),
            )
            .collect();
        assert_eq!(lines, expect, "{expected} / {got}");
    }

    #[test]
    fn json_is_compared_by_what_it_says() {
        check(
            r#"{"a": 1, "b": [0.5]}"#,
            r#"{ "b":[0.50], "a":1.0 }"#,
            0.0,
            &[],
        );
        check(r#"{"score": 0.91}"#, r#"{"score": 0.905}"#, 0.01, &[]);
        check(
            r#"{"score": 0.91}"#,
            r#"{"score": 0.905}"#,
            1e-3,
            &[".score: 0.91 | 0.905 (tolerance 0.001)"],
        );
        check(
            "[18446744073709551615]",
            "[18446744073709551614]",
            0.0,
            &["[0]: 18446744073709551615 | 18446744073709551614 (tolerance 0)"],
        );
    }

    #[test]
    fn each_value_that_differs_has_its_path() {
        check(
            r#"{"boxes": [{"x": 1, "a b": "l"}], "n": null}"#,
            r#"{"boxes": [{"x": 2, "a b": "r"}], "m": []}"#,
            0.0,
            &[
                r#".boxes[0]["a b"]: "l" | "r""#,
                ".boxes[0].x: 1 | 2 (tolerance 0)",
                ".m: nothing | []",
            ],
        );
        check("[1, 2]", "[1]", 0.0, &[": 2 items | 1 items"]);
        check(
            r#"{"a": {"b": 1}}"#,
            r#"{"a": [1]}"#,
            0.0,
            &[r#".a: {"b":1} | [1]"#],
        );
    }

    #[test]
    fn what_is_no_object_and_no_list_is_a_text() {
        check("5", "5.0", 1.0, &[": \"5\" | \"5.0\""]);
        check("{", "{ ", 1.0, &[": \"{\" | \"{ \""]);
        check("[1]", "x", 1.0, &[": \"[1]\" | \"x\""]);
    }

    #[test]
    fn long_texts_show_where_they_differ() {
        let text = |end: &str| format!("{}{end}{}", "x".repeat(100), "y".repeat(100));
        let (before, behind) = ("x".repeat(32), "y".repeat(31));
        check(
            &text("a"),
            &text("b"),
            0.0,
            &[&format!(
                ": \"…{before}a{behind}…\" | \"…{before}b{behind}…\"; they differ from character 101 on"
            )],
        );
        let bytes = |end: u8| [vec![0xff; 40], vec![end]].concat();
        let [Differs { expected, got, .. }] = &differences(&bytes(1), &bytes(2), 0.0, 3)[..] else {
            panic!()
        };
        assert_eq!(
            (expected.as_str(), got.as_str()),
            (
                "41 bytes, from byte 40 on 01",
                "41 bytes, from byte 40 on 02"
            )
        );
    }
}
