//! Uploads in parts: bytes collect in `tmp/upload-…` until all have arrived, and then become a
//! blob.
//!
//! A part is appended, so an interrupted client queries the offset and continues there. A lock
//! admits one writer for each digest. Only bytes that match the digest become a blob; others are
//! removed. Bounds: [`FILE_BYTES_MAX`] each, and [`UNFINISHED_MAX`] unfinished uploads. `gc`
//! removes abandoned ones.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use hotstage_core::digest::Digest;
use hotstage_core::limits::FILE_BYTES_MAX;

use super::pieces::hash;
use super::write::sync_directory;
use super::{Store, StoreError, make_directory};

/// The most unfinished uploads.
const UNFINISHED_MAX: usize = 1000;
/// The prefix of their file names.
const PREFIX: &str = "upload-";

/// The progress of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes received.
    pub offset: u64,
    /// Whether all bytes were received, verified and stored.
    pub complete: bool,
}

/// Why bytes were not accepted.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum UploadError {
    #[error("the upload continues at offset {right}, not at {sent}")]
    Offset { sent: u64, right: u64 },
    #[error("another client is uploading {digest}; wait until it ends, then query the offset")]
    Busy { digest: Digest },
    #[error(
        "{UNFINISHED_MAX} uploads are not finished; finish them, or free them with `hotstage gc --min-age 0s`"
    )]
    TooMany,
    #[error("a file has at most {FILE_BYTES_MAX} bytes")]
    TooLarge,
    #[error(
        "the uploaded bytes have the wrong digest: expected {expected}, got {got}; they were removed, start again"
    )]
    Mismatch { expected: Digest, got: Digest },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The result of [`Store::upload`].
#[derive(Debug)]
pub enum Begun {
    /// Send the bytes.
    Here(Upload),
    /// The blob is stored already and has this many bytes.
    Stored(u64),
}

impl Store {
    /// The progress of an upload. A stored blob is read and checked, so that a new upload can
    /// repair a damaged one.
    pub fn progress(&self, digest: &Digest) -> Result<Progress, StoreError> {
        if let Some(bytes) = self.stored(digest)? {
            return Ok(Progress {
                offset: bytes,
                complete: true,
            });
        }
        let path = self.upload_path(digest);
        match fs::metadata(&path) {
            Ok(about) => Ok(Progress {
                offset: about.len(),
                complete: false,
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Progress {
                offset: 0,
                complete: false,
            }),
            Err(error) => Err(StoreError::io("read", &path, error)),
        }
    }

    /// Opens an upload at this offset, for one writer.
    pub fn upload(&self, digest: &Digest, at: u64) -> Result<Begun, UploadError> {
        if let Some(bytes) = self.stored(digest)? {
            return Ok(Begun::Stored(bytes));
        }
        let path = self.upload_path(digest);
        let failed = |error| StoreError::io("open", &path, error);
        if !path.exists() && self.unfinished().map_err(failed)? >= UNFINISHED_MAX {
            return Err(UploadError::TooMany);
        }
        let mut options = File::options();
        let file = options
            .create(true)
            .append(true)
            .read(true)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(UploadError::Busy { digest: *digest }),
            Err(fs::TryLockError::Error(error)) => return Err(failed(error).into()),
        }
        let about = file.metadata().map_err(failed)?;
        // Between opening and locking, another writer may have finished and moved the file away.
        if !fs::metadata(&path)
            .is_ok_and(|now| (now.dev(), now.ino()) == (about.dev(), about.ino()))
        {
            return Err(UploadError::Busy { digest: *digest });
        }
        if about.len() != at {
            if about.len() == 0 {
                // Created by this call, and not needed.
                let _ = fs::remove_file(&path);
            }
            return Err(UploadError::Offset {
                sent: at,
                right: about.len(),
            });
        }
        Ok(Begun::Here(Upload {
            file,
            digest: *digest,
            offset: at,
            path,
            blob: self.blob_path(digest),
        }))
    }

    /// The size of the blob, if it is stored and intact; marks it as new, so that `gc` keeps it.
    fn stored(&self, digest: &Digest) -> Result<Option<u64>, StoreError> {
        match self.claim(digest) {
            Err(StoreError::Damaged { path }) => {
                tracing::warn!(path = %path.display(), "a blob is damaged; a new upload repairs it");
                Ok(None)
            }
            claimed => claimed,
        }
    }

    fn unfinished(&self) -> io::Result<usize> {
        let is_upload =
            |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with(PREFIX);
        Ok(fs::read_dir(self.root.join("tmp"))?
            .flatten()
            .filter(is_upload)
            .count())
    }

    fn upload_path(&self, digest: &Digest) -> PathBuf {
        self.root
            .join("tmp")
            .join(format!("{PREFIX}{}", digest.hex()))
    }
}

/// An open upload with its lock. Dropping it keeps the bytes received so far.
#[derive(Debug)]
pub struct Upload {
    file: File,
    path: PathBuf,
    blob: PathBuf,
    digest: Digest,
    offset: u64,
}

impl Upload {
    /// Bytes received so far.
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Appends bytes.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), UploadError> {
        let offset = self.offset.saturating_add(bytes.len() as u64);
        if offset > FILE_BYTES_MAX {
            return Err(UploadError::TooLarge);
        }
        let written = self
            .file
            .write_all(bytes)
            .map_err(|error| StoreError::io("write", &self.path, error));
        if let Err(StoreError::Full { .. }) = &written {
            // On a full disk, free the space: it is needed to record other changes.
            let _ = fs::remove_file(&self.path);
        }
        written?;
        self.offset = offset;
        Ok(())
    }

    /// Completes the upload: stores the bytes as a blob if they match the digest, and removes them
    /// otherwise.
    pub fn finish(self) -> Result<u64, UploadError> {
        let failed = |error| StoreError::io("read", &self.path, error);
        self.file
            .sync_all()
            .map_err(|error| StoreError::io("write", &self.path, error))?;
        let (got, bytes) = hash(&self.file).map_err(failed)?;
        if got != self.digest {
            fs::remove_file(&self.path)
                .map_err(|error| StoreError::io("remove", &self.path, error))?;
            return Err(UploadError::Mismatch {
                expected: self.digest,
                got,
            });
        }
        let folder = self.blob.parent().unwrap_or_else(|| Path::new("."));
        make_directory(folder)?;
        fs::rename(&self.path, &self.blob)
            .map_err(|error| StoreError::io("put a file at", &self.blob, error))?;
        sync_directory(folder)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::store::Access;

    fn opened() -> (tempfile::TempDir, Store) {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), Access::Share).unwrap();
        (directory, store)
    }

    #[track_caller]
    fn begun(store: &Store, digest: &Digest, at: u64) -> Upload {
        match store.upload(digest, at).unwrap() {
            Begun::Here(upload) => upload,
            Begun::Stored(bytes) => panic!("{bytes} are stored"),
        }
    }

    #[test]
    fn an_upload_that_was_cut_goes_on_where_it_was() {
        let (_directory, store) = opened();
        let digest = Digest::of(b"hello, world");
        let here = |offset, complete| Progress { offset, complete };
        assert_eq!(store.progress(&digest).unwrap(), here(0, false));
        begun(&store, &digest, 0).append(b"hello").unwrap();
        assert_eq!(store.progress(&digest).unwrap(), here(5, false));
        assert!(matches!(
            store.upload(&digest, 0),
            Err(UploadError::Offset { sent: 0, right: 5 })
        ));
        let mut upload = begun(&store, &digest, 5);
        upload.append(b", world").unwrap();
        assert_eq!(store.get(&digest).unwrap(), None);
        assert_eq!(upload.finish().unwrap(), 12);
        assert_eq!(store.get(&digest).unwrap().unwrap(), "hello, world");
        assert_eq!(store.progress(&digest).unwrap(), here(12, true));
        assert!(matches!(store.upload(&digest, 0), Ok(Begun::Stored(12))));
        assert_eq!(fs::read_dir(store.root.join("tmp")).unwrap().count(), 0);
    }

    #[test]
    fn other_bytes_are_removed() {
        let (_directory, store) = opened();
        let digest = Digest::of(b"right");
        let mut upload = begun(&store, &digest, 0);
        upload.append(b"wrong").unwrap();
        let error = upload.finish().unwrap_err().to_string();
        assert!(
            error.contains(&digest.to_string())
                && error.contains(&Digest::of(b"wrong").to_string()),
            "{error}"
        );
        assert_eq!(
            store.progress(&digest).unwrap(),
            Progress {
                offset: 0,
                complete: false
            }
        );
        assert_eq!(store.get(&digest).unwrap(), None);
    }

    #[test]
    fn one_writer_at_a_time() {
        let (_directory, store) = opened();
        let digest = Digest::of(b"x");
        let first = begun(&store, &digest, 0);
        assert!(matches!(
            store.upload(&digest, 0),
            Err(UploadError::Busy { .. })
        ));
        drop(first);
        begun(&store, &digest, 0);
    }

    #[test]
    fn the_number_of_unfinished_uploads_is_bounded() {
        let (_directory, store) = opened();
        let known = Digest::of(b"known");
        begun(&store, &known, 0).append(b"k").unwrap();
        (1..UNFINISHED_MAX).for_each(|number| {
            fs::write(
                store.root.join("tmp").join(format!("{PREFIX}{number}")),
                "x",
            )
            .unwrap();
        });
        assert!(matches!(
            store.upload(&Digest::of(b"another"), 0),
            Err(UploadError::TooMany)
        ));
        begun(&store, &known, 1).append(b"nown").unwrap();
    }

    #[test]
    fn what_is_too_large_is_not_written() {
        let (_directory, store) = opened();
        let digest = Digest::of(b"x");
        let mut upload = begun(&store, &digest, 0);
        upload.offset = FILE_BYTES_MAX;
        assert!(matches!(upload.append(b"x"), Err(UploadError::TooLarge)));
        assert_eq!(store.progress(&digest).unwrap().offset, 0);
    }

    #[test]
    fn an_upload_mends_a_damaged_blob() {
        let (_directory, store) = opened();
        let digest = store.put(b"hello").unwrap();
        fs::write(store.blob_path(&digest), b"hellO").unwrap();
        assert!(!store.progress(&digest).unwrap().complete);
        let mut upload = begun(&store, &digest, 0);
        upload.append(b"hello").unwrap();
        upload.finish().unwrap();
        assert_eq!(store.get(&digest).unwrap().unwrap(), "hello");
    }
}
