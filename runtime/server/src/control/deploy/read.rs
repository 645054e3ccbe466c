//! Reads manifest files: which files a path stands for, and their documents.
//!
//! A file named directly is read wherever it lies. Files in a folder may come from others: a link
//! that leaves the folder is followed only into an allowed directory. Neither blocks on a FIFO.
//! waits for a FIFO.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use hotstage_core::limits::MANIFEST_BYTES_MAX;
use hotstage_core::manifest::{Documents, KeyPath, Place, Problem, Problems, check_set, parse};

use crate::files::{self, Allowed, Confined, OpenError};

/// All documents of the paths. A folder stands for its `.yaml` and `.yml` files in order of their
/// names; `-` is standard input.
pub fn documents(paths: &[PathBuf]) -> Result<Documents, Problems> {
    documents_within(paths, &Allowed::default())
}

/// The same, but links in a folder may also lead into these directories.
pub(super) fn documents_within(
    paths: &[PathBuf],
    allowed: &Allowed,
) -> Result<Documents, Problems> {
    let (texts, problems) = texts(paths, allowed);
    parsed(
        texts
            .iter()
            .map(|(file, text)| (file.as_str(), text.as_str())),
        problems,
    )
}

/// The documents of one file of a folder. Its links may lead only into these directories.
pub(super) fn documents_in_folder(file: &Path, allowed: &Allowed) -> Result<Documents, Problems> {
    let (Some(folder), Some(name)) = (file.parent(), file.file_name()) else {
        return documents_within(&[file.to_owned()], allowed);
    };
    let opened = Confined::new(folder, allowed).open(name);
    let text = text(opened, file).map_err(|message| problem(file, message))?;
    parsed(
        [(&*file.display().to_string(), &*text)].into_iter(),
        Problems::default(),
    )
}

/// All documents of uploaded texts, each with the name given by the sender.
pub fn sent<'a>(texts: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Documents, Problems> {
    parsed(texts, Problems::default())
}

/// The text of each file of the paths, and the problems of reading them.
pub fn texts(paths: &[PathBuf], allowed: &Allowed) -> (Vec<(String, String)>, Problems) {
    let mut problems = Problems::default();
    let mut texts = Vec::new();
    for path in paths {
        let found = match files(path) {
            Ok(Files::Input) => vec![(
                path.clone(),
                read_bounded(io::stdin().lock()).map_err(|error| why(&error)),
            )],
            Ok(Files::One) => vec![(path.clone(), text(files::open(path), path))],
            Ok(Files::Of(names)) => {
                // Files in a folder may have been put there by others.
                let folder = Confined::new(path, allowed);
                let open = |name: &OsString| {
                    (
                        folder.path(name),
                        text(folder.open(name), &folder.path(name)),
                    )
                };
                names.iter().map(open).collect()
            }
            Err(found) => {
                problems.append(found);
                continue;
            }
        };
        for (file, text) in found {
            match text {
                Ok(text) => texts.push((file.display().to_string(), text)),
                Err(message) => problems.append(problem(&file, message)),
            }
        }
    }
    (texts, problems)
}

fn parsed<'a>(
    texts: impl Iterator<Item = (&'a str, &'a str)>,
    mut problems: Problems,
) -> Result<Documents, Problems> {
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

/// The files that a path stands for.
enum Files {
    Input,
    One,
    /// These files of the folder.
    Of(Vec<OsString>),
}

fn files(path: &Path) -> Result<Files, Problems> {
    if path == Path::new("-") {
        return Ok(Files::Input);
    }
    if !path.is_dir() {
        return Ok(Files::One);
    }
    let entries = fs::read_dir(path)
        .map_err(|error| problem(path, format!("can't read the folder: {error}")))?;
    let is_manifest = |name: &OsString| {
        Path::new(name)
            .extension()
            .is_some_and(|kind| kind == "yaml" || kind == "yml")
    };
    let mut names: Vec<OsString> = entries
        .filter_map(|entry| Some(entry.ok()?.file_name()))
        .filter(is_manifest)
        .collect();
    names.sort();
    if names.is_empty() {
        return Err(problem(
            path,
            "the folder holds no manifest: no `.yaml` or `.yml` file".to_owned(),
        ));
    }
    Ok(Files::Of(names))
}

fn text(file: Result<fs::File, OpenError>, path: &Path) -> Result<String, String> {
    match file {
        Ok(file) => read_bounded(file).map_err(|error| why(&error)),
        // The caller puts the path before the message.
        Err(OpenError::Missing { .. }) => Err("there is no such file".to_owned()),
        Err(OpenError::Io { source, .. }) => Err(why(&source)),
        Err(error) => {
            let message = error.to_string();
            Err(message
                .strip_prefix(&format!("{} ", path.display()))
                .map_or(message.clone(), str::to_owned))
        }
    }
}

fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::InvalidData => "the file is not text in UTF-8".to_owned(),
        _ => format!("can't read the file: {error}"),
    }
}

/// Reads one byte more than allowed, so that the parser reports the excess.
fn read_bounded(source: impl io::Read) -> io::Result<String> {
    let mut text = String::new();
    source
        .take(MANIFEST_BYTES_MAX as u64 + 1)
        .read_to_string(&mut text)?;
    Ok(text)
}

fn problem(path: &Path, message: String) -> Problems {
    Problem {
        file: path.display().to_string().into(),
        place: Place::START,
        path: KeyPath::default(),
        message,
    }
    .into()
}
