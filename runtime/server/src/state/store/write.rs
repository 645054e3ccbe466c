//! Files that appear whole or not at all.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::StoreError;
use crate::files;

/// Writes the bytes under the path, durably: when this returns, a power cut can't take them away.
pub(super) fn write_whole(root: &Path, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    write_as(root, |file| {
        file.write(bytes)?;
        // Before it takes the place of what was there.
        file.sync()?;
        Ok::<_, StoreError>(path.to_owned())
    })?;
    sync_directory(path.parent().unwrap_or(root))
}

/// Puts a file into the place that whoever fills it names. Every reader finds it whole from then
/// on; a power cut may take it away, or some of its bytes, until it and its folder are synced.
pub(super) fn write_as<E: From<StoreError>>(
    root: &Path,
    fill: impl FnOnce(&mut Temporary) -> Result<PathBuf, E>,
) -> Result<(), E> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
    let mut temporary = Temporary::create(root.join("tmp").join(name))?;
    let written = fill(&mut temporary).and_then(|path| Ok(temporary.move_to(&path)?));
    if written.is_err() {
        // Nothing half-written stays. If even this fails, the file lies in `tmp`, which nobody
        // reads.
        let _ = fs::remove_file(&temporary.path);
    }
    written
}

/// A file that is not there yet.
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

    /// Adds bytes at its end.
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

/// Makes the names in a folder durable.
pub(crate) fn sync_directory(path: &Path) -> Result<(), StoreError> {
    files::sync_directory(path).map_err(|error| StoreError::io("sync", path, error))
}
