//! The cache of compiled components, kept across restarts, and the key that signs it.
//!
//! Entries may be lost at any time: one that is missing, unreadable or damaged costs a compilation.

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

    /// A file that is not regular counts as missing; the component is compiled and the file
    /// replaced.
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

/// The signing key, created from the system's randomness at the first start. Anyone who can read it
/// can sign machine code that this server trusts, so a key that others can read is refused.
pub(super) fn signing_key(root: &Path) -> Result<SigningKey, StoreError> {
    let path = root.join("cache.key");
    if let Some(file) = private(&path)? {
        let mut key = Vec::new();
        // One byte more than the key has, to detect a longer file.
        file.take(33)
            .read_to_end(&mut key)
            .map_err(|error| StoreError::io("read", &path, error))?;
        match <[u8; 32]>::try_from(key) {
            Ok(key) => return Ok(SigningKey(key)),
            // A damaged key invalidates the cache and nothing else.
            Err(_) => {
                tracing::warn!(path = %path.display(), "the cache's key was damaged; a new one is made");
            }
        }
    }
    let mut key = [0; 32];
    let drawn = fs::File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut key));
    drawn.map_err(|error| StoreError::io("read", Path::new("/dev/urandom"), error))?;
    write_whole(root, &path, &key)?;
    Ok(SigningKey(key))
}
