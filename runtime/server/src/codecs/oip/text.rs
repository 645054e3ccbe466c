//! Single JSON values, given as slices of the text.

use std::borrow::Cow;

/// The longest part of a client's text that a message repeats, in bytes.
const EXCERPT_BYTES_MAX: usize = 64;

/// The content of a JSON string. `None` when the text is another kind of value, or escapes half a
/// surrogate pair.
pub(super) fn string(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if inner.as_bytes().contains(&b'\\') {
        serde_json::from_str(raw).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

/// The length in bytes of the string at the start of `text`, quotes included. The syntax has been
/// checked, so the closing quote exists; without one, the whole text would count.
pub(super) fn string_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The value at the start of `text`; of an object or a list only a short prefix.
pub(super) fn token(text: &str) -> &str {
    let length = if text.starts_with('"') {
        string_length(text)
    } else {
        text.bytes()
            .position(|byte| matches!(byte, b',' | b']' | b' ' | b'\n' | b'\r' | b'\t'))
            .unwrap_or(text.len())
    };
    text.get(..length).unwrap_or(text)
}

/// A client's text, shortened for an error message.
pub(super) fn excerpt(text: &str) -> Cow<'_, str> {
    if text.len() <= EXCERPT_BYTES_MAX {
        return Cow::Borrowed(text);
    }
    let end = text.floor_char_boundary(EXCERPT_BYTES_MAX);
    Cow::Owned(format!("{}…", &text[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_unescaped_or_borrowed() {
        assert!(matches!(string(r#""plain""#), Some(Cow::Borrowed("plain"))));
        assert_eq!(
            string(r#""a\n\u00e9\ud83d\ude00\"""#).as_deref(),
            Some("a\né😀\"")
        );
        assert_eq!(string(r#""\ud83d""#), None);
        assert_eq!(string("5"), None);
        assert_eq!(string("\""), None);
    }

    #[test]
    fn a_token_ends_where_its_value_does() {
        assert_eq!(token("12, 3]"), "12");
        assert_eq!(token(r#""a\",]", 3]"#), r#""a\",]""#);
        assert_eq!(token("true]"), "true");
        assert_eq!(token(""), "");
    }

    #[test]
    fn an_excerpt_ends_between_characters() {
        assert_eq!(excerpt("short"), "short");
        assert_eq!(excerpt(&"é".repeat(40)), format!("{}…", "é".repeat(32)));
        assert_eq!(
            excerpt(&format!("a{}", "é".repeat(40))),
            format!("a{}…", "é".repeat(31))
        );
    }
}
