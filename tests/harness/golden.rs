//! User-visible texts, stored in `tests/golden` so that reviews show their changes.
//!
//! `cargo xtask golden` updates them.

use std::fs;

use super::root;

/// Compares a text with `tests/golden/<name>.txt`.
#[track_caller]
pub(crate) fn check(name: &str, text: &str) {
    if let Some(difference) = difference(name, text) {
        panic!("{difference}");
    }
}

/// The difference, for tests that compare several files. With `UPDATE_GOLDENS=1` it writes the file
/// instead.
pub(crate) fn difference(name: &str, text: &str) -> Option<String> {
    let path = root().join("tests/golden").join(format!("{name}.txt"));
    // A text file ends with a newline.
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

/// The text with each `sha256:…` shortened: the digest of compiled code differs between machines.
pub(crate) fn without_digests(text: &str) -> String {
    let mut pieces = text.split("sha256:");
    let mut short = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        short.push_str("sha256:DIGEST");
        short.push_str(piece.trim_start_matches(|character: char| character.is_ascii_hexdigit()));
    }
    short
}
