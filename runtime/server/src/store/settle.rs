//! Blobs that are in their places and that a power cut may still take away: they are made durable together, before a
//! revision that names one of them is recorded.
//!
//! Each flush of a disk costs the whole machine, the requests on it too; a file system that flushes one new file
//! mostly has the others on the disk as well, and their flushes are nothing. A blob that a power cut damaged was named
//! by nobody: it has not the bytes that its name promises, and whoever stores it again mends it. Bound:
//! [`UNSETTLED_MAX`] open files.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::write::sync_directory;
use super::{Store, StoreError};

/// Blobs that may wait; so many changes were refused after the last one that was recorded.
const UNSETTLED_MAX: usize = 256;

/// What waits to be made durable.
#[derive(Default)]
pub(super) struct Unsettled {
    waiting: Mutex<Vec<Blob>>,
    /// Whoever has it makes the blobs durable; others, who may need the same ones, wait.
    settling: Mutex<()>,
}

struct Blob {
    file: File,
    path: PathBuf,
}

impl Store {
    /// Returns when every blob that was put before is on the disk.
    pub fn settle(&self) -> Result<(), StoreError> {
        let _turn = locked(&self.unsettled.settling);
        let blobs = std::mem::take(&mut *locked(&self.unsettled.waiting));
        let settled = self.sync(&blobs);
        if settled.is_err() {
            // A flush that failed is forgotten by the system, and the next one would say that all is well. What is gone
            // is stored anew, and a change that needs it now finds it missing.
            blobs.iter().for_each(|blob| drop(fs::remove_file(&blob.path)));
        }
        settled
    }

    fn sync(&self, blobs: &[Blob]) -> Result<(), StoreError> {
        for Blob { file, path } in blobs {
            file.sync_all().map_err(|error| StoreError::io("write", path, error))?;
        }
        let folders: BTreeSet<_> = blobs.iter().filter_map(|blob| blob.path.parent()).collect();
        folders.iter().try_for_each(|folder| sync_directory(folder))?;
        // Some of those may be new themselves.
        if folders.is_empty() { Ok(()) } else { sync_directory(&self.root.join("blobs")) }
    }

    /// Takes note of a blob that was put into its place.
    pub(super) fn unsettled(&self, file: File, path: PathBuf) -> Result<(), StoreError> {
        let waiting = {
            let mut waiting = locked(&self.unsettled.waiting);
            waiting.push(Blob { file, path });
            waiting.len()
        };
        if waiting < UNSETTLED_MAX { Ok(()) } else { self.settle() }
    }
}

/// A list of files is never half changed.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Access;

    #[test]
    fn what_was_put_waits_until_it_is_settled_and_its_number_is_bounded() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), Access::Share).unwrap();
        let waiting = || locked(&store.unsettled.waiting).len();
        store.put(b"one").unwrap();
        store.put(b"another").unwrap();
        // It is there already.
        store.put(b"one").unwrap();
        assert_eq!(waiting(), 2);
        store.settle().unwrap();
        assert_eq!(waiting(), 0);
        for number in 0..2 * UNSETTLED_MAX {
            store.put(&number.to_le_bytes()).unwrap();
            assert!(waiting() < UNSETTLED_MAX);
        }
    }
}
