//! From a tree to values, collecting every problem.
//!
//! A function that reads a value returns `None` after it has reported why; its caller goes on with
//! the next key, and the caller that needs the whole checks the problems first. A key whose value
//! is null counts as not written, since that is what an empty value in YAML is.

use std::str::FromStr;
use std::sync::Arc;

use serde_json::Value;

use super::node::{Data, Entry, Node};
use super::problem::{KeyPath, PROBLEMS_MAX, Place, Problem, Problems, Step};
use crate::suggest::{hint, nearest, shown};

/// The current path in the document, and the problems found so far.
pub(super) struct Decoder {
    pub file: Arc<str>,
    pub path: KeyPath,
    pub problems: Problems,
}

/// The keys of one mapping, all known.
pub(super) struct Fields<'n> {
    place: Place,
    entries: &'n [Entry],
    /// Known keys that a misspelt key probably meant: not reported as missing, too.
    misspelt: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// The value of a key, if it is written and not null.
    pub(super) fn get(&self, key: &str) -> Option<&'n Node> {
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        (!matches!(entry.value.data, Data::Null)).then_some(&entry.value)
    }
}

impl Decoder {
    pub(super) fn report(&mut self, place: Place, message: String) {
        let Self {
            file,
            path,
            problems,
        } = self;
        problems.push_with(|| Problem {
            file: Arc::clone(file),
            place,
            path: path.clone(),
            message,
        });
    }

    /// Reads something one step deeper.
    pub(super) fn under<T>(&mut self, step: Step, read: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(step);
        let value = read(self);
        self.path.pop();
        value
    }

    /// A mapping of known keys; others are reported, each with the nearest known one.
    pub(super) fn fields<'n>(
        &mut self,
        node: &'n Node,
        known: &[&'static str],
    ) -> Option<Fields<'n>> {
        let entries = self.map(node)?;
        let unwritten: Vec<&'static str> = known
            .iter()
            .copied()
            .filter(|known| entries.iter().all(|entry| entry.key != *known))
            .collect();
        let mut misspelt = Vec::new();
        let unknown = entries
            .iter()
            .filter(|entry| !known.contains(&entry.key.as_str()));
        for (index, Entry { key, place, .. }) in unknown.enumerate() {
            // The list of problems is cut there anyway; a hostile mapping could have a million keys
            // to compare.
            let hint = if index < PROBLEMS_MAX {
                hint(key, known.iter().copied())
            } else {
                String::new()
            };
            if index < PROBLEMS_MAX {
                let meant = nearest(key, unwritten.iter().copied());
                misspelt.extend(unwritten.iter().find(|known| meant == Some(**known)));
            }
            self.under(Step::Key(key.clone()), |here| {
                here.report(*place, format!("unknown key; {hint}"));
            });
        }
        Some(Fields {
            place: node.place,
            entries,
            misspelt,
        })
    }

    /// A mapping with any keys.
    pub(super) fn map<'n>(&mut self, node: &'n Node) -> Option<&'n [Entry]> {
        match &node.data {
            Data::Map(entries) => Some(entries),
            _ => self.expected("a mapping", node),
        }
    }

    /// The value of a required key.
    pub(super) fn required<'n, T>(
        &mut self,
        fields: &Fields<'n>,
        key: &'static str,
        read: impl FnOnce(&mut Self, &'n Node) -> Option<T>,
    ) -> Option<T> {
        if fields.get(key).is_none() && !fields.misspelt.contains(&key) {
            let written = fields.entries.iter().find(|entry| entry.key == key);
            let (place, message) = match written {
                Some(entry) => (entry.place, "has no value"),
                None => (fields.place, "missing"),
            };
            self.under(Step::Key(key.to_owned()), |here| {
                here.report(place, message.to_owned());
            });
        }
        self.optional(fields, key, read)
    }

    /// The value of an optional key.
    pub(super) fn optional<'n, T>(
        &mut self,
        fields: &Fields<'n>,
        key: &'static str,
        read: impl FnOnce(&mut Self, &'n Node) -> Option<T>,
    ) -> Option<T> {
        let node = fields.get(key)?;
        self.under(Step::Key(key.to_owned()), |here| read(here, node))
    }

    /// The items of a list that can be read.
    pub(super) fn list<'n, T>(
        &mut self,
        node: &'n Node,
        mut read: impl FnMut(&mut Self, &'n Node) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Data::List(items) = &node.data else {
            return self.expected("a list", node);
        };
        let mut values = Vec::new();
        for (index, item) in items.iter().enumerate() {
            values.extend(self.under(Step::Index(index), |here| read(here, item)));
        }
        Some(values)
    }

    /// Text that is not empty.
    pub(super) fn text<'n>(&mut self, node: &'n Node) -> Option<&'n str> {
        match &node.data {
            Data::Text(text) if text.is_empty() => {
                self.report(node.place, "is empty".to_owned());
                None
            }
            Data::Text(text) => Some(text),
            _ => self.expected("text", node),
        }
    }

    /// Text that a type parses.
    pub(super) fn parsed<T: FromStr<Err: ToString>>(&mut self, node: &Node) -> Option<T> {
        let text = self.text(node)?;
        self.sound(
            node,
            text.parse().map_err(|error: T::Err| error.to_string()),
        )
    }

    /// The value, or a report of the error.
    pub(super) fn sound<T>(&mut self, node: &Node, value: Result<T, String>) -> Option<T> {
        value
            .map_err(|message| self.report(node.place, message))
            .ok()
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&mut self, node: &Node, words: &[(&'static str, T)]) -> Option<T> {
        let text = self.text(node)?;
        let value = words
            .iter()
            .find(|(word, _)| *word == text)
            .map(|(_, value)| *value);
        let names = words.iter().map(|(word, _)| *word);
        self.sound(
            node,
            value.ok_or_else(|| format!("unknown value `{}`; {}", shown(text), hint(text, names))),
        )
    }

    /// Any value, as JSON.
    pub(super) fn json(&mut self, node: &Node) -> Value {
        let mut path = self.path.clone();
        node.to_json(&mut path, &mut |path, place, message| {
            self.problems.push_with(|| Problem {
                file: Arc::clone(&self.file),
                place,
                path: path.clone(),
                message,
            });
        })
    }

    /// Reports that another kind of value is here. Values that the reader refused are reported
    /// already.
    pub(super) fn expected<T>(&mut self, what: &str, node: &Node) -> Option<T> {
        if !matches!(node.data, Data::Refused) {
            let quote = match &node.data {
                Data::Number { written, .. } | Data::Unfit { written, .. } if what == "text" => {
                    format!("; quote it: \"{}\"", shown(written))
                }
                Data::Bool(value) if what == "text" => format!("; quote it: \"{value}\""),
                _ => String::new(),
            };
            self.report(
                node.place,
                format!("expected {what}, found {}{quote}", node.describe()),
            );
        }
        None
    }
}
