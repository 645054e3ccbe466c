//! Bytes by their name: the SHA-256 is the address, so what is there never changes.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;
use hotstage_core::digest::{Digest, Hasher};

use super::pieces::{Blob, each, hash, is_same};
use super::write::write_as;
use super::{Store, StoreError, make_directory};
use crate::files;

/// Why a file can't be kept.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// The file itself can't be read.
    #[error(transparent)]
    Source(#[from] io::Error),
    /// The store can't do its work.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Keeps the bytes, durably once they are [settled](Store::settle); says their name. Storing
    /// what is there already costs a look.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        // A damaged blob is written again: `get` told somebody to store it anew.
        let path = self.blob_path(&digest);
        if read(&path).is_ok_and(|there| there == bytes) {
            touch(&path)?;
        } else {
            self.make_room(&path)?;
            let mends = path.exists();
            write_as(&self.root, |temporary| {
                temporary.write(bytes)?;
                Ok::<_, StoreError>(path.clone())
            })?;
            self.brought(digest, mends)?;
        }
        Ok(digest)
    }

    /// The same for the bytes of a file, which are never all in memory.
    pub fn put_file(&self, file: &fs::File) -> Result<Digest, PutError> {
        let (digest, _) = hash(file)?;
        let path = self.blob_path(&digest);
        if files::open_own(&path).is_ok_and(|there| is_same(&there, file)) {
            touch(&path)?;
            return Ok(digest);
        }
        // It may have changed since it was hashed: what was copied is what counts.
        let (mut copied, mut mends) = (digest, false);
        write_as(&self.root, |temporary| {
            let mut hasher = Hasher::default();
            each(file, |piece| {
                hasher.add(piece);
                temporary.write(piece).map_err(PutError::Store)
            })?;
            copied = hasher.finish();
            let path = self.blob_path(&copied);
            self.make_room(&path)?;
            mends = path.exists();
            Ok::<_, PutError>(path)
        })?;
        self.brought(copied, mends)?;
        Ok(copied)
    }

    /// How many bytes the blob has, all of which are read and found right; `None` when it is not
    /// here. They are never all in memory.
    pub fn check(&self, digest: &Digest) -> Result<Option<u64>, StoreError> {
        let path = self.blob_path(digest);
        match files::open_own(&path).and_then(|file| hash(&file)) {
            Ok((found, bytes)) if found == *digest => Ok(Some(bytes)),
            Ok(_) => Err(StoreError::Damaged { path }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("read", &path, error)),
        }
    }

    /// The same for somebody who is about to use it.
    pub fn claim(&self, digest: &Digest) -> Result<Option<u64>, StoreError> {
        let bytes = self.check(digest)?;
        if bytes.is_some() {
            touch(&self.blob_path(digest))?;
        }
        Ok(bytes)
    }

    /// Whether there is a blob of this name; its bytes are not looked at.
    pub fn has(&self, digest: &Digest) -> bool {
        self.size(digest).is_some()
    }

    /// How many bytes a blob of this name has, if there is one; they are not looked at.
    pub fn size(&self, digest: &Digest) -> Option<u64> {
        fs::metadata(self.blob_path(digest))
            .ok()
            .filter(fs::Metadata::is_file)
            .map(|about| about.len())
    }

    fn make_room(&self, path: &Path) -> Result<(), StoreError> {
        path.parent().map_or(Ok(()), make_directory)
    }

    /// The bytes of this name, checked; `None` when they are not here.
    pub fn get(&self, digest: &Digest) -> Result<Option<Bytes>, StoreError> {
        let path = self.blob_path(digest);
        match read(&path) {
            Ok(bytes) if Digest::of(&bytes) == *digest => Ok(Some(bytes.into())),
            Ok(_) => Err(StoreError::Damaged { path }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("read", &path, error)),
        }
    }

    /// The bytes of this name, to be read a piece at a time; `None` when they are not here.
    pub fn open_blob(&self, digest: &Digest) -> Result<Option<Blob>, StoreError> {
        let path = self.blob_path(digest);
        match Blob::open(*digest, &path) {
            Ok(blob) => Ok(Some(blob)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("read", &path, error)),
        }
    }

    pub(super) fn blob_path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.root.join("blobs").join(&hex[..2]).join(&hex)
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = files::open_own(path)?;
    // As much at once as it will be.
    let length = file.metadata()?.len();
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Somebody is about to use the blob: it counts as new, so that nothing sweeps it away meanwhile.
fn touch(path: &Path) -> Result<(), StoreError> {
    let file = fs::File::options().append(true).open(path);
    file.and_then(|file| file.set_modified(SystemTime::now()))
        .map_err(|error| StoreError::io("touch", path, error))
}
