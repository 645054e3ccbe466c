//! Texts that people read, kept in `tests/golden` so that a change of them shows in review.
//!
//! `cargo xtask golden` writes them anew.

use std::fs;

use super::root;

/// Compares a text with `tests/golden/<name>.txt`.
#[track_caller]
pub(crate) fn check(name: &str, text: &str) {
    if let Some(difference) = difference(name, text) {
        panic!("{difference}");
    }
}

/// What differs, for tests that compare several. With `UPDATE_GOLDENS=1` the file is written
/// instead.
pub(crate) fn difference(name: &str, text: &str) -> Option<String> {
    let path = root().join("tests/golden").join(format!("{name}.txt"));
    // A file of text ends with a line's end.
    let text = format!("{}\n", text.trim_end());
    if std::env::var_os("UPDATE_GOLDENS").is_some_and(|update| update == "1") {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        return None;
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    (golden != text).then(|| {
        format!(
            "tests/golden/{name}.txt is another; `cargo xtask golden` if that is meant\n--- had\n{golden}\
             --- has\n{text}"
        )
    })
}

/// The text with each `sha256:…` cut short: the digest of what a compiler makes is not the same
/// everywhere.
pub(crate) fn without_digests(text: &str) -> String {
    let mut pieces = text.split("sha256:");
    let mut short = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        short.push_str("sha256:DIGEST");
        short.push_str(piece.trim_start_matches(|character: char| character.is_ascii_hexdigit()));
    }
    short
}
