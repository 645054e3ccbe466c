//! Bytes by their name: the SHA-256 is the address, so what is there never changes.

use std::fs;
use std::io;
use std::path::PathBuf;

use bytes::Bytes;
use hotstage_core::digest::Digest;

use super::write::write_whole;
use super::{Store, StoreError, make_directory};

impl Store {
    /// Keeps the bytes; says their name. Storing what is there already costs a look.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        // A damaged blob is written again: `get` told somebody to store it anew.
        if !matches!(self.get(&digest), Ok(Some(_))) {
            let path = self.blob_path(&digest);
            if let Some(directory) = path.parent() {
                make_directory(directory)?;
            }
            write_whole(&self.root, &path, bytes)?;
        }
        Ok(digest)
    }

    /// The bytes of this name, checked; `None` when they are not here.
    pub fn get(&self, digest: &Digest) -> Result<Option<Bytes>, StoreError> {
        let path = self.blob_path(digest);
        match fs::read(&path) {
            Ok(bytes) if Digest::of(&bytes) == *digest => Ok(Some(bytes.into())),
            Ok(_) => Err(StoreError::Damaged { path }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("read", &path, error)),
        }
    }

    fn blob_path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.root.join("blobs").join(&hex[..2]).join(&hex)
    }
}
