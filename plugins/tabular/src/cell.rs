//! One value of a row, from any source, and its conversions.
//!
//! A message shows the first [`SHOWN_CHARS_MAX`] characters of a value.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Maximum characters of a client's text in a message.
const SHOWN_CHARS_MAX: usize = 40;

/// One value of a row.
#[derive(Clone, Debug)]
pub(crate) enum Cell<'a> {
    Missing,
    Number(f64),
    Boolean(bool),
    /// Usually UTF-8, but not validated.
    Text(Cow<'a, [u8]>),
    /// A JSON value of an unsupported type, described in words.
    Other(&'static str),
}

/// The texts that mean a missing value, sorted.
#[derive(Debug)]
pub(crate) struct MissingTexts(Vec<String>);

impl MissingTexts {
    pub(crate) fn new(mut texts: Vec<String>) -> Self {
        texts.sort_unstable();
        Self(texts)
    }

    fn has(&self, text: &[u8]) -> bool {
        self.0
            .binary_search_by(|missing| missing.as_bytes().cmp(text))
            .is_ok()
    }
}

impl<'a> Cell<'a> {
    pub(crate) const fn text(bytes: &'a [u8]) -> Self {
        Self::Text(Cow::Borrowed(bytes))
    }

    /// The same value, without a copy of its text.
    pub(crate) fn lend(&self) -> Cell<'_> {
        match self {
            Self::Missing => Cell::Missing,
            Self::Number(number) => Cell::Number(*number),
            Self::Boolean(boolean) => Cell::Boolean(*boolean),
            Self::Text(text) => Cell::text(text),
            Self::Other(what) => Cell::Other(what),
        }
    }

    /// Whether the value is missing: no value, a NaN, or a text that means missing.
    pub(crate) fn is_missing(&self, texts: &MissingTexts) -> bool {
        match self {
            Self::Missing => true,
            Self::Number(number) => number.is_nan(),
            Self::Text(text) => texts.has(text.trim_ascii()),
            Self::Boolean(_) | Self::Other(_) => false,
        }
    }

    /// The number, or the number in the text. `None` if it is not finite or not a number.
    pub(crate) fn number(&self) -> Option<f64> {
        let number = match self {
            Self::Number(number) => *number,
            Self::Text(text) => str::from_utf8(text.trim_ascii()).ok()?.parse().ok()?,
            Self::Missing | Self::Boolean(_) | Self::Other(_) => return None,
        };
        number.is_finite().then_some(number)
    }

    /// True or false, in any of the common forms.
    pub(crate) fn boolean(&self) -> Option<bool> {
        match self {
            Self::Boolean(boolean) => Some(*boolean),
            Self::Text(text) if is_one_of(text, [b"true", b"yes"]) => Some(true),
            Self::Text(text) if is_one_of(text, [b"false", b"no"]) => Some(false),
            _ => match self.number() {
                Some(1.0) => Some(true),
                Some(0.0) => Some(false),
                _ => None,
            },
        }
    }
}

fn is_one_of(text: &[u8], words: [&[u8]; 2]) -> bool {
    words
        .iter()
        .any(|word| text.trim_ascii().eq_ignore_ascii_case(word))
}

/// The value as shown in messages.
impl fmt::Display for Cell<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("missing"),
            Self::Number(number) => write!(f, "{number:?}"),
            Self::Boolean(boolean) => write!(f, "{boolean}"),
            Self::Text(text) => write!(f, "`{}`", shown(text)),
            Self::Other(what) => f.write_str(what),
        }
    }
}

/// The beginning of a text, on one line.
pub(crate) fn shown(text: &[u8]) -> String {
    let length = text.len().min(4 * SHOWN_CHARS_MAX + 4);
    let text = String::from_utf8_lossy(&text[..length]);
    let mut shown = String::new();
    for (index, char) in text.chars().enumerate() {
        if index == SHOWN_CHARS_MAX {
            shown.push('…');
            break;
        }
        if char.is_control() {
            shown.extend(char.escape_default());
        } else {
            shown.push(char);
        }
    }
    shown
}

/// A JSON value. Nested values are read and dropped.
impl<'de> Deserialize<'de> for Cell<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Cell<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_unit<E>(self) -> Result<Cell<'de>, E> {
                Ok(Cell::Missing)
            }

            fn visit_bool<E>(self, boolean: bool) -> Result<Cell<'de>, E> {
                Ok(Cell::Boolean(boolean))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Cell<'de>, E> {
                Ok(Cell::Number(number as f64))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Cell<'de>, E> {
                Ok(Cell::Number(number as f64))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Cell<'de>, E> {
                Ok(Cell::Number(number))
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Cell<'de>, E> {
                Ok(Cell::text(text.as_bytes()))
            }

            fn visit_str<E>(self, text: &str) -> Result<Cell<'de>, E> {
                Ok(Cell::Text(Cow::Owned(text.as_bytes().to_vec())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Cell<'de>, A::Error> {
                while elements.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Cell::Other("an array"))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Cell<'de>, A::Error> {
                while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Cell::Other("an object"))
            }
        }

        deserializer.deserialize_any(Any)
    }
}
