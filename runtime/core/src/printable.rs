//! Makes untrusted text safe for a log line or a terminal.
//!
//! Some characters control a terminal, forge a line, or show text in another order than it has:
//! control characters (C0, DEL, C1), line and paragraph separators, and the marks that control
//! bidirectional text. They are escaped as JSON escapes them, `\u001b`, so that JSON stays the same
//! JSON. Everything else stays unchanged. Text without such characters is borrowed: nothing is
//! allocated. Bound: none; [`cut`] gives text one.

use std::borrow::Cow;
use std::fmt;

/// Bytes that [`cut`] reserves for its note.
const NOTE_BYTES: usize = 40;

/// Whether a character may not reach a log or a terminal as it is.
pub fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            // Arabic letter mark; left-to-right and right-to-left marks; separators, embeddings and
            // overrides; isolates; the mark of byte order.
            '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
        )
}

/// The first character that may not reach a log or a terminal as it is.
pub fn first_unprintable(text: &str) -> Option<char> {
    text.chars().find(|character| is_unprintable(*character))
}

/// The text on one line: line breaks are escaped too.
pub fn one_line(text: &str) -> Cow<'_, str> {
    written_out(text, |_| true)
}

/// The text with its own lines: line breaks and tabs stay.
pub fn lines(text: &str) -> Cow<'_, str> {
    written_out(text, |character| !matches!(character, '\n' | '\t'))
}

/// The text on one line, where it is formatted.
#[derive(Clone, Copy, Debug)]
pub struct Printable<'a>(pub &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&one_line(self.0))
    }
}

/// The text cut to at most `bytes_max` bytes. The bytes cut off are counted: `… (12 bytes more)`.
pub fn cut(mut text: String, bytes_max: usize) -> String {
    if text.len() > bytes_max {
        let keep = text.floor_char_boundary(bytes_max.saturating_sub(NOTE_BYTES));
        let more = text.len() - keep;
        text.truncate(keep);
        // Otherwise a short text would keep the memory of a long one.
        text.shrink_to(bytes_max);
        text.push_str(&format!("… ({more} bytes more)"));
    }
    text
}

/// The same for a value that is not formatted yet: at most `bytes_max` bytes are in memory,
/// whatever its length.
pub fn within(text: impl fmt::Display, bytes_max: usize) -> String {
    let mut within = Within {
        text: String::new(),
        keep: bytes_max.saturating_sub(NOTE_BYTES),
        bytes_max,
        bytes: 0,
    };
    // Writing does not fail; if the value's `Display` does, the text before the failure is kept.
    let _ = fmt::Write::write_fmt(&mut within, format_args!("{text}"));
    let Within {
        mut text,
        keep,
        bytes,
        ..
    } = within;
    if bytes > bytes_max {
        text.truncate(text.floor_char_boundary(keep));
        text.push_str(&format!("… ({} bytes more)", bytes - text.len()));
    }
    text
}

/// Keeps the beginning and counts the rest.
struct Within {
    text: String,
    keep: usize,
    bytes_max: usize,
    /// Bytes of everything that was written.
    bytes: usize,
}

impl fmt::Write for Within {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        // After a piece that was cut, no later one may follow.
        if self.text.len() == self.bytes {
            let free = self.bytes_max - self.text.len();
            self.text
                .push_str(&piece[..piece.floor_char_boundary(free)]);
        }
        self.bytes += piece.len();
        Ok(())
    }
}

fn written_out(text: &str, is_asked: impl Fn(char) -> bool) -> Cow<'_, str> {
    let must_escape = |character: char| is_unprintable(character) && is_asked(character);
    let Some(first) = text.find(must_escape) else {
        return Cow::Borrowed(text);
    };
    let mut out = String::with_capacity(text.len() + 16);
    out.push_str(&text[..first]);
    for character in text[first..].chars() {
        match character {
            _ if !must_escape(character) => out.push(character),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // All of them have four digits.
            _ => out.push_str(&format!("\\u{:04x}", u32::from(character))),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_drives_a_terminal_is_written_out() {
        for (text, line, kept) in [
            (
                "plain, Grüße, 你好, 👩‍🔬, ש",
                "plain, Grüße, 你好, 👩‍🔬, ש",
                "plain, Grüße, 你好, 👩‍🔬, ש",
            ),
            (
                "\u{1b}[31mred\u{9b}0m",
                "\\u001b[31mred\\u009b0m",
                "\\u001b[31mred\\u009b0m",
            ),
            (
                "a\r\n\tb\0\u{7f}",
                "a\\r\\n\\tb\\u0000\\u007f",
                "a\\r\n\tb\\u0000\\u007f",
            ),
            (
                "\u{200e}\u{200f}\u{202a}\u{202e}",
                "\\u200e\\u200f\\u202a\\u202e",
                "\\u200e\\u200f\\u202a\\u202e",
            ),
            (
                "\u{2066}\u{2069}\u{feff}\u{61c}",
                "\\u2066\\u2069\\ufeff\\u061c",
                "\\u2066\\u2069\\ufeff\\u061c",
            ),
            ("\u{2028}\u{2029}", "\\u2028\\u2029", "\\u2028\\u2029"),
        ] {
            assert_eq!(
                (one_line(text).as_ref(), lines(text).as_ref()),
                (line, kept),
                "{text:?}"
            );
            assert_eq!(Printable(text).to_string(), line);
        }
        assert!(matches!(one_line("nothing to do"), Cow::Borrowed(_)));
        assert_eq!(first_unprintable("ab\u{202e}c\n"), Some('\u{202e}'));
    }

    #[test]
    fn what_is_cut_off_is_counted() {
        assert_eq!(cut("short".into(), 5), "short");
        assert_eq!(
            cut("x".repeat(1000), 100),
            format!("{}… (940 bytes more)", "x".repeat(60))
        );
        // A character is never cut in two.
        assert_eq!(
            cut("€".repeat(1000), 100),
            format!("{}… (2940 bytes more)", "€".repeat(20))
        );
    }

    proptest! {
        #[test]
        fn whatever_it_was_it_is_harmless_and_within_its_bound(
            text in any::<String>(),
            bytes_max in 64_usize..200,
        ) {
            prop_assert_eq!(first_unprintable(&one_line(&text)), None);
            let harmless = |c| matches!(c, '\n' | '\t') || !is_unprintable(c);
            prop_assert!(lines(&text).chars().all(harmless));
            let cut = cut(text, bytes_max);
            prop_assert!(cut.len() <= bytes_max);
        }

        #[test]
        fn what_is_formatted_is_cut_as_what_is_there(
            pieces in prop::collection::vec(any::<String>(), 0..20), bytes_max in 64_usize..200
        ) {
            struct Pieces<'a>(&'a [String]);
            impl fmt::Display for Pieces<'_> {
                fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                    self.0.iter().try_for_each(|piece| formatter.write_str(piece))
                }
            }
            prop_assert_eq!(within(Pieces(&pieces), bytes_max), cut(pieces.concat(), bytes_max));
        }

        #[test]
        fn json_stays_the_same_json(text: String) {
            let json = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(serde_json::from_str::<String>(&one_line(&json)).unwrap(), text);
        }
    }
}
