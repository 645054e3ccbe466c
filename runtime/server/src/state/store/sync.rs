//! Makes blobs durable. A stored blob may be lost in a power cut until it is synced; the blobs that
//! a revision needs are synced together, right before the revision is recorded.
//!
//! Each sync slows the whole machine, including its requests; a file system that syncs one new file
//! mostly writes the others too, so syncing them together is cheap. A blob that a power cut damaged
//! was not needed by any revision: its bytes do not match its digest, and storing it again repairs
//! it. Every process syncs each blob that it needs once, also blobs that it found, because a
//! process that was killed may have left them unsynced.
//!
//! Bound: [`KNOWN_MAX`] digests in each set.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hotstage_core::digest::Digest;

use super::write::sync_directory;
use super::{Store, StoreError};

/// When a set would grow beyond this, it is cleared; its blobs are synced again when needed.
const KNOWN_MAX: usize = 1024;

/// What this process knows of blobs.
#[derive(Default)]
pub(super) struct Known {
    /// On the disk.
    durable: HashSet<Digest>,
    /// Stored by this process, and not yet needed by a revision.
    brought: HashSet<Digest>,
}

impl Store {
    /// Returns when these blobs are on the disk.
    pub fn sync(&self, needed: &HashSet<Digest>) -> Result<(), StoreError> {
        let pending: Vec<Digest> = needed
            .difference(&locked(&self.known).durable)
            .copied()
            .collect();
        let synced = self.flush(&pending);
        let mut known = locked(&self.known);
        for digest in pending {
            let is_new = known.brought.remove(&digest);
            if synced.is_ok() {
                add(&mut known.durable, digest);
            } else if is_new {
                // The kernel reports a failed sync only once; a later one would succeed falsely. So
                // remove the blob, which must then be stored again.
                let _ = fs::remove_file(self.blob_path(&digest));
            }
        }
        synced
    }

    fn flush(&self, blobs: &[Digest]) -> Result<(), StoreError> {
        let mut folders: BTreeSet<PathBuf> = BTreeSet::new();
        for digest in blobs {
            let path = self.blob_path(digest);
            let synced = File::open(&path).and_then(|file| file.sync_all());
            synced.map_err(|error| StoreError::io("write", &path, error))?;
            folders.extend(path.parent().map(Path::to_owned));
        }
        folders
            .iter()
            .try_for_each(|folder| sync_directory(folder))?;
        // Some of those folders may be new themselves.
        if folders.is_empty() {
            Ok(())
        } else {
            sync_directory(&self.root.join("blobs"))
        }
    }

    /// Records that a blob was stored. A repaired blob is synced at once, because a revision may
    /// need it already and no later one be recorded.
    pub(super) fn brought(&self, digest: Digest, mends: bool) -> Result<(), StoreError> {
        {
            let mut known = locked(&self.known);
            known.durable.remove(&digest);
            add(&mut known.brought, digest);
        }
        if mends {
            self.sync(&HashSet::from([digest]))
        } else {
            Ok(())
        }
    }
}

fn add(set: &mut HashSet<Digest>, digest: Digest) {
    if set.len() >= KNOWN_MAX {
        set.clear();
    }
    set.insert(digest);
}

/// Ignores poisoning: no guarded value is left inconsistent by a panic.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::store::Access;

    #[test]
    fn a_needed_blob_is_synced_once_and_again_after_it_is_stored_again() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), Access::Share).unwrap();
        let one = store.put(b"one").unwrap();
        store.put(b"another").unwrap();
        let sets = || {
            let known = locked(&store.known);
            (known.durable.len(), known.brought.len())
        };
        assert_eq!(sets(), (0, 2));
        store.sync(&HashSet::from([one])).unwrap();
        assert_eq!(sets(), (1, 1));
        store.put(b"one").unwrap();
        assert_eq!(sets(), (1, 1));
        fs::write(store.blob_path(&one), b"damaged").unwrap();
        store.put(b"one").unwrap();
        assert_eq!(sets(), (1, 1), "what is mended is durable at once");
        for number in 0..=KNOWN_MAX {
            let digest = store.put(&number.to_le_bytes()).unwrap();
            store.sync(&HashSet::from([digest])).unwrap();
        }
        assert_eq!(sets(), (2, 1));
    }

    #[test]
    fn a_blob_that_can_not_be_synced_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), Access::Share).unwrap();
        let (one, gone) = (store.put(b"one").unwrap(), Digest::of(b"never put"));
        assert!(store.sync(&HashSet::from([one, gone])).is_err());
        assert!(!store.has(&one));
        // A blob that was on the disk before is kept.
        let one = store.put(b"one").unwrap();
        store.sync(&HashSet::from([one])).unwrap();
        assert!(store.sync(&HashSet::from([one, gone])).is_err());
        assert!(store.has(&one));
    }
}
