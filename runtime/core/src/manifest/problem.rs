//! Problems of a manifest, with their place: file, line, column, and the path of keys.
//!
//! All problems of a file are reported at once. Bound: the first [`PROBLEMS_MAX`] are kept; the
//! others are counted.

use std::fmt;
use std::sync::Arc;

use crate::suggest::shown;

/// Problems that are kept; further ones are counted.
pub const PROBLEMS_MAX: usize = 100;

/// Steps of a path that are shown; for deeper ones, the line locates the value.
const STEPS_SHOWN_MAX: usize = 16;

/// A place in a file. Both count from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the type's line says it")]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

impl Place {
    /// Where every file starts.
    pub const START: Self = Self { line: 1, column: 1 };
}

/// One step from a document's root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The value of a key.
    Key(String),
    /// An item of a list, counted from 0.
    Index(usize),
}

/// The keys that lead from a document's root to a value: `spec.stages[1].limits.memory`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyPath(Vec<Step>);

impl KeyPath {
    /// The path of a stage.
    pub fn stage(index: usize) -> Self {
        Self::default().key("spec").key("stages").index(index)
    }

    /// The path of a golden test.
    pub fn test(index: usize) -> Self {
        Self::default().key("spec").key("tests").index(index)
    }

    /// The path of a graph's node.
    pub fn node(index: usize) -> Self {
        Self::default().key("spec").key("nodes").index(index)
    }

    /// The path of a key in this mapping.
    #[must_use]
    pub fn key(mut self, key: &str) -> Self {
        self.0.push(Step::Key(key.to_owned()));
        self
    }

    /// The path of an item in this list.
    #[must_use]
    pub fn index(mut self, index: usize) -> Self {
        self.0.push(Step::Index(index));
        self
    }

    /// The steps, from the root.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// Adds a step at the end.
    pub(super) fn push(&mut self, step: Step) {
        self.0.push(step);
    }

    /// Removes the last step.
    pub(super) fn pop(&mut self) {
        self.0.pop();
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                _ if position == STEPS_SHOWN_MAX => return f.write_str("…"),
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) if is_plain(key) && position == 0 => f.write_str(key)?,
                Step::Key(key) if is_plain(key) => write!(f, ".{key}")?,
                Step::Key(key) => write!(f, "[\"{}\"]", shown(key))?,
            }
        }
        Ok(())
    }
}

/// Whether the key can stand in a path without quotes.
fn is_plain(key: &str) -> bool {
    (1..=crate::suggest::WORD_BYTES_MAX).contains(&key.len())
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the type's line says it")]
pub struct Problem {
    pub file: Arc<str>,
    pub place: Place,
    pub path: KeyPath,
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            place: Place { line, column },
            path,
            message,
        } = self;
        if path.0.is_empty() {
            write!(f, "{file}:{line}:{column}: {message}")
        } else {
            write!(f, "{file}:{line}:{column}: {path}: {message}")
        }
    }
}

/// All problems, in the order of the files. Shown one to a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems {
    list: Vec<Problem>,
    more: usize,
}

impl Problems {
    /// The problems that were kept.
    pub fn list(&self) -> &[Problem] {
        &self.list
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The number of problems.
    pub fn len(&self) -> usize {
        self.list.len() + self.more
    }

    /// Adds one, up to the bound.
    pub fn push(&mut self, problem: Problem) {
        self.push_with(|| problem);
    }

    /// Adds one that is created only below the bound: a hostile file has a million problems, each
    /// with long keys.
    pub(super) fn push_with(&mut self, problem: impl FnOnce() -> Problem) {
        if self.list.len() < PROBLEMS_MAX {
            self.list.push(problem());
        } else {
            self.more += 1;
        }
    }

    /// Adds another file's problems.
    pub fn append(&mut self, other: Self) {
        self.more += other.more;
        other
            .list
            .into_iter()
            .for_each(|problem| self.push(problem));
    }

    /// The value, unless there are problems.
    pub fn or<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() {
            Ok(value)
        } else {
            Err(self)
        }
    }

    /// Sorts one file's problems by line.
    pub fn sort(&mut self) {
        self.list.sort_by_key(|problem| problem.place);
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self {
            list: vec![problem],
            more: 0,
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.list.iter().enumerate() {
            let end = if index > 0 { "\n" } else { "" };
            write!(f, "{end}{problem}")?;
        }
        if self.more > 0 {
            write!(f, "\nand {} more", self.more)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_one_line() {
        let path = KeyPath::stage(1)
            .key("settings")
            .key("a.b\n")
            .index(0)
            .key("c");
        let problem = Problem {
            file: "t.yaml".into(),
            place: Place { line: 3, column: 7 },
            path,
            message: "no".into(),
        };
        assert_eq!(
            problem.to_string(),
            "t.yaml:3:7: spec.stages[1].settings[\"a.b\\n\"][0].c: no"
        );
        let problem = Problem {
            path: KeyPath::default(),
            ..problem
        };
        assert_eq!(problem.to_string(), "t.yaml:3:7: no");
    }

    #[test]
    fn a_flood_of_problems_becomes_a_number() {
        let one = Problem {
            file: "t".into(),
            place: Place::START,
            path: KeyPath::default(),
            message: "no".into(),
        };
        let mut problems = Problems::default();
        (0..PROBLEMS_MAX + 5).for_each(|_| problems.push(one.clone()));
        let mut all = Problems::from(one);
        all.append(problems);
        assert_eq!(all.list().len(), PROBLEMS_MAX);
        assert!(all.to_string().ends_with("\nand 6 more"));
    }
}
