//! References → digests: every component, file and document that a manifest points at, in the store.
//!
//! A path counts from the manifest's folder. A mere name is looked for in the box: folders of components whose files
//! are called by their names.

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use hotstage_core::digest::Digest;
use hotstage_core::graph::{Branch, ResolvedGraph};
use hotstage_core::limits::{COMPONENT_BYTES_MAX, FILE_BYTES_MAX};
use hotstage_core::manifest::{
    ComponentRef, DocumentRef, FileRef, Resolve, Resolved, Written, WrittenGraph, canonical_text,
};
use hotstage_core::suggest;

use super::{DeployError, Deployer};
use crate::place::make_way;
use crate::store::{PutError, StoreError};

/// The folders of the components that come with the server, the first first.
#[derive(Clone, Debug)]
pub struct Boxes(pub Vec<PathBuf>);

impl Boxes {
    /// The folder that was named, or else those where an installation and a build have theirs.
    pub fn new(named: Option<PathBuf>) -> Self {
        if let Some(folder) = named {
            // Absolute, because a path that is not counts from a manifest's folder.
            return Self(vec![std::path::absolute(&folder).unwrap_or(folder)]);
        }
        let program = env::current_exe().ok();
        let beside = program.as_deref().and_then(Path::parent).unwrap_or(Path::new("."));
        Self(["components", "../components", "../share/hotstage/components"].map(|folder| beside.join(folder)).into())
    }

    fn find(&self, name: &str) -> Result<PathBuf, String> {
        let file = format!("{name}.wasm");
        if let Some(path) = self.0.iter().map(|folder| folder.join(&file)).find(|path| path.is_file()) {
            return Ok(path);
        }
        let mut known: Vec<String> =
            self.0.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().filter_map(component_name).collect();
        known.sort();
        known.dedup();
        if known.is_empty() {
            let folders: Vec<String> = self.0.iter().map(|folder| folder.display().to_string()).collect();
            let folders = folders.join(", ");
            return Err(format!(
                "there is no component `{name}`: the box is empty ({folders}); say where it is with --components"
            ));
        }
        let hint = suggest::hint(name, known.iter().map(String::as_str));
        Err(format!("there is no component `{name}` in the box; {hint}"))
    }
}

fn component_name(entry: io::Result<fs::DirEntry>) -> Option<String> {
    let path = entry.ok()?.path();
    let is_component = path.extension().is_some_and(|kind| kind == "wasm");
    path.file_stem().filter(|_| is_component)?.to_str().map(str::to_owned)
}

/// A manifest with nothing left to look up. Components and files are in the store, the documents of its tests here.
pub struct Material<M = Resolved> {
    /// Every reference is a digest.
    pub manifest: M,
    documents: BTreeMap<Digest, Bytes>,
}

impl<M> Material<M> {
    /// The document of this digest.
    pub(crate) fn document(&self, digest: &Digest) -> Bytes {
        self.documents.get(digest).cloned().unwrap_or_default()
    }
}

/// What a path in a manifest means.
#[derive(Clone, Copy, Debug)]
pub enum Paths<'a> {
    /// A file of this machine, counted from the manifest's folder.
    Disk,
    /// Bytes that the sender uploaded before, by the digest that it says. No file is opened.
    Sent(&'a BTreeMap<String, Digest>),
}

/// Finds and stores everything that the document points at.
pub(super) fn resolve(document: &Written, deployer: &Deployer, paths: Paths<'_>) -> Result<Material, DeployError> {
    let base = Path::new(document.file()).parent().unwrap_or(Path::new(".")).to_owned();
    let mut finder = Finder { base, paths, deployer, documents: BTreeMap::new(), read: BTreeMap::new(), broken: None };
    let resolved = document.resolve(&mut finder);
    match finder.broken {
        Some(error) => Err(error.into()),
        None => Ok(Material { manifest: resolved?, documents: finder.documents }),
    }
}

/// Finds and stores everything that the graph's document points at; `find` knows the digests of its members.
pub(super) fn resolve_graph(
    document: &WrittenGraph,
    deployer: &Deployer,
    paths: Paths<'_>,
    find: impl FnMut(&Branch<Option<Digest>>) -> Result<Digest, String>,
) -> Result<Material<ResolvedGraph>, DeployError> {
    let base = Path::new(document.file()).parent().unwrap_or(Path::new(".")).to_owned();
    let mut finder = Finder { base, paths, deployer, documents: BTreeMap::new(), read: BTreeMap::new(), broken: None };
    let resolved = document.resolve(&mut finder, find);
    match finder.broken {
        Some(error) => Err(error.into()),
        None => Ok(Material { manifest: resolved?, documents: finder.documents }),
    }
}

struct Finder<'a> {
    base: PathBuf,
    paths: Paths<'a>,
    deployer: &'a Deployer,
    documents: BTreeMap<Digest, Bytes>,
    /// Files that were read, and the bound that they keep to: what a document calls by one name is one thing.
    read: BTreeMap<(PathBuf, u64), Digest>,
    /// The store's own trouble is nobody's manifest's fault.
    broken: Option<StoreError>,
}

impl Finder<'_> {
    fn path(&mut self, path: &str, bytes_max: u64) -> Result<Digest, String> {
        match self.paths {
            Paths::Disk => self.file_at(self.base.join(path), bytes_max),
            Paths::Sent(sent) => match sent.get(path) {
                Some(digest) => self.digest(&digest.clone()),
                None => Err(format!("the bytes of {path} were not sent along")),
            },
        }
    }

    fn file_at(&mut self, path: PathBuf, bytes_max: u64) -> Result<Digest, String> {
        let key = (path, bytes_max);
        if let Some(digest) = self.read.get(&key) {
            return Ok(*digest);
        }
        let shown = key.0.display();
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => format!("there is no file {shown}"),
            _ => format!("can't read {shown}: {error}"),
        };
        let about = fs::metadata(&key.0).map_err(failed)?;
        if !about.is_file() {
            return Err(format!("{shown} is not a file"));
        }
        if about.len() > bytes_max {
            return Err(format!("{shown} has {} bytes; at most {bytes_max} are allowed", about.len()));
        }
        make_way();
        let put = File::open(&key.0).map_err(PutError::Source).and_then(|file| self.deployer.store.put_file(&file));
        let digest = put.map_err(|error| match error {
            PutError::Source(error) => failed(error),
            PutError::Store(error) => self.broke(error),
        })?;
        self.deployer.shared.looked_at(digest);
        self.read.insert(key, digest);
        Ok(digest)
    }

    fn digest(&mut self, digest: &Digest) -> Result<Digest, String> {
        match self.deployer.shared.look(digest) {
            Ok(true) => Ok(*digest),
            Ok(false) => Err(format!("{digest} is not in the store; name a file once, or store it there first")),
            Err(error) => Err(self.broke(error)),
        }
    }

    fn broke(&mut self, error: StoreError) -> String {
        let message = error.to_string();
        self.broken.get_or_insert(error);
        message
    }
}

impl Resolve for Finder<'_> {
    fn component(&mut self, reference: &ComponentRef) -> Result<Digest, String> {
        match reference {
            ComponentRef::Path(path) => self.path(path, COMPONENT_BYTES_MAX),
            ComponentRef::Digest(digest) => self.digest(digest),
            // The version is the component's own word; it is checked when it is opened.
            ComponentRef::Box { name, .. } => {
                let path = self.deployer.boxes.find(name.as_str())?;
                self.file_at(path, COMPONENT_BYTES_MAX)
            }
        }
    }

    fn file(&mut self, reference: &FileRef) -> Result<Digest, String> {
        match reference {
            FileRef::Path(path) => self.path(path, FILE_BYTES_MAX),
            FileRef::Digest(digest) => self.digest(digest),
        }
    }

    fn document(&mut self, reference: &DocumentRef) -> Result<Digest, String> {
        let digest = match reference {
            DocumentRef::Path(path) => self.path(path, FILE_BYTES_MAX)?,
            DocumentRef::Digest(digest) => self.digest(digest)?,
            DocumentRef::Inline(value) => {
                let text = canonical_text(value);
                let digest = self.deployer.store.put(text.as_bytes()).map_err(|error| self.broke(error))?;
                self.documents.insert(digest, text.into());
                return Ok(digest);
            }
        };
        self.documents.insert(digest, self.deployer.shared.hold(&digest)?);
        Ok(digest)
    }
}
