//! The paths that code uses: `use a::{b, c::d}` is `a::b` and `a::c::d`; so is `a::b` in an
//! expression.

use crate::source::is_word;

/// One path, and the line of its last name.
#[derive(Debug, PartialEq, Clone)]
pub(crate) struct Path {
    pub(crate) line: usize,
    pub(crate) names: Vec<String>,
}

impl Path {
    /// Whether it starts with these names: `std::fs` does for `std::fs::File`.
    pub(crate) fn starts_with(&self, pattern: &str) -> bool {
        let mut names = self.names.iter();
        pattern
            .split("::")
            .all(|part| names.next().is_some_and(|name| name == part))
    }

    pub(crate) fn shown(&self) -> String {
        self.names.join("::")
    }
}

/// All paths with at least two names, and single names that a `use` imports.
pub(crate) fn paths(code: &str) -> Vec<Path> {
    let mut reader = Reader {
        tokens: tokens(code),
        at: 0,
        paths: Vec::new(),
    };
    while reader.at < reader.tokens.len() {
        let is_use = reader.at > 0 && reader.tokens[reader.at - 1].1 == "use";
        let from = reader.paths.len();
        match reader.tokens[reader.at].1 {
            "{" if is_use => reader.tree(&[]),
            word if word.starts_with(is_word) => reader.path(&[]),
            _ => reader.at += 1,
        }
        if !is_use {
            let mut fresh = reader.paths.split_off(from);
            fresh.retain(|path| path.names.len() > 1);
            reader.paths.append(&mut fresh);
        }
    }
    reader.paths
}

struct Reader<'a> {
    tokens: Vec<(usize, &'a str)>,
    at: usize,
    paths: Vec<Path>,
}

impl Reader<'_> {
    fn next_is(&self, token: &str) -> bool {
        self.tokens
            .get(self.at)
            .is_some_and(|(_, had)| *had == token)
    }

    /// Reads one path from its first name, with every path of the tree at its end.
    fn path(&mut self, before: &[String]) {
        let mut names = before.to_vec();
        let mut line = 0;
        while let Some((on, word)) = self
            .tokens
            .get(self.at)
            .filter(|(_, token)| token.starts_with(is_word))
        {
            line = *on;
            names.push((*word).to_owned());
            self.at += 1;
            if !self.next_is("::") {
                break;
            }
            self.at += 1;
            if self.next_is("{") {
                return self.tree(&names);
            }
        }
        self.paths.push(Path { line, names });
    }

    /// Reads `{a, b::c}`.
    fn tree(&mut self, before: &[String]) {
        self.at += 1;
        while let Some((_, token)) = self.tokens.get(self.at) {
            match *token {
                "}" => {
                    self.at += 1;
                    return;
                }
                "as" => self.at += 2,
                word if word.starts_with(is_word) => self.path(before),
                _ => self.at += 1,
            }
        }
    }
}

/// Words, `::`, and every other character, each with its line.
fn tokens(code: &str) -> Vec<(usize, &str)> {
    let mut tokens = Vec::new();
    for (line, text) in (1..).zip(code.lines()) {
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = match first {
                ':' if rest.starts_with("::") => 2,
                _ if is_word(first) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
                _ => first.len_utf8(),
            };
            tokens.push((line, &rest[..length]));
            rest = rest[length..].trim_start();
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(code: &str, expected: &[&str]) {
        let shown: Vec<String> = paths(code).iter().map(Path::shown).collect();
        assert_eq!(shown, expected, "{code}");
    }

    #[test]
    fn use_trees_are_expanded() {
        check(
            "use std::{fs, io::{self, Read}};",
            &["std::fs", "std::io::self", "std::io::Read"],
        );
        check("use std::{fs as files, net};", &["std::fs", "std::net"]);
        check("use {tokio, crate::http};", &["tokio", "crate::http"]);
    }

    #[test]
    fn single_names_count_only_where_they_are_brought_in() {
        check("use tokio;", &["tokio"]);
        check("let http = self.http;", &[]);
    }

    #[test]
    fn paths_in_code_count() {
        check(
            "let f = std::fs::read(::std::env::var(x));",
            &["std::fs::read", "std::env::var"],
        );
        check("Vec::<http::Uri>::new()", &["http::Uri"]);
    }

    #[test]
    fn the_line_is_the_names_own() {
        assert_eq!(paths("use std::{\n    fs,\n    io,\n};")[1].line, 3);
    }

    #[test]
    fn a_path_starts_with_whole_names() {
        let path = paths("use std::fs::File;").remove(0);
        assert!(path.starts_with("std::fs") && path.starts_with("std"));
        assert!(!path.starts_with("std::f") && !path.starts_with("std::fs::File::open"));
    }
}
