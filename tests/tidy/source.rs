//! The repository's text files, and Rust sources with comments and strings blanked out.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// The files that are read. All others are data.
const EXTENSIONS: &[&str] = &["rs", "wit", "toml", "md", "py", "sh", "yaml", "yml"];

/// Directories without sources of this project. Names that start with a dot are skipped as well,
/// except `.ci` and `.cargo`.
const NOT_OURS: &[&str] = &["target", "node_modules", "__pycache__"];

/// A violation of a rule.
#[derive(Debug, PartialEq)]
pub(crate) struct Finding {
    pub(crate) path: String,
    /// Counted from 1.
    pub(crate) line: usize,
    /// What is wrong, and why or what to do.
    pub(crate) what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// One text file.
pub(crate) struct File {
    /// Relative to the root, with forward slashes.
    pub(crate) path: String,
    pub(crate) text: String,
    /// For Rust: the text with a blank for each character of a comment, string or character
    /// literal. Lines and columns are unchanged.
    pub(crate) code: String,
    /// For Rust: the position in `code` of an inline `#[cfg(test)]` module, or the end.
    tests_from: usize,
}

impl File {
    pub(crate) fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        let (path, text) = (path.into(), text.into());
        let code = if path.ends_with(".rs") {
            blank(&text)
        } else {
            String::new()
        };
        let tests_from = tests_start(&code).unwrap_or(code.len());
        Self {
            path,
            text,
            code,
            tests_from,
        }
    }

    pub(crate) fn finding(&self, line: usize, what: impl Into<String>) -> Finding {
        Finding {
            path: self.path.clone(),
            line,
            what: what.into(),
        }
    }

    /// The code without its tests: inline modules at the end, or separate files (`tests.rs`,
    /// `tests/`).
    pub(crate) fn production(&self) -> &str {
        let below = self.path.split_once("/src/").map_or("", |(_, below)| below);
        let is_test = below
            .split('/')
            .any(|part| part == "tests" || part == "tests.rs");
        if is_test {
            ""
        } else {
            &self.code[..self.tests_from]
        }
    }

    /// The inline tests.
    pub(crate) fn tests(&self) -> &str {
        &self.code[self.tests_from..]
    }

    /// The number of lines before the inline tests.
    pub(crate) fn lines_before_tests(&self) -> usize {
        self.code[..self.tests_from].lines().count()
    }
}

/// All files.
pub(crate) struct Tree {
    pub(crate) root: PathBuf,
    pub(crate) files: Vec<File>,
}

impl Tree {
    pub(crate) fn read() -> Self {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut files = Vec::new();
        walk(&root, "", &mut files);
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Self { root, files }
    }

    pub(crate) fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.path.ends_with(".rs"))
    }

    pub(crate) fn documents(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.path.ends_with(".md"))
    }
}

#[expect(
    clippy::expect_used,
    reason = "a tree that can't be read can't be checked"
)]
fn walk(root: &Path, under: &str, files: &mut Vec<File>) {
    let directory = root.join(under);
    for entry in fs::read_dir(&directory).expect("the repository is readable") {
        let entry = entry.expect("the repository is readable");
        let name = entry.file_name().into_string().expect("names are UTF-8");
        let path = if under.is_empty() {
            name.clone()
        } else {
            format!("{under}/{name}")
        };
        let kind = entry.file_type().expect("entries have a type");
        if kind.is_dir() {
            let is_hidden = name.starts_with('.') && name != ".ci" && name != ".cargo";
            // A directory that cargo or a cache tool created is marked as such, whatever its name.
            let is_cache = entry.path().join("CACHEDIR.TAG").exists();
            if !is_hidden && !is_cache && !NOT_OURS.contains(&name.as_str()) {
                walk(root, &path, files);
            }
        } else if kind.is_file()
            && EXTENSIONS
                .iter()
                .any(|end| name.rsplit_once('.').is_some_and(|(_, had)| had == *end))
        {
            files.push(File::new(
                path,
                fs::read_to_string(entry.path()).expect("sources are UTF-8"),
            ));
        }
    }
}

/// The line, from 1, of a position in a text.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// Whether a character can be part of a name.
pub(crate) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn tests_start(code: &str) -> Option<usize> {
    code.match_indices("#[cfg(test)]")
        .map(|(at, _)| at)
        .find(|at| {
            let rest = code[*at..].trim_start_matches("#[cfg(test)]").trim_start();
            rest.strip_prefix("mod ").is_some_and(|rest| {
                rest.trim_start_matches(is_word)
                    .trim_start()
                    .starts_with('{')
            })
        })
}

/// Replaces every byte of comments, strings and character literals by a blank; newlines stay.
fn blank(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let before = code.chars().next_back();
        let length = opaque(rest, before.is_some_and(is_word));
        if length == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            code.extend(
                rest[..length]
                    .bytes()
                    .map(|byte| if byte == b'\n' { '\n' } else { ' ' }),
            );
            rest = &rest[length..];
        }
    }
    code
}

/// The number of bytes of a comment, string or character literal that starts here.
fn opaque(rest: &str, in_word: bool) -> usize {
    let ends = |end: Option<usize>| end.unwrap_or(rest.len());
    if rest.starts_with("//") {
        return ends(rest.find('\n'));
    }
    if rest.starts_with("/*") {
        return block_comment(rest);
    }
    if let Some(after) = rest.strip_prefix('"') {
        return ends(closing(after, '"').map(|at| at + 1));
    }
    if let Some(after) = rest.strip_prefix('\'') {
        let mut chars = after.chars();
        let first = chars.next();
        // 'a' and '\n' are characters; 'a without a second quote is a lifetime.
        let is_character = first == Some('\\') || chars.next() == Some('\'');
        return if is_character {
            ends(closing(after, '\'').map(|at| at + 1))
        } else {
            0
        };
    }
    if !in_word
        && let Some(after) = ["r", "br", "cr"]
            .iter()
            .find_map(|prefix| rest.strip_prefix(prefix))
    {
        let hashes = after.len() - after.trim_start_matches('#').len();
        if after[hashes..].starts_with('"') {
            let start = rest.len() - after.len() + hashes + 1;
            let end = format!("\"{}", "#".repeat(hashes));
            return ends(rest[start..].find(&end).map(|at| start + at + end.len()));
        }
    }
    0
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        if rest.as_bytes()[at..].starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest.as_bytes()[at..].starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// The end of a literal's text, including its closing quote, counted from after the opening one.
fn closing(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == quote {
            return Some(at + 1);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, code: &str) {
        let blanked = blank(text);
        assert_eq!(blanked.len(), text.len(), "columns stay");
        assert_eq!(blanked.lines().count(), text.lines().count(), "lines stay");
        assert_eq!(
            blanked.split_whitespace().collect::<Vec<_>>().join(" "),
            code
        );
    }

    #[test]
    fn comments_are_blanked() {
        check("a // b\nc", "a c");
        check("a /* b /* c */\n d */ e", "a e");
        check("/// a \"b\n/* c", "");
    }

    #[test]
    fn strings_are_blanked() {
        check(r#"f("a\"b") + 1"#, "f( ) + 1");
        check("r#\"a\"b\"# c", "c");
        check("br\"\\\" c", "c");
        check("\"é\n\"b", "b");
        check("xr\"a\" r#type", "xr r#type");
    }

    #[test]
    fn characters_are_blanked_and_lifetimes_are_not() {
        check(r"'a' '\'' '\u{1}' '{' b", "b");
        check("&'a str, 'é', '_", "&'a str, , '_");
    }

    #[test]
    fn inline_tests_are_distinguished_from_production() {
        let file = File::new("a.rs", "//! A.\nfn f() {}\n#[cfg(test)]\nmod tests {\n}\n");
        assert_eq!(file.lines_before_tests(), 2);
        assert!(file.production().contains("fn f") && file.tests().starts_with("#[cfg(test)]"));
        let elsewhere = File::new("a.rs", "#[cfg(test)]\nmod tests;\nfn f() {}\n");
        assert!(elsewhere.production().contains("fn f"));
        assert_eq!(File::new("a/src/b/tests.rs", "fn f() {}").production(), "");
        assert_eq!(File::new("a/src/tests/b.rs", "fn f() {}").production(), "");
    }

    #[test]
    fn a_finding_can_be_clicked() {
        let finding = File::new("a/b.rs", "").finding(3, "is wrong; mend it");
        assert_eq!(finding.to_string(), "a/b.rs:3: is wrong; mend it");
        assert_eq!(line_of("a\nb\nc", 4), 3);
    }
}
