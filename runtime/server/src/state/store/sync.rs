//! Blobs that are in their places and that a power cut may still take away: those that a revision
//! needs are made durable together, right before it is recorded.
//!
//! Each flush of a disk costs the whole machine, the requests on it too; a file system that flushes
//! one new file mostly has the others on the disk as well, and their flushes are little. A blob
//! that a power cut damaged was needed by nobody: it has not the bytes that its name promises, and
//! whoever stores it again mends it. Every process flushes what it needs once, also what it found:
//! somebody who was killed may have left it.
//!
//! Bound: [`KNOWN_MAX`] names of blobs of which that much is known.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hotstage_core::digest::Digest;

use super::write::sync_directory;
use super::{Store, StoreError};

/// Beyond so many, all are forgotten: those that are needed again are flushed again.
const KNOWN_MAX: usize = 1024;

/// What is known of blobs.
#[derive(Default)]
pub(super) struct Known {
    /// These are on the disk.
    durable: HashSet<Digest>,
    /// These were brought, and nothing that was recorded needs them.
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
                // A flush that failed is forgotten by the system, and the next one would say that
                // all is well. What is gone is stored anew.
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
        // Some of those may be new themselves.
        if folders.is_empty() {
            Ok(())
        } else {
            sync_directory(&self.root.join("blobs"))
        }
    }

    /// Takes note of a blob that was put into its place. One that mends a damaged one is durable at
    /// once: a revision may need it already, and no other be recorded.
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

/// Sets of names are never half changed.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::store::Access;

    #[test]
    fn what_is_needed_is_settled_once_and_again_if_it_was_brought_again() {
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
    fn what_cannot_be_flushed_is_not_kept_as_if_it_were() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), Access::Share).unwrap();
        let (one, gone) = (store.put(b"one").unwrap(), Digest::of(b"never put"));
        assert!(store.sync(&HashSet::from([one, gone])).is_err());
        assert!(!store.has(&one));
        // What was on the disk before is left alone.
        let one = store.put(b"one").unwrap();
        store.sync(&HashSet::from([one])).unwrap();
        assert!(store.sync(&HashSet::from([one, gone])).is_err());
        assert!(store.has(&one));
    }
}
