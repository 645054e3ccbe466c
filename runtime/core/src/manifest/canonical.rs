//! The canonical JSON text of a value: equal values have equal texts, so a digest of the text is a
//! digest of the value.
//!
//! As RFC 8785: no white space, keys sorted by their UTF-16 code units, the shortest escapes,
//! floats with the fewest digits that read back as the same number. One difference: an integer
//! keeps all its digits however large, where the RFC would round it to a float beyond 2^53. Numbers
//! count by value: `1.0` and `1e0` are `1`, and `-0.0` is `0`.

use serde_json::{Number, Value};

use super::node::whole;

/// The canonical text of a value.
pub fn canonical_text(value: &Value) -> String {
    let mut text = String::new();
    write(&mut text, value);
    text
}

fn write(text: &mut String, value: &Value) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(true) => text.push_str("true"),
        Value::Bool(false) => text.push_str("false"),
        Value::Number(number) => write_number(text, number),
        Value::String(string) => write_string(text, string),
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write(text, item);
            }
            text.push(']');
        }
        Value::Object(map) => {
            let mut entries: Vec<(&String, &Value)> = map.iter().collect();
            entries.sort_by(|(one, _), (other, _)| one.encode_utf16().cmp(other.encode_utf16()));
            text.push('{');
            for (index, (key, value)) in entries.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_string(text, key);
                text.push(':');
                write(text, value);
            }
            text.push('}');
        }
    }
}

fn write_string(text: &mut String, string: &str) {
    text.push('"');
    for character in string.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\u{8}' => text.push_str("\\b"),
            '\t' => text.push_str("\\t"),
            '\n' => text.push_str("\\n"),
            '\u{c}' => text.push_str("\\f"),
            '\r' => text.push_str("\\r"),
            '\0'..='\u{1f}' => text.push_str(&format!("\\u{:04x}", u32::from(character))),
            _ => text.push(character),
        }
    }
    text.push('"');
}

fn write_number(text: &mut String, number: &Number) {
    let number = whole(number);
    match number.as_f64().filter(|_| number.is_f64()) {
        Some(float) => write_float(text, float),
        None => text.push_str(&number.to_string()),
    }
}

/// ECMAScript's notation: digits alone up to 21 of them, a point down to 1e-6, an exponent beyond.
fn write_float(text: &mut String, float: f64) {
    // "d.ddde-7": the fewest digits that read back as the same number, and the exponent of the
    // first.
    let shortest = format!("{float:e}");
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = mantissa
        .strip_prefix('-')
        .map_or(("", mantissa), |mantissa| ("-", mantissa));
    let digits = mantissa.replace('.', "");
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let point = exponent.saturating_add(1);
    text.push_str(sign);
    let zeros = |many: i32| "0".repeat(usize::try_from(many).unwrap_or(0));
    match point {
        _ if count <= point && point <= 21 => {
            text.push_str(&format!("{digits}{}", zeros(point - count)));
        }
        1..=21 => {
            let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap_or(0));
            text.push_str(&format!("{whole}.{fraction}"));
        }
        -5..=0 => text.push_str(&format!("0.{}{digits}", zeros(-point))),
        _ => {
            let (first, rest) = digits.split_at(1);
            let dot = if rest.is_empty() { "" } else { "." };
            text.push_str(&format!("{first}{dot}{rest}e{exponent:+}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn one_text_for_one_value() {
        for (value, expect) in [
            (
                json!({"b": 1, "a": [true, null, "x"], "": {}}),
                r#"{"":{},"a":[true,null,"x"],"b":1}"#,
            ),
            // By code units a surrogate pair comes before U+FB33, by characters after it.
            (
                json!({"\u{fb33}": 1, "😀": 2, "é": 3}),
                "{\"é\":3,\"😀\":2,\"\u{fb33}\":1}",
            ),
            (
                json!("\u{1}\u{8}\t\n\u{c}\r\"\\/\u{7f}é"),
                "\"\\u0001\\b\\t\\n\\f\\r\\\"\\\\/\u{7f}é\"",
            ),
            (
                json!([1.0, 1e3, -0.0, 0.5, 100.25]),
                "[1,1000,0,0.5,100.25]",
            ),
            (
                json!([1e-6, 1e-7, 1.5e-9, 123e-8]),
                "[0.000001,1e-7,1.5e-9,0.00000123]",
            ),
            (
                json!([1e20, 1e21, 1.5e300, -2.5e-7]),
                "[100000000000000000000,1e+21,1.5e+300,-2.5e-7]",
            ),
            (
                json!([u64::MAX, i64::MIN, 9_007_199_254_740_993_u64]),
                "[18446744073709551615,-9223372036854775808,9007199254740993]",
            ),
            (
                json!([f64::MAX, f64::MIN_POSITIVE, 5e-324]),
                "[1.7976931348623157e+308,2.2250738585072014e-308,5e-324]",
            ),
        ] {
            assert_eq!(canonical_text(&value), expect);
        }
    }

    proptest! {
        #[test]
        fn a_float_reads_back_as_itself(bits: u64) {
            let float = f64::from_bits(bits);
            if let Some(number) = Number::from_f64(float) {
                let text = canonical_text(&Value::Number(number));
                prop_assert_eq!(text.parse::<f64>().unwrap(), float, "{}", text);
                let back: Value = serde_json::from_str(&text).unwrap();
                prop_assert_eq!(canonical_text(&back), text);
            }
        }
    }
}
