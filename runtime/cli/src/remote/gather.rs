//! Local manifests → the request of `apply`: their texts, and the digests of the files that they
//! refer to.
//!
//! All problems are reported at once, before anything is sent. Components that are named without a
//! path are resolved by the server. Bounds: those of the server, [`COMPONENT_BYTES_MAX`] and
//! [`FILE_BYTES_MAX`].

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use hotstage_core::digest::{Digest, Hasher};
use hotstage_core::graph::Branch;
use hotstage_core::limits::{COMPONENT_BYTES_MAX, FILE_BYTES_MAX};
use hotstage_core::manifest::{
    ComponentRef, DocumentRef, FileRef, Problems, Resolve, Resolved, Written, canonical_text,
};

use hotstage_client::Document;
use hotstage_server::control::deploy;
use hotstage_server::files::{Allowed, Confined, OpenError};

/// Bytes that are hashed at a time.
const PIECE_BYTES: usize = 1 << 20;

/// The content of manifest files.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// The files, as they are sent.
    pub(super) documents: Vec<Document>,
    /// The files that they refer to.
    pub(super) files: Files,
    /// Each document, as written and with digests. The digest of a component that the server
    /// resolves is that of no bytes.
    pub(super) manifests: Vec<(Written, Resolved)>,
}

/// The files, by the digest of their bytes.
pub(super) type Files = BTreeMap<Digest, Blob>;

/// A file, and its length when it was hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Blob {
    /// As messages show it.
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    /// The directory that confines it, and its path there.
    place: (Confined, String),
}

impl Blob {
    /// Opens the file again with the same checks, because it may have been replaced.
    pub(super) fn open(&self) -> Result<File, OpenError> {
        let (folder, name) = &self.place;
        folder.open(name)
    }
}

/// Reads the manifests and hashes the files that they refer to, which must lie in the manifests'
/// folders or in allowed directories.
pub(super) fn gather(paths: &[PathBuf], allowed: &Allowed) -> Result<Gathered, Problems> {
    let (texts, mut problems) = deploy::texts(paths, allowed);
    let written = deploy::sent(
        texts
            .iter()
            .map(|(file, text)| (file.as_str(), text.as_str())),
    );
    let written = match written {
        Ok(written) => written,
        Err(found) => {
            problems.append(found);
            return Err(problems);
        }
    };
    let mut gathered = Gathered::default();
    let mut sent: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut hashed = BTreeMap::new();
    for document in written.pipelines {
        let folder = Confined::of(document.file(), allowed);
        let paths = sent.entry(document.file().to_owned()).or_default();
        let mut finder = Finder {
            folder,
            paths,
            hashed: &mut hashed,
        };
        match document.resolve(&mut finder) {
            Ok(resolved) => gathered.manifests.push((document, resolved)),
            Err(found) => problems.append(found),
        }
    }
    for document in written.graphs {
        let folder = Confined::of(document.file(), allowed);
        let paths = sent.entry(document.file().to_owned()).or_default();
        let mut finder = Finder {
            folder,
            paths,
            hashed: &mut hashed,
        };
        // The server resolves its members.
        let unknown =
            |branch: &Branch<Option<Digest>>| Ok(branch.digest.unwrap_or_else(|| Digest::of(b"")));
        if let Err(found) = document.resolve(&mut finder, unknown) {
            problems.append(found);
        }
    }
    gathered.files = hashed.into_values().collect();
    let with_paths = |(file, text): (String, String)| {
        let paths = sent.remove(&file).unwrap_or_default();
        Document { file, text, paths }
    };
    gathered.documents = texts.into_iter().map(with_paths).collect();
    problems.or(gathered)
}

struct Finder<'a> {
    folder: Confined,
    /// Written path → digest.
    paths: &'a mut BTreeMap<String, String>,
    /// Ensures that no file is read twice.
    hashed: &'a mut BTreeMap<PathBuf, (Digest, Blob)>,
}

impl Finder<'_> {
    fn path(&mut self, written: &str, bytes_max: u64) -> Result<Digest, String> {
        // Removes the `.` of `./weights` for messages and progress bars.
        let path: PathBuf = self.folder.path(written).components().collect();
        let (digest, bytes) = match self.hashed.get(&path) {
            Some((digest, blob)) => (*digest, blob.bytes),
            None => hash(
                self.folder
                    .open(written)
                    .map_err(|error| error.to_string())?,
                &path,
            )?,
        };
        if bytes > bytes_max {
            return Err(format!(
                "{} has {bytes} bytes; at most {bytes_max} are allowed",
                path.display()
            ));
        }
        let place = (self.folder.clone(), written.to_owned());
        self.hashed
            .entry(path.clone())
            .or_insert((digest, Blob { path, bytes, place }));
        self.paths.insert(written.to_owned(), digest.to_string());
        Ok(digest)
    }
}

impl Resolve for Finder<'_> {
    fn component(&mut self, reference: &ComponentRef) -> Result<Digest, String> {
        match reference {
            ComponentRef::Path(path) => self.path(path, COMPONENT_BYTES_MAX),
            ComponentRef::Digest(digest) => Ok(*digest),
            ComponentRef::Box { .. } => Ok(Digest::of(b"")),
        }
    }

    fn file(&mut self, reference: &FileRef) -> Result<Digest, String> {
        match reference {
            FileRef::Path(path) => self.path(path, FILE_BYTES_MAX),
            FileRef::Digest(digest) => Ok(*digest),
        }
    }

    fn document(&mut self, reference: &DocumentRef) -> Result<Digest, String> {
        match reference {
            DocumentRef::Path(path) => self.path(path, FILE_BYTES_MAX),
            DocumentRef::Digest(digest) => Ok(*digest),
            DocumentRef::Inline(value) => Ok(Digest::of(canonical_text(value).as_bytes())),
        }
    }
}

/// The digest and the length of a file. A file above the bound is not read.
fn hash(mut file: File, path: &Path) -> Result<(Digest, u64), String> {
    let shown = path.display();
    let trouble = |error: std::io::Error| format!("can't read {shown}: {error}");
    let length = file.metadata().map_err(trouble)?.len();
    if length > FILE_BYTES_MAX {
        return Err(format!(
            "{shown} has {length} bytes; at most {FILE_BYTES_MAX} are allowed"
        ));
    }
    let mut hasher = Hasher::default();
    let mut piece = vec![0; PIECE_BYTES];
    let mut bytes = 0;
    loop {
        let read = match file.read(&mut piece) {
            Ok(0) => return Ok((hasher.finish(), bytes)),
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(trouble(error)),
        };
        hasher.add(&piece[..read]);
        bytes += read as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = r#"
apiVersion: hotstage.dev/v1
kind: Pipeline
metadata: { name: tumor, version: "1" }
spec:
  stages:
    - name: scale
      role: preprocess
      component: scale
      files: { columns: ./columns.txt }
    - name: classifier
      role: model
      component: ./model.wasm
      files: { weights: ./weights.bin }
"#;

    fn manifest(folder: &Path) -> PathBuf {
        let file = folder.join("tumor.yaml");
        std::fs::write(&file, MANIFEST).unwrap();
        file
    }

    #[test]
    fn every_path_is_hashed_and_names_are_left_to_the_server() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("columns.txt", "a\nb"),
            ("model.wasm", "wasm"),
            ("weights.bin", "wasm"),
        ] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let gathered = gather(&[manifest(folder.path())], &Allowed::default()).unwrap();
        let paths = &gathered.documents[0].paths;
        assert_eq!(paths["./columns.txt"], Digest::of(b"a\nb").to_string());
        assert_eq!(paths["./model.wasm"], paths["./weights.bin"]);
        assert_eq!(
            (paths.len(), gathered.files.len(), gathered.manifests.len()),
            (3, 2, 1)
        );
        assert_eq!(gathered.files[&Digest::of(b"wasm")].bytes, 4);
        assert_eq!(gathered.documents[0].text, MANIFEST);
    }

    #[test]
    fn everything_that_is_missing_is_said_at_once_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let problems = gather(
            &[manifest(folder.path()), folder.path().join("gone.yaml")],
            &Allowed::default(),
        )
        .unwrap_err();
        let text = problems.to_string();
        assert_eq!(problems.list().len(), 4, "{text}");
        for part in [
            "there is no such file",
            "columns.txt",
            "tumor.yaml:13:",
            "spec.stages[1].files.weights:",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
