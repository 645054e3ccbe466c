//! Manifest files: which ones a path means, and what is in them.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use hotstage_core::limits::MANIFEST_BYTES_MAX;
use hotstage_core::manifest::{Documents, KeyPath, Place, Problem, Problems, check_set, parse};

/// All documents of the paths. A folder means its `.yaml` and `.yml` files, in order of their names; `-` is standard
/// input.
pub fn documents(paths: &[PathBuf]) -> Result<Documents, Problems> {
    let (texts, problems) = texts(paths);
    parsed(texts.iter().map(|(file, text)| (file.as_str(), text.as_str())), problems)
}

/// All documents of texts that somebody sent, each under the name that the sender gives it.
pub fn sent<'a>(texts: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Documents, Problems> {
    parsed(texts, Problems::default())
}

/// The files of the paths, each with its text, and what can't be read of them.
pub fn texts(paths: &[PathBuf]) -> (Vec<(String, String)>, Problems) {
    let mut problems = Problems::default();
    let mut texts = Vec::new();
    for path in paths {
        match files(path) {
            Ok(files) => {
                for file in files {
                    match text(&file) {
                        Ok(text) => texts.push((file.display().to_string(), text)),
                        Err(found) => problems.append(found),
                    }
                }
            }
            Err(found) => problems.append(found),
        }
    }
    (texts, problems)
}

fn parsed<'a>(texts: impl Iterator<Item = (&'a str, &'a str)>, mut problems: Problems) -> Result<Documents, Problems> {
    let mut documents = Documents::default();
    for (file, text) in texts {
        match parse(file, text) {
            Ok(found) => documents.append(found),
            Err(found) => problems.append(found),
        }
    }
    let documents = problems.or(documents)?;
    check_set(&documents)?;
    Ok(documents)
}

fn files(path: &Path) -> Result<Vec<PathBuf>, Problems> {
    if path == Path::new("-") || !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = fs::read_dir(path).map_err(|error| problem(path, format!("can't read the folder: {error}")))?;
    let is_manifest = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "yaml" || kind == "yml");
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_manifest).collect();
    files.sort();
    if files.is_empty() {
        return Err(problem(path, "the folder holds no manifest: no `.yaml` or `.yml` file".to_owned()));
    }
    Ok(files)
}

fn text(path: &Path) -> Result<String, Problems> {
    let read = if path == Path::new("-") {
        read_bounded(io::stdin().lock())
    } else {
        fs::File::open(path).and_then(read_bounded)
    };
    read.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => problem(path, "there is no such file".to_owned()),
        io::ErrorKind::InvalidData => problem(path, "the file is not text in UTF-8".to_owned()),
        _ => problem(path, format!("can't read the file: {error}")),
    })
}

/// One byte more than allowed, so that the parser can say that it is too much.
fn read_bounded(source: impl io::Read) -> io::Result<String> {
    let mut text = String::new();
    source.take(MANIFEST_BYTES_MAX as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}

fn problem(path: &Path, message: String) -> Problems {
    Problem { file: path.display().to_string().into(), place: Place::START, path: KeyPath::default(), message }.into()
}
