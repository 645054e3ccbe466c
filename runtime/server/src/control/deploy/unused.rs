//! Warns about files that a stage never opens: probably they have a wrong name.

use std::collections::{BTreeMap, BTreeSet};

use hotstage_core::digest::Digest;
use hotstage_core::name::FileName;
use hotstage_core::suggest::{list, nearest};

/// One warning for each file that the component did not open while it was being opened. This is no
/// error: the component may open the file later.
pub(super) fn warnings(
    given: &BTreeMap<FileName, Digest>,
    asked: &BTreeSet<String>,
) -> Vec<(String, String)> {
    let unused = given
        .keys()
        .map(FileName::as_str)
        .filter(|name| !asked.contains(*name));
    unused
        .map(|name| {
            (
                name.to_owned(),
                format!(
                    "the component did not open this file; {}",
                    hint(name, asked)
                ),
            )
        })
        .collect()
}

/// Hint for a missing file: a given file with a similar name. Appended to the component's own
/// message.
pub(super) fn meant(given: &BTreeMap<FileName, Digest>, asked: &BTreeSet<String>) -> String {
    let missing: Vec<&str> = asked
        .iter()
        .map(String::as_str)
        .filter(|name| !has(given, name))
        .collect();
    let unused = given
        .keys()
        .map(FileName::as_str)
        .filter(|name| !asked.contains(*name));
    let meant = unused.filter_map(|name| Some((name, nearest(name, missing.iter().copied())?)));
    meant
        .map(|(name, near)| format!("; did you mean `{near}` by `{name}`?"))
        .collect()
}

fn has(given: &BTreeMap<FileName, Digest>, name: &str) -> bool {
    given.keys().any(|given| given.as_str() == name)
}

fn hint(name: &str, asked: &BTreeSet<String>) -> String {
    let names = asked.iter().map(String::as_str);
    match nearest(name, names.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if asked.is_empty() => "it opened none".to_owned(),
        None => format!("it opened {}", list(names)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(names: &[&str]) -> BTreeMap<FileName, Digest> {
        names
            .iter()
            .map(|name| (name.parse().unwrap(), Digest::of(b"")))
            .collect()
    }

    fn asked(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_warning_lists_the_files_that_were_opened() {
        let warned = |files: &[&str], names: &[&str]| -> Vec<String> {
            warnings(&given(files), &asked(names))
                .into_iter()
                .map(|(name, message)| format!("{name}: {message}"))
                .collect()
        };
        assert_eq!(warned(&["weights"], &["weights", "vocabulary"]), [""; 0]);
        assert_eq!(
            warned(&["weight"], &["weights"]),
            ["weight: the component did not open this file; did you mean `weights`?"]
        );
        assert_eq!(
            warned(&["model"], &["x"]),
            ["model: the component did not open this file; it opened `x`"]
        );
        assert_eq!(
            warned(&["model"], &[]),
            ["model: the component did not open this file; it opened none"]
        );
    }

    #[test]
    fn a_name_that_is_near_to_a_missing_one_is_probably_that() {
        assert_eq!(
            meant(&given(&["weight"]), &asked(&["weights"])),
            "; did you mean `weights` by `weight`?"
        );
        assert_eq!(
            meant(
                &given(&["weights", "model"]),
                &asked(&["weights", "labels"])
            ),
            ""
        );
    }
}
