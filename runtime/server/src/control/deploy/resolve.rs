//! References → digests: stores every component, file and document that a manifest references.
//!
//! A path is relative to the manifest's folder and stays in it ([`crate::files`]). A plain name is
//! a bundled component: a file of that name in one of the component folders.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use hotstage_core::digest::Digest;
use hotstage_core::graph::{Branch, ResolvedGraph};
use hotstage_core::limits::{COMPONENT_BYTES_MAX, FILE_BYTES_MAX};
use hotstage_core::manifest::{
    ComponentRef, DocumentRef, FileRef, Partly, Problems, Resolve, Resolved, Written, WrittenGraph,
    canonical_text,
};
use hotstage_core::suggest;

use super::{DeployError, Deployer};
use crate::executors::compute::yield_to_requests;
use crate::files::{self, Confined, OpenError};
use crate::state::store::{PutError, StoreError};

/// Folders of the bundled components, in order of precedence.
#[derive(Clone, Debug)]
pub struct ComponentDirs(pub Vec<PathBuf>);

impl ComponentDirs {
    /// The folder named by the operator, or else the default folders of an installation and of a
    /// build.
    pub fn new(named: Option<PathBuf>) -> Self {
        if let Some(folder) = named {
            // Absolute, because a relative path would count from a manifest's folder.
            return Self(vec![std::path::absolute(&folder).unwrap_or(folder)]);
        }
        let program = env::current_exe().ok();
        let beside = program
            .as_deref()
            .and_then(Path::parent)
            .unwrap_or(Path::new("."));
        Self(
            [
                "components",
                "../components",
                "../share/hotstage/components",
            ]
            .map(|folder| beside.join(folder))
            .into(),
        )
    }

    fn find(&self, name: &str) -> Result<PathBuf, String> {
        let file = format!("{name}.wasm");
        if let Some(path) = self
            .0
            .iter()
            .map(|folder| folder.join(&file))
            .find(|path| path.is_file())
        {
            return Ok(path);
        }
        let mut known: Vec<String> = self
            .0
            .iter()
            .filter_map(|folder| fs::read_dir(folder).ok())
            .flatten()
            .filter_map(component_name)
            .collect();
        known.sort();
        known.dedup();
        if known.is_empty() {
            let folders: Vec<String> = self
                .0
                .iter()
                .map(|folder| folder.display().to_string())
                .collect();
            let folders = folders.join(", ");
            return Err(format!(
                "there is no component `{name}`: no components were found in {folders}; name their folder \
                 with --components"
            ));
        }
        let hint = suggest::hint(name, known.iter().map(String::as_str));
        Err(format!("there is no bundled component `{name}`; {hint}"))
    }
}

fn component_name(entry: io::Result<fs::DirEntry>) -> Option<String> {
    let path = entry.ok()?.path();
    let is_component = path.extension().is_some_and(|kind| kind == "wasm");
    path.file_stem()
        .filter(|_| is_component)?
        .to_str()
        .map(str::to_owned)
}

/// A resolved manifest. Components and files are in the store, documents of its tests are in
/// memory.
pub struct Material<M = Resolved> {
    /// The manifest, with every reference replaced by a digest.
    pub manifest: M,
    documents: BTreeMap<Digest, Bytes>,
    /// Stages whose component or files were not found.
    lacking: BTreeSet<usize>,
}

impl<M> Material<M> {
    /// The document with this digest.
    pub(crate) fn document(&self, digest: &Digest) -> Bytes {
        self.documents.get(digest).cloned().unwrap_or_default()
    }

    /// Whether everything that the stage needs was found.
    pub(super) fn is_whole(&self, stage: usize) -> bool {
        !self.lacking.contains(&stage)
    }
}

/// What a path in a manifest stands for.
#[derive(Clone, Copy, Debug)]
pub enum Paths<'a> {
    /// A local file, in the manifest's folder or an allowed directory.
    Disk,
    /// Uploaded bytes, by the digest that the sender gives. No file is opened.
    Sent(&'a BTreeMap<String, Digest>),
}

/// Finds and stores everything that the document references.
pub(super) fn resolve(
    document: &Written,
    deployer: &Deployer,
    paths: Paths<'_>,
) -> Result<Material, DeployError> {
    let (material, problems) = resolve_partly(document, deployer, paths)?;
    Ok(problems.or(material)?)
}

/// The same as far as possible: missing references are reported, and their stages are left out.
pub(super) fn resolve_partly(
    document: &Written,
    deployer: &Deployer,
    paths: Paths<'_>,
) -> Result<(Material, Problems), DeployError> {
    let mut finder = Finder::new(document.file(), deployer, paths);
    let Partly {
        resolved,
        lacking,
        problems,
    } = document.resolve_partly(&mut finder);
    let material = Material {
        manifest: resolved,
        documents: finder.finish()?,
        lacking,
    };
    Ok((material, problems))
}

/// Finds and stores everything that the graph's document references; `find` returns the digests of
/// its members.
pub(super) fn resolve_graph(
    document: &WrittenGraph,
    deployer: &Deployer,
    paths: Paths<'_>,
    find: impl FnMut(&Branch<Option<Digest>>) -> Result<Digest, String>,
) -> Result<Material<ResolvedGraph>, DeployError> {
    let mut finder = Finder::new(document.file(), deployer, paths);
    let resolved = document.resolve(&mut finder, find);
    let documents = finder.finish()?;
    Ok(Material {
        manifest: resolved?,
        documents,
        lacking: BTreeSet::new(),
    })
}

struct Finder<'a> {
    folder: Confined,
    paths: Paths<'a>,
    deployer: &'a Deployer,
    documents: BTreeMap<Digest, Bytes>,
    /// Files read so far, with their size limit: the same path always resolves to the same content.
    read: BTreeMap<(PathBuf, u64), Digest>,
    /// A failure of the store itself, which is not the manifest's fault.
    broken: Option<StoreError>,
}

impl<'a> Finder<'a> {
    fn new(file: &str, deployer: &'a Deployer, paths: Paths<'a>) -> Self {
        let folder = Confined::of(file, &deployer.allowed);
        Self {
            folder,
            paths,
            deployer,
            documents: BTreeMap::new(),
            read: BTreeMap::new(),
            broken: None,
        }
    }

    /// The documents found, unless the store failed.
    fn finish(self) -> Result<BTreeMap<Digest, Bytes>, StoreError> {
        self.broken.map_or(Ok(self.documents), Err)
    }

    fn path(&mut self, path: &str, bytes_max: u64) -> Result<Digest, String> {
        match self.paths {
            Paths::Disk => self.file_at(self.folder.path(path), bytes_max, |folder, _| {
                folder.open(path)
            }),
            Paths::Sent(sent) => match sent.get(path) {
                Some(digest) => self.digest(&digest.clone()),
                None => Err(format!("the bytes of {path} were not sent along")),
            },
        }
    }

    fn file_at(
        &mut self,
        path: PathBuf,
        bytes_max: u64,
        open: impl FnOnce(&Confined, &Path) -> Result<File, OpenError>,
    ) -> Result<Digest, String> {
        let key = (path, bytes_max);
        if let Some(digest) = self.read.get(&key) {
            return Ok(*digest);
        }
        let shown = key.0.display();
        let file = open(&self.folder, &key.0).map_err(|error| error.to_string())?;
        let failed = |error: io::Error| format!("can't read {shown}: {error}");
        let bytes = file.metadata().map_err(failed)?.len();
        if bytes > bytes_max {
            return Err(format!(
                "{shown} has {bytes} bytes; at most {bytes_max} are allowed"
            ));
        }
        yield_to_requests();
        let digest = self
            .deployer
            .store
            .put_file(&file)
            .map_err(|error| match error {
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
            Ok(false) => Err(format!(
                "{digest} is not in the store; name a file once, or store it there first"
            )),
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
            // The version is declared by the component and is checked when the component is opened.
            ComponentRef::Box { name, .. } => {
                let path = self.deployer.boxes.find(name.as_str())?;
                self.file_at(path, COMPONENT_BYTES_MAX, |_, path| files::open(path))
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
                let digest = self
                    .deployer
                    .store
                    .put(text.as_bytes())
                    .map_err(|error| self.broke(error))?;
                self.documents.insert(digest, text.into());
                return Ok(digest);
            }
        };
        self.documents
            .insert(digest, self.deployer.shared.hold(&digest)?);
        Ok(digest)
    }
}
