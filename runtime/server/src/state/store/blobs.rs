//! The blob store: bytes addressed by their SHA-256, so a stored blob never changes.

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

/// Why a file can't be stored.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// The file can't be read.
    #[error(transparent)]
    Source(#[from] io::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Stores the bytes and returns their digest; they are durable after [`sync`](Store::sync).
    /// Bytes that are stored already are only compared.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        // A damaged blob is written again, as the error of `get` promises.
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

    /// Stores the bytes of a file, reading it piece by piece.
    pub fn put_file(&self, file: &fs::File) -> Result<Digest, PutError> {
        let (digest, _) = hash(file)?;
        let path = self.blob_path(&digest);
        if files::open_own(&path).is_ok_and(|there| is_same(&there, file)) {
            touch(&path)?;
            return Ok(digest);
        }
        // The file may have changed since it was hashed, so the copied bytes are hashed again.
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

    /// Reads and checks a whole blob, piece by piece. Returns its size, or `None` when it is
    /// missing.
    pub fn check(&self, digest: &Digest) -> Result<Option<u64>, StoreError> {
        let path = self.blob_path(digest);
        match files::open_own(&path).and_then(|file| hash(&file)) {
            Ok((found, bytes)) if found == *digest => Ok(Some(bytes)),
            Ok(_) => Err(StoreError::Damaged { path }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("read", &path, error)),
        }
    }

    /// Checks a blob that will be used soon, and marks it as new, so that `gc` keeps it.
    pub fn claim(&self, digest: &Digest) -> Result<Option<u64>, StoreError> {
        let bytes = self.check(digest)?;
        if bytes.is_some() {
            touch(&self.blob_path(digest))?;
        }
        Ok(bytes)
    }

    /// Whether a blob of this digest exists; its bytes are not read.
    pub fn has(&self, digest: &Digest) -> bool {
        self.size(digest).is_some()
    }

    /// The size of a blob, if it exists; its bytes are not read.
    pub fn size(&self, digest: &Digest) -> Option<u64> {
        fs::metadata(self.blob_path(digest))
            .ok()
            .filter(fs::Metadata::is_file)
            .map(|about| about.len())
    }

    fn make_room(&self, path: &Path) -> Result<(), StoreError> {
        path.parent().map_or(Ok(()), make_directory)
    }

    /// Reads and checks a blob; `None` when it is missing.
    pub fn get(&self, digest: &Digest) -> Result<Option<Bytes>, StoreError> {
        let path = self.blob_path(digest);
        match read(&path) {
            Ok(bytes) if Digest::of(&bytes) == *digest => Ok(Some(bytes.into())),
            Ok(_) => Err(StoreError::Damaged { path }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("read", &path, error)),
        }
    }

    /// Opens a blob to be read piece by piece; `None` when it is missing.
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
    // Allocate for the whole file at once.
    let length = file.metadata()?.len();
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Sets the modification time to now, so that `gc` treats the blob as new and keeps it.
fn touch(path: &Path) -> Result<(), StoreError> {
    let file = fs::File::options().append(true).open(path);
    file.and_then(|file| file.set_modified(SystemTime::now()))
        .map_err(|error| StoreError::io("touch", path, error))
}
