//! A manifest as written: a tree of values, each with its place. The meaning of keys is not known
//! here.
//!
//! Scalars follow YAML 1.2's core schema: `null`, `~` and nothing are null; `true` and `false` are
//! booleans; `yes`, `on` and `64MiB` are text. Numbers keep their digits as written, for messages.
//! Bound: the reader's, on depth.

use serde_json::{Map, Number, Value};

use super::problem::{KeyPath, Place, Step};
use crate::suggest::shown;

/// A value and where it starts.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub place: Place,
    pub data: Data,
}

#[derive(Clone, Debug)]
pub(super) enum Data {
    Null,
    Bool(bool),
    Number {
        written: String,
        value: Number,
    },
    /// A number that JSON, and so a guest's settings, can't represent.
    Unfit {
        written: String,
        why: &'static str,
    },
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
    /// A value that the reader has reported already.
    Refused,
}

/// A key, where it stands, and its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub key: String,
    pub place: Place,
    pub value: Node,
}

impl Node {
    /// The kind of value, for "expected …, found …".
    pub(super) fn describe(&self) -> String {
        match &self.data {
            Data::Null => "nothing".to_owned(),
            Data::Bool(value) => format!("the boolean {value}"),
            Data::Number { written, .. } | Data::Unfit { written, .. } => {
                format!("the number {}", shown(written))
            }
            Data::Text(text) => format!("the text `{}`", shown(text)),
            Data::List(_) => "a list".to_owned(),
            Data::Map(_) | Data::Refused => "a mapping".to_owned(),
        }
    }

    /// The place of the value at the path, or of the deepest value on it that exists. When the
    /// value is a mapping or a list, the place is that of its key.
    pub(super) fn locate(&self, path: &KeyPath) -> Place {
        let (mut node, mut place) = (self, self.place);
        for step in path.steps() {
            let next = match (step, &node.data) {
                (Step::Index(index), Data::List(items)) => {
                    items.get(*index).map(|item| (item, item.place))
                }
                (Step::Key(key), Data::Map(entries)) => entries
                    .iter()
                    .find(|entry| entry.key == *key)
                    .map(|Entry { place, value, .. }| match value.data {
                        Data::Map(_) | Data::List(_) => (value, *place),
                        _ => (value, value.place),
                    }),
                _ => None,
            };
            match next {
                Some((next, there)) => (node, place) = (next, there),
                None => break,
            }
        }
        place
    }

    /// The tree of a JSON document, which has no places.
    pub(super) fn from_json(value: &Value) -> Self {
        let data = match value {
            Value::Null => Data::Null,
            Value::Bool(value) => Data::Bool(*value),
            Value::Number(number) => Data::Number {
                written: number.to_string(),
                value: whole(number),
            },
            Value::String(text) => Data::Text(text.clone()),
            Value::Array(items) => Data::List(items.iter().map(Self::from_json).collect()),
            Value::Object(entries) => Data::Map(
                entries
                    .iter()
                    .map(|(key, value)| Entry {
                        key: key.clone(),
                        place: Place::START,
                        value: Self::from_json(value),
                    })
                    .collect(),
            ),
        };
        Self {
            place: Place::START,
            data,
        }
    }

    /// The value as JSON. What JSON can't represent goes to `refuse`, with the path to it.
    pub(super) fn to_json(
        &self,
        path: &mut KeyPath,
        refuse: &mut impl FnMut(&KeyPath, Place, String),
    ) -> Value {
        match &self.data {
            Data::Null | Data::Refused => Value::Null,
            Data::Bool(value) => Value::Bool(*value),
            Data::Number { value, .. } => Value::Number(value.clone()),
            Data::Text(text) => Value::String(text.clone()),
            Data::Unfit { written, why } => {
                refuse(path, self.place, format!("{} {why}", shown(written)));
                Value::Null
            }
            Data::List(items) => Value::Array(
                items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| item.to_json_under(Step::Index(index), path, refuse))
                    .collect(),
            ),
            Data::Map(entries) => {
                let mut map = Map::new();
                for Entry { key, value, .. } in entries {
                    map.insert(
                        key.clone(),
                        value.to_json_under(Step::Key(key.clone()), path, refuse),
                    );
                }
                Value::Object(map)
            }
        }
    }

    fn to_json_under(
        &self,
        step: Step,
        path: &mut KeyPath,
        refuse: &mut impl FnMut(&KeyPath, Place, String),
    ) -> Value {
        path.push(step);
        let value = self.to_json(path, refuse);
        path.pop();
        value
    }
}

impl Data {
    /// The meaning of a scalar without quotes.
    pub(super) fn plain(text: String) -> Self {
        match text.as_str() {
            "" | "~" | "null" | "Null" | "NULL" => Self::Null,
            "true" | "True" | "TRUE" => Self::Bool(true),
            "false" | "False" | "FALSE" => Self::Bool(false),
            ".nan" | ".NaN" | ".NAN" => Self::unfit(text, "isn't a number that JSON has"),
            _ if is_infinity(&text) => Self::unfit(text, "isn't a number that JSON has"),
            _ => match Shape::of(&text) {
                Shape::Text => Self::Text(text),
                Shape::Integer(radix) => Self::integer(text, radix),
                Shape::Float => Self::float(text),
            },
        }
    }

    fn unfit(written: String, why: &'static str) -> Self {
        Self::Unfit { written, why }
    }

    fn integer(written: String, radix: u32) -> Self {
        let digits = if radix == 10 {
            written.as_str()
        } else {
            &written[2..]
        };
        match (
            i64::from_str_radix(digits, radix),
            u64::from_str_radix(digits, radix),
        ) {
            (Ok(value), _) => Self::Number {
                written,
                value: value.into(),
            },
            (_, Ok(value)) => Self::Number {
                written,
                value: value.into(),
            },
            _ => Self::unfit(
                written,
                "needs more than 64 bits; quote it, or write it with an exponent",
            ),
        }
    }

    fn float(written: String) -> Self {
        match written.parse::<f64>().ok().and_then(Number::from_f64) {
            Some(value) => Self::Number {
                written,
                value: whole(&value),
            },
            None => Self::unfit(written, "is larger than any 64-bit float"),
        }
    }
}

/// The kind of number that a plain scalar is, by the core schema.
enum Shape {
    Text,
    Integer(u32),
    Float,
}

impl Shape {
    fn of(text: &str) -> Self {
        if let Some(digits) = text.strip_prefix("0x") {
            let hex = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            return if hex { Self::Integer(16) } else { Self::Text };
        }
        if let Some(digits) = text.strip_prefix("0o") {
            let octal =
                !digits.is_empty() && digits.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
            return if octal { Self::Integer(8) } else { Self::Text };
        }
        let (whole, rest) = digits(text.strip_prefix(['-', '+']).unwrap_or(text));
        if rest.is_empty() {
            return if whole > 0 {
                Self::Integer(10)
            } else {
                Self::Text
            };
        }
        let (fraction, rest) = rest.strip_prefix('.').map_or((0, rest), digits);
        let Some(exponent) = rest.strip_prefix(['e', 'E']) else {
            return if whole + fraction > 0 && rest.is_empty() {
                Self::Float
            } else {
                Self::Text
            };
        };
        let (exponent, rest) = digits(exponent.strip_prefix(['-', '+']).unwrap_or(exponent));
        if whole + fraction > 0 && exponent > 0 && rest.is_empty() {
            Self::Float
        } else {
            Self::Text
        }
    }
}

/// The number of digits, and the text after them.
fn digits(text: &str) -> (usize, &str) {
    let count = text.bytes().take_while(u8::is_ascii_digit).count();
    (count, &text[count..])
}

fn is_infinity(text: &str) -> bool {
    matches!(
        text.strip_prefix(['-', '+']).unwrap_or(text),
        ".inf" | ".Inf" | ".INF"
    )
}

/// One number has one form: a whole float that fits 64 bits becomes the integer of the same value,
/// so that `1.0` and `1`, or `1e3` and `1000`, are the same settings.
pub(super) fn whole(number: &Number) -> Number {
    let Some(float) = number
        .as_f64()
        .filter(|float| number.is_f64() && float.fract() == 0.0)
    else {
        return number.clone();
    };
    // Both bounds are powers of two, so the comparison is exact, and every whole float between them
    // converts exactly.
    const U64_END: f64 = 18_446_744_073_709_551_616.0;
    const I64_START: f64 = -9_223_372_036_854_775_808.0;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "whole, and inside the integer's range"
    )]
    if (0.0..U64_END).contains(&float) {
        Number::from(float as u64)
    } else if (I64_START..0.0).contains(&float) {
        Number::from(float as i64)
    } else {
        number.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> String {
        let node = Node {
            place: Place::START,
            data: Data::plain(text.to_owned()),
        };
        let mut refused = String::new();
        let value = node.to_json(&mut KeyPath::default(), &mut |_, _, message| {
            refused = message;
        });
        if refused.is_empty() {
            value.to_string()
        } else {
            refused
        }
    }

    #[test]
    fn plain_scalars_mean_what_the_core_schema_says() {
        for (text, expect) in [
            ("", "null"),
            ("~", "null"),
            ("True", "true"),
            ("yes", "\"yes\""),
            ("64MiB", "\"64MiB\""),
            ("12", "12"),
            ("-12", "-12"),
            ("+12", "12"),
            ("007", "7"),
            ("0x1F", "31"),
            ("0o17", "15"),
            ("0x", "\"0x\""),
            ("0o8", "\"0o8\""),
            ("18446744073709551615", "18446744073709551615"),
            (
                "18446744073709551616",
                "18446744073709551616 needs more than 64 bits; quote it, or write it with an exponent",
            ),
            (
                "-9223372036854775809",
                "-9223372036854775809 needs more than 64 bits; quote it, or write it with an exponent",
            ),
            ("1.5", "1.5"),
            (".5", "0.5"),
            ("5.", "5"),
            ("1e3", "1000"),
            ("1.0", "1"),
            ("-0.0", "0"),
            ("1e-3", "0.001"),
            ("1e400", "1e400 is larger than any 64-bit float"),
            (".", "\".\""),
            ("-", "\"-\""),
            ("1e", "\"1e\""),
            ("1.2.3", "\"1.2.3\""),
            ("inf", "\"inf\""),
            ("-.inf", "-.inf isn't a number that JSON has"),
            (".NaN", ".NaN isn't a number that JSON has"),
            ("1_000", "\"1_000\""),
        ] {
            assert_eq!(json(text), expect, "{text}");
        }
    }

    #[test]
    fn whole_floats_become_integers_up_to_64_bits() {
        for (float, expect) in [
            (9_007_199_254_740_994.0, "9007199254740994"),
            (18_446_744_073_709_549_568.0, "18446744073709549568"),
            (18_446_744_073_709_551_616.0, "1.8446744073709552e19"),
            (-9_223_372_036_854_775_808.0, "-9223372036854775808"),
            (0.5, "0.5"),
        ] {
            assert_eq!(
                whole(&Number::from_f64(float).unwrap())
                    .to_string()
                    .replace("e+", "e"),
                expect
            );
        }
    }
}
