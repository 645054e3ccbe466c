//! What watched files say: each document with its identity, read again when its file, or one that
//! it points at, has changed and come to rest.
//!
//! At rest is what looks as it did one look before. When something moves all the time, a file that
//! itself is at rest is read after [`UNREST_MAX`] all the same.

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

/// How long files that move keep others waiting.
const UNREST_MAX: Duration = Duration::from_secs(2);

type Pointed = BTreeMap<PathBuf, Option<Stamp>>;

/// The watched files.
pub(super) struct Folder {
    control: Arc<Control>,
    paths: Vec<PathBuf>,
    files: BTreeMap<PathBuf, File>,
    last: Option<Listing>,
    /// The files that documents point at, as they looked last.
    pointed: Pointed,
    moving_since: Option<Instant>,
}

/// One file as it was read.
#[derive(Default)]
struct File {
    /// None: it must be read again.
    stamp: Option<Stamp>,
    docs: Vec<Doc>,
    /// Why it can't be read. Its documents are those that it had before.
    problem: Option<String>,
}

/// What the files say at a moment.
#[derive(Clone, Default)]
pub(super) struct Seen {
    /// Documents with their files.
    pub(super) docs: BTreeMap<Key, (PathBuf, Doc)>,
    /// Of these it is not known what they say.
    pub(super) held: BTreeSet<Key>,
    /// Files that can't be read, and folders: what they hold is not known.
    pub(super) unknown: BTreeSet<PathBuf>,
    /// What is wrong with files.
    pub(super) problems: Vec<String>,
}

impl Seen {
    /// Whether it is unknown what a file holds.
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

    /// Looks at the files; reads what has changed. Says whether anything has. It may block.
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
            // Missing twice: an editor's change of names is over in one look.
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

    /// Takes note of files and folders that nothing can be said of.
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

    /// Reads a file, if that is news; `rested` are the files that are pointed at, as they looked
    /// one look before.
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
        // What is written while it is read makes it be read again.
        let stamp = Some(stamp).filter(|stamp| !stamp.is_fresh());
        let before = self.files.remove(path).unwrap_or_default();
        // What a folder holds may not lead out of it; what was named itself may lie anywhere.
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

    /// What all of them say.
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

/// What a document says, with all that it points at.
fn identity(control: &Control, documents: &Documents, pointed: &Pointed) -> Result<Digest, String> {
    for path in pointed.keys() {
        // Opening a FIFO would wait for whoever writes to it.
        Stamp::of(path).map_err(|trouble| format!("{}: {trouble}", path.display()))?;
    }
    if let Some(route) = documents.routes.first() {
        return Ok(route.digest());
    }
    if let Some(rollout) = documents.rollouts.first() {
        return Ok(rollout.digest());
    }
    if let Some(graph) = documents.graphs.first() {
        // Members that follow later are as good as any: their digests are no part of what the
        // document says.
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

/// What a graph says, whatever its members are.
pub(super) fn of_graph(mut graph: ResolvedGraph) -> Digest {
    let branches = graph.nodes.iter_mut().flat_map(|node| &mut node.branches);
    branches.for_each(|branch| branch.digest = Digest::of(b""));
    graph.digest()
}
