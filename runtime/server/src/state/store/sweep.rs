//! Garbage collection: removes blobs, compiled components and temporary files that no revision
//! needs.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::str::FromStr as _;
use std::time::Duration;

use hotstage_core::digest::Digest;

use super::{Store, StoreError};

/// What was removed, or would be removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Blobs: components, files, manifests.
    pub blobs: u64,
    /// Their bytes.
    pub blob_bytes: u64,
    /// Compiled components.
    pub compiled: u64,
    /// Their bytes.
    pub compiled_bytes: u64,
    /// Abandoned uploads and temporary files.
    pub abandoned: u64,
    /// Their bytes.
    pub abandoned_bytes: u64,
    /// Blobs that were kept.
    pub kept: u64,
}

impl Store {
    /// Removes blobs, compiled components and temporary files that are not needed and older than
    /// `min_age`.
    pub fn sweep(
        &self,
        needed: &HashSet<Digest>,
        min_age: Duration,
        dry_run: bool,
    ) -> Result<Swept, StoreError> {
        let mut freed = Swept::default();
        for folder in list(&self.root.join("blobs"))? {
            for file in list(&folder.path())? {
                if digest_of(&file).is_some_and(|digest| needed.contains(&digest)) {
                    freed.kept += 1;
                } else if let Some(bytes) = remove(&file, min_age, dry_run)? {
                    freed.blobs += 1;
                    freed.blob_bytes += bytes;
                } else {
                    freed.kept += 1;
                }
            }
        }
        for file in list(&self.root.join("cache"))? {
            if component_of(&file).is_some_and(|digest| needed.contains(&digest)) {
                continue;
            }
            if let Some(bytes) = remove(&file, min_age, dry_run)? {
                freed.compiled += 1;
                freed.compiled_bytes += bytes;
            }
        }
        for file in list(&self.root.join("tmp"))? {
            // The writer of an active upload holds a lock on its file.
            if fs::File::open(file.path()).is_ok_and(|open| open.try_lock().is_err()) {
                continue;
            }
            if let Some(bytes) = remove(&file, min_age, dry_run)? {
                freed.abandoned += 1;
                freed.abandoned_bytes += bytes;
            }
        }
        Ok(freed)
    }
}

fn list(folder: &Path) -> Result<Vec<fs::DirEntry>, StoreError> {
    let entries = fs::read_dir(folder).map_err(|error| StoreError::io("read", folder, error))?;
    Ok(entries.filter_map(Result::ok).collect())
}

fn digest_of(file: &fs::DirEntry) -> Option<Digest> {
    Digest::from_str(&format!("sha256:{}", file.file_name().to_str()?)).ok()
}

/// The component of an entry `<settings>-<digest>.cwasm`.
fn component_of(file: &fs::DirEntry) -> Option<Digest> {
    let name = file.file_name();
    let (_, digest) = name.to_str()?.strip_suffix(".cwasm")?.split_once('-')?;
    Digest::from_str(&format!("sha256:{digest}")).ok()
}

/// Removes a file that is old enough; returns its size.
fn remove(
    file: &fs::DirEntry,
    min_age: Duration,
    dry_run: bool,
) -> Result<Option<u64>, StoreError> {
    let Ok(about) = file.metadata() else {
        return Ok(None);
    };
    let is_old = about
        .modified()
        .is_ok_and(|time| time.elapsed().is_ok_and(|age| age >= min_age));
    if !about.is_file() || !is_old {
        return Ok(None);
    }
    if !dry_run {
        fs::remove_file(file.path())
            .map_err(|error| StoreError::io("remove", &file.path(), error))?;
    }
    Ok(Some(about.len()))
}
