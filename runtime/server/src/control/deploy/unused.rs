//! Files that a manifest gives to a stage which never asks for them: probably under a wrong name.

use std::collections::{BTreeMap, BTreeSet};

use hotstage_core::digest::Digest;
use hotstage_core::name::FileName;
use hotstage_core::suggest::{list, nearest};

/// One for each file that the component did not open while it was opened itself. It is no error: a
/// component may look for it later.
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

/// What a name that was asked for, and is not given, may be here: appended to the component's own
/// words.
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
    fn what_was_not_opened_is_told_with_what_was() {
        let told = |files: &[&str], names: &[&str]| -> Vec<String> {
            warnings(&given(files), &asked(names))
                .into_iter()
                .map(|(name, message)| format!("{name}: {message}"))
                .collect()
        };
        assert_eq!(told(&["weights"], &["weights", "vocabulary"]), [""; 0]);
        assert_eq!(
            told(&["weight"], &["weights"]),
            ["weight: the component did not open this file; did you mean `weights`?"]
        );
        assert_eq!(
            told(&["model"], &["x"]),
            ["model: the component did not open this file; it opened `x`"]
        );
        assert_eq!(
            told(&["model"], &[]),
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
