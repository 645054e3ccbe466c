//! Machine code between two starts, and the secret that signs it.
//!
//! The cache may forget and must not fail: an entry that can't be read or written, or that a power
//! cut damaged, costs a compilation.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use hotstage_engine::SigningKey;
use hotstage_engine::compile::Artifacts;

use super::secret::private;
use super::write::{write_as, write_whole};
use super::{Store, StoreError};
use crate::files;

impl Artifacts for Store {
    fn has(&self, name: &str) -> bool {
        fs::symlink_metadata(self.root.join("cache").join(name)).is_ok_and(|about| about.is_file())
    }

    /// What is no regular file is no entry: it is compiled again, and a new one takes its place.
    fn load(&self, name: &str) -> Option<Vec<u8>> {
        let mut entry = Vec::new();
        let mut file = files::open_own(&self.root.join("cache").join(name)).ok()?;
        file.read_to_end(&mut entry).ok()?;
        Some(entry)
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

/// The secret; made from the system's randomness on the first start. Who can read it can make
/// machine code that this server trusts, so a file that others can read is refused.
pub(super) fn signing_key(root: &Path) -> Result<SigningKey, StoreError> {
    let path = root.join("cache.key");
    if let Some(file) = private(&path)? {
        let mut key = Vec::new();
        // One byte more than it has, so that a longer file is seen to be damaged.
        file.take(33)
            .read_to_end(&mut key)
            .map_err(|error| StoreError::io("read", &path, error))?;
        match <[u8; 32]>::try_from(key) {
            Ok(key) => return Ok(SigningKey(key)),
            // A damaged key costs the cache, nothing else.
            Err(_) => {
                tracing::warn!(path = %path.display(), "the cache's key was damaged; a new one is made")
            }
        }
    }
    let mut key = [0; 32];
    let drawn = fs::File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut key));
    drawn.map_err(|error| StoreError::io("read", Path::new("/dev/urandom"), error))?;
    write_whole(root, &path, &key)?;
    Ok(SigningKey(key))
}
