//! Content of the watched files: each document with its identity, read again when its file or a
//! referenced file has changed and is stable.
//!
//! A file is stable when two consecutive scans see it unchanged. When files change all the time,
//! stable files are read after [`UNREST_MAX`] nevertheless.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hotstage_core::digest::Digest;
use hotstage_core::graph::{Branch, ResolvedGraph};
use hotstage_core::manifest::Documents;

use super::super::Control;
use super::key::{Doc, Key, split};
use super::scan::{Listing, Stamp};
use crate::control::deploy::Paths;

/// How long changing files delay reading the others.
const UNREST_MAX: Duration = Duration::from_secs(2);

type Pointed = BTreeMap<PathBuf, Option<Stamp>>;

/// The watched files.
pub(super) struct Folder {
    control: Arc<Control>,
    paths: Vec<PathBuf>,
    files: BTreeMap<PathBuf, File>,
    last: Option<Listing>,
    /// The files that documents reference, as seen by the last scan.
    pointed: Pointed,
    moving_since: Option<Instant>,
}

/// A file and its documents as they were read.
#[derive(Default)]
struct File {
    /// None: it must be read again.
    stamp: Option<Stamp>,
    docs: Vec<Doc>,
    /// Why it can't be read. Its documents are then the previous ones.
    problem: Option<String>,
}

/// Content of all files at one moment.
#[derive(Clone, Default)]
pub(super) struct Seen {
    /// Documents with their files.
    pub(super) docs: BTreeMap<Key, (PathBuf, Doc)>,
    /// Documents whose content is unknown.
    pub(super) held: BTreeSet<Key>,
    /// Files and folders that can't be read; their content is unknown.
    pub(super) unknown: BTreeSet<PathBuf>,
    /// Problems with files.
    pub(super) problems: Vec<String>,
}

impl Seen {
    /// Whether the content of a file is unknown.
    pub(super) fn is_unknown(&self, file: &Path) -> bool {
        self.unknown.contains(file)
            || file
                .parent()
                .is_some_and(|folder| self.unknown.contains(folder))
    }
}

impl Folder {
    pub(super) fn new(control: Arc<Control>, paths: Vec<PathBuf>) -> Self {
        Self {
            control,
            paths,
            files: BTreeMap::new(),
            last: None,
            pointed: Pointed::new(),
            moving_since: None,
        }
    }

    /// Scans the files and reads those that changed. Returns whether anything changed. May block.
    pub(super) fn look(&mut self) -> bool {
        let now = Listing::of(&self.paths);
        let is_first = self.last.is_none();
        let before = self.last.replace(now.clone()).unwrap_or_default();
        let pointed = self.pointed_now();
        let moved = |(path, stamp): (&PathBuf, &Option<Stamp>)| {
            self.pointed.get(path).is_some_and(|last| last != stamp)
        };
        let is_moving = !is_first && (before != now || pointed.iter().any(moved));
        let rested = std::mem::replace(&mut self.pointed, pointed);
        self.moving_since = if is_moving {
            self.moving_since.or_else(|| Some(Instant::now()))
        } else {
            None
        };
        if self
            .moving_since
            .is_some_and(|since| since.elapsed() < UNREST_MAX)
        {
            return false;
        }
        let mut changed = is_first || self.trouble_changed(&now);
        let gone: Vec<PathBuf> = self
            .files
            .keys()
            .filter(|path| !now.files.contains_key(*path))
            .cloned()
            .collect();
        for path in gone {
            // A file must be missing in two scans: editors rename files within one.
            if !now.is_unknown(&path) && (is_first || !before.files.contains_key(&path)) {
                self.files.remove(&path);
                changed = true;
            }
        }
        for (path, stamp) in &now.files {
            if is_first || before.files.get(path) == Some(stamp) {
                changed |= self.read(path, *stamp, &rested);
            }
        }
        changed
    }

    /// Records files and folders that can't be read.
    fn trouble_changed(&mut self, now: &Listing) -> bool {
        let mut changed = false;
        for (path, trouble) in &now.troubles {
            let file = self.files.entry(path.clone()).or_default();
            changed |= file.problem.as_ref() != Some(trouble);
            (file.stamp, file.problem) = (None, Some(trouble.clone()));
        }
        changed
    }

    fn pointed_now(&self) -> Pointed {
        let docs = self.files.values().flat_map(|file| &file.docs);
        docs.flat_map(|doc| doc.pointed.keys())
            .map(|path| (path.clone(), Stamp::of(path).ok().flatten()))
            .collect()
    }

    /// Reads a file if it changed. `rested` has the referenced files as seen by the previous scan.
    fn read(&mut self, path: &Path, stamp: Stamp, rested: &Pointed) -> bool {
        let known = self
            .files
            .get_mut(path)
            .filter(|file| file.stamp == Some(stamp));
        if let Some(file) = known {
            let mut changed = false;
            for doc in &mut file.docs {
                let pointed = look_at(doc.pointed.keys());
                let is_at_rest = pointed
                    .iter()
                    .all(|(path, _)| rested.get(path) == self.pointed.get(path));
                if is_at_rest && doc.pointed != pointed {
                    doc.pointed = pointed;
                    doc.identity = identity(&self.control, &doc.documents, &doc.pointed);
                    changed = true;
                }
            }
            return changed;
        }
        // A write during the read causes another read.
        let stamp = Some(stamp).filter(|stamp| !stamp.is_fresh());
        let before = self.files.remove(path).unwrap_or_default();
        // Links in a folder must not leave it; a file named directly may lie anywhere.
        let deployer = &self.control.deployer;
        let found = if self.paths.iter().any(|named| named == path) {
            deployer.documents(&[path.to_owned()])
        } else {
            deployer.documents_in_folder(path)
        };
        let file = match found {
            Ok(documents) => {
                let docs = split(documents).into_iter().map(|(key, documents, files)| {
                    let pointed = look_at(&files);
                    let identity = identity(&self.control, &documents, &pointed);
                    Doc {
                        key,
                        documents,
                        pointed,
                        identity,
                    }
                });
                File {
                    stamp,
                    docs: docs.collect(),
                    problem: None,
                }
            }
            Err(problems) => File {
                stamp,
                docs: before.docs,
                problem: Some(problems.to_string()),
            },
        };
        self.files.insert(path.to_owned(), file);
        true
    }

    /// The content of all files.
    pub(super) fn seen(&self) -> Seen {
        let mut seen = Seen::default();
        let mut twice = BTreeSet::new();
        for (path, file) in &self.files {
            if let Some(problem) = &file.problem {
                let is_placed = problem.starts_with(&*path.to_string_lossy());
                let place = if is_placed {
                    String::new()
                } else {
                    format!("{}: ", path.display())
                };
                seen.problems.push(format!("{place}{problem}"));
                seen.unknown.insert(path.clone());
                seen.held
                    .extend(file.docs.iter().map(|doc| doc.key.clone()));
                continue;
            }
            for doc in &file.docs {
                if let Some((first, _)) = seen
                    .docs
                    .insert(doc.key.clone(), (path.clone(), doc.clone()))
                {
                    let (key, first, second) = (&doc.key, first.display(), path.display());
                    seen.problems.push(format!(
                        "{second}: {key} is declared twice; the other one is in {first}"
                    ));
                    twice.insert(doc.key.clone());
                }
            }
        }
        for (key, (path, doc)) in &seen.docs {
            if let Err(problem) = &doc.identity {
                seen.problems.push(problem.clone());
                seen.held.insert(key.clone());
            }
            if seen.unknown.contains(path) {
                seen.held.insert(key.clone());
            }
        }
        seen.held.extend(twice);
        seen
    }
}

fn look_at<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> Pointed {
    let stamp = |path: &PathBuf| {
        (
            path.clone(),
            Stamp::of(path)
                .ok()
                .flatten()
                .filter(|stamp| !stamp.is_fresh()),
        )
    };
    paths.into_iter().map(stamp).collect()
}

/// Digest of a document and of everything that it references.
fn identity(control: &Control, documents: &Documents, pointed: &Pointed) -> Result<Digest, String> {
    for path in pointed.keys() {
        // Opening a FIFO would block.
        Stamp::of(path).map_err(|trouble| format!("{}: {trouble}", path.display()))?;
    }
    if let Some(route) = documents.routes.first() {
        return Ok(route.digest());
    }
    if let Some(rollout) = documents.rollouts.first() {
        return Ok(rollout.digest());
    }
    if let Some(graph) = documents.graphs.first() {
        // The digests of a graph's members are not part of the document's identity.
        let any = |_: &Branch<Option<Digest>>| Ok(Digest::of(b""));
        let material = control.deployer.resolve_graph(graph, Paths::Disk, any);
        return material
            .map(|material| of_graph(material.manifest))
            .map_err(|error| error.to_string());
    }
    let Some(pipeline) = documents.pipelines.first() else {
        return Err("holds no document".to_owned());
    };
    let material = control.deployer.resolve(pipeline, Paths::Disk);
    material
        .map(|material| material.manifest.digest())
        .map_err(|error| error.to_string())
}

/// Identity of a graph, independent of its members' digests.
pub(super) fn of_graph(mut graph: ResolvedGraph) -> Digest {
    let branches = graph.nodes.iter_mut().flat_map(|node| &mut node.branches);
    branches.for_each(|branch| branch.digest = Digest::of(b""));
    graph.digest()
}
