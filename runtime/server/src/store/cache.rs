//! Machine code between two starts, and the secret that signs it.
//!
//! The cache may forget and must not fail: an entry that can't be read or written, or that a power cut damaged, costs
//! a compilation.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use hotstage_engine::SigningKey;
use hotstage_engine::compile::Artifacts;

use super::write::{write_as, write_whole};
use super::{Store, StoreError};

impl Artifacts for Store {
    fn load(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.root.join("cache").join(name)).ok()
    }

    fn save(&self, name: &str, entry: &[u8]) {
        let saved = write_as(&self.root, |file| {
            file.write(entry)?;
            Ok::<_, StoreError>(self.root.join("cache").join(name))
        });
        if let Err(error) = saved {
            tracing::warn!(%error, "compiled code was not kept; the next start compiles again");
        }
    }
}

/// The secret; made from the system's randomness on the first start.
pub(super) fn signing_key(root: &Path) -> Result<SigningKey, StoreError> {
    let path = root.join("cache.key");
    match fs::read(&path) {
        Ok(bytes) => match <[u8; 32]>::try_from(bytes) {
            Ok(key) => return Ok(SigningKey(key)),
            // A damaged key costs the cache, nothing else.
            Err(_) => tracing::warn!(path = %path.display(), "the cache's key was damaged; a new one is made"),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(StoreError::io("read", &path, error)),
    }
    let mut key = [0; 32];
    let drawn = fs::File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut key));
    drawn.map_err(|error| StoreError::io("read", Path::new("/dev/urandom"), error))?;
    write_whole(root, &path, &key)?;
    Ok(SigningKey(key))
}
