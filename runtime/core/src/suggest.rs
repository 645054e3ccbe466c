//! Words in messages: the known word nearest to an unknown one, lists of words, and untrusted text
//! made safe to show.
//!
//! A word is near when at most about a third of its characters are wrong; upper and lower case, `_`
//! and `-` count as equal. Bounds: words of more than [`WORD_BYTES_MAX`] bytes have no nearest
//! word, a list shows [`LIST_MAX`] words, untrusted text is cut after [`SHOWN_CHARACTERS_MAX`]
//! characters.

/// Longer words are not compared.
pub const WORD_BYTES_MAX: usize = 64;
/// Words of a list; further ones are counted.
pub const LIST_MAX: usize = 24;
/// Characters of untrusted text.
pub const SHOWN_CHARACTERS_MAX: usize = 80;

/// The known word that was probably meant.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > WORD_BYTES_MAX {
        return None;
    }
    let plain = plain(word);
    let allowed = (plain.chars().count() / 3).max(1);
    known
        .into_iter()
        .filter(|candidate| candidate.len() <= WORD_BYTES_MAX)
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&plain, &self::plain(candidate)),
                candidate,
            )
        })
        // Two words of one letter have nothing in common.
        .filter(|(distance, candidate)| {
            *distance <= allowed && *distance < candidate.chars().count()
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The end of a message about an unknown word: the nearest known one, or else all of them.
pub fn hint<'a>(word: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    if let Some(near) = nearest(word, known.clone()) {
        return format!("did you mean `{}`?", shown(near));
    }
    let mut known = known.into_iter().peekable();
    match known.peek() {
        Some(_) => format!("known: {}", list(known)),
        None => "there are none".to_owned(),
    }
}

/// `` `a`, `b` and `c` ``.
pub fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut more = 0_usize;
    for word in words {
        if parts.len() < LIST_MAX {
            parts.push(format!("`{}`", shown(word)));
        } else {
            more += 1;
        }
    }
    if more > 0 {
        parts.push(format!("{more} more"));
    }
    match parts.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, before)) => format!("{} and {last}", before.join(", ")),
        None => String::new(),
    }
}

/// Untrusted text in one line: control characters, quotes and backslashes escaped, the end cut off.
pub fn shown(text: &str) -> String {
    let mut line = String::new();
    for (index, character) in text.chars().enumerate() {
        if index == SHOWN_CHARACTERS_MAX {
            line.push('…');
            break;
        }
        // Apostrophes and accented letters are easier to read unescaped.
        match character {
            '\'' => line.push(character),
            _ => line.extend(character.escape_debug()),
        }
    }
    line
}

fn plain(word: &str) -> String {
    word.chars()
        .flat_map(char::to_lowercase)
        .map(|character| if character == '-' { '_' } else { character })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found() {
        let known = ["name", "role", "component", "output_bytes", "log_bytes"];
        for (word, near) in [
            ("componet", Some("component")),
            ("Component", Some("component")),
            ("output-bytes", Some("output_bytes")),
            ("rloe", Some("role")),
            ("outputBytes", Some("output_bytes")),
            ("image", None),
            ("", None),
            (&"x".repeat(1 << 20), None),
        ] {
            assert_eq!(nearest(word, known), near, "{word}");
        }
        assert_eq!(nearest("a", ["b"]), None);
    }

    #[test]
    fn a_hint_names_one_or_all() {
        assert_eq!(hint("nme", ["name", "role"]), "did you mean `name`?");
        assert_eq!(
            hint("image", ["name", "role", "files"]),
            "known: `name`, `role` and `files`"
        );
        assert_eq!(hint("image", ["name"]), "known: `name`");
        assert_eq!(hint("image", []), "there are none");
        let many: Vec<String> = (0..30).map(|index| format!("word-{index:02}")).collect();
        assert!(hint("image", many.iter().map(String::as_str)).ends_with("`word-23` and 6 more"));
    }

    #[test]
    fn text_from_outside_stays_on_its_line() {
        assert_eq!(
            shown("a\n\"b\"\u{1b}[31m é 'x'"),
            "a\\n\\\"b\\\"\\u{1b}[31m é 'x'"
        );
        assert_eq!(shown(&"é".repeat(81)), format!("{}…", "é".repeat(80)));
    }
}
