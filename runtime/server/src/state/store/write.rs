//! Atomic file writes: a reader sees a file complete or not at all.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::StoreError;
use crate::files;

/// Writes the bytes to the path. When this returns, they survive a power cut.
pub(super) fn write_whole(root: &Path, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    write_as(root, |file| {
        file.write(bytes)?;
        // Sync before replacing the previous file.
        file.sync()?;
        Ok::<_, StoreError>(path.to_owned())
    })?;
    sync_directory(path.parent().unwrap_or(root))
}

/// Writes a file in `tmp` and moves it to the path that `fill` returns. Readers see it complete;
/// until it and its folder are synced, a power cut may remove or damage it.
pub(super) fn write_as<E: From<StoreError>>(
    root: &Path,
    fill: impl FnOnce(&mut Temporary) -> Result<PathBuf, E>,
) -> Result<(), E> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
    let mut temporary = Temporary::create(root.join("tmp").join(name))?;
    let written = fill(&mut temporary).and_then(|path| Ok(temporary.move_to(&path)?));
    if written.is_err() {
        // Remove the incomplete file. If that fails too, it stays in `tmp`, which is never read.
        let _ = fs::remove_file(&temporary.path);
    }
    written
}

/// A file that is being written.
pub(super) struct Temporary {
    file: File,
    path: PathBuf,
}

impl Temporary {
    fn create(path: PathBuf) -> Result<Self, StoreError> {
        use std::os::unix::fs::OpenOptionsExt as _;
        match File::options()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(&path)
        {
            Ok(file) => Ok(Self { file, path }),
            Err(error) => Err(StoreError::io("write", &path, error)),
        }
    }

    /// Appends bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.file
            .write_all(bytes)
            .map_err(|error| StoreError::io("write", &self.path, error))
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.file
            .sync_all()
            .map_err(|error| StoreError::io("write", &self.path, error))
    }

    fn move_to(&self, path: &Path) -> Result<(), StoreError> {
        fs::rename(&self.path, path).map_err(|error| StoreError::io("put a file at", path, error))
    }
}

/// Makes the entries of a folder durable.
pub(crate) fn sync_directory(path: &Path) -> Result<(), StoreError> {
    files::sync_directory(path).map_err(|error| StoreError::io("sync", path, error))
}
