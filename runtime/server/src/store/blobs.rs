//! Bytes by their name: the SHA-256 is the address, so what is there never changes.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use bytes::Bytes;
use hotstage_core::digest::Digest;

use super::write::write_whole;
use super::{Store, StoreError, make_directory};

impl Store {
    /// Keeps the bytes; says their name. Storing what is there already costs a look.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        // A damaged blob is written again: `get` told somebody to store it anew.
        let path = self.blob_path(&digest);
        if fs::read(&path).is_ok_and(|there| there == bytes) {
            // Somebody is about to use it: it counts as new, so that nothing sweeps it away meanwhile.
            let file = fs::File::options().append(true).open(&path);
            let touched = file.and_then(|file| file.set_modified(SystemTime::now()));
            touched.map_err(|error| StoreError::io("touch", &path, error))?;
        } else {
            if let Some(directory) = path.parent() {
                make_directory(directory)?;
            }
            write_whole(&self.root, &path, bytes)?;
        }
        Ok(digest)
    }

    /// Whether there is a blob of this name; its bytes are not looked at.
    pub fn has(&self, digest: &Digest) -> bool {
        self.blob_path(digest).is_file()
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

    pub(super) fn blob_path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.root.join("blobs").join(&hex[..2]).join(&hex)
    }
}
