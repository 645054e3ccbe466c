//! Retired words: words for people that were used for programs and connections, and metaphors for
//! which the field has a term.

use crate::source::{File, Finding};

/// The word or phrase, in lower case, and what to write.
const WORDS: &[(&str, &str)] = &[
    ("whoever", "name the program, the caller or the thread"),
    ("somebody", "name the program, the caller or the reader"),
    ("someone", "name the program, the caller or the reader"),
    ("nobody", "say what does not happen"),
    ("whom", "name what is meant"),
    ("in the box", "bundled"),
    ("the wall", "the ABI"),
    ("room of its own", "module of its own"),
    ("attic", "name the module"),
    ("clerk", "journal handle"),
];

/// Files that may hold them: this list, the history of changes, and scripts with sample texts from
/// which golden files are made.
const EXCEPTIONS: &[&str] = &[
    "tests/tidy/words.rs",
    "CHANGELOG.md",
    "examples/file-type/golden.py",
    "examples/search/reference.py",
    "plugins/text/reference/make.py",
];

pub(crate) fn check(file: &File) -> Vec<Finding> {
    if EXCEPTIONS.contains(&file.path.as_str()) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(file.text.lines()) {
        let line = line.to_lowercase();
        for (word, instead) in WORDS.iter().filter(|(word, _)| holds(&line, word)) {
            findings.push(file.finding(number, format!("says `{word}`; {instead}")));
        }
    }
    findings
}

/// Whether a line holds a phrase as whole words.
fn holds(line: &str, phrase: &str) -> bool {
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    line.match_indices(phrase).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + phrase.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_in_prose_code_and_text() {
        let found = |text: &str| check(&File::new("docs/a.md", text)).len();
        assert_eq!(found("Nobody waits."), 1);
        assert_eq!(found("the wall\nis in the box"), 2);
        assert_eq!(found("the wallet, in the boxes; nobody_waits"), 0);
        assert!(check(&File::new("CHANGELOG.md", "nobody")).is_empty());
    }
}
