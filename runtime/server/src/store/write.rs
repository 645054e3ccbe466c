//! Files that appear whole or not at all.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::StoreError;

/// Writes the bytes under the path, durably: when this returns, a power cut can't take them away.
pub(super) fn write_whole(root: &Path, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
    let temporary = root.join("tmp").join(name);
    let written = write_synced(&temporary, bytes).and_then(|()| {
        let renamed = fs::rename(&temporary, path);
        renamed.map_err(|error| StoreError::io("put a file at", path, error))?;
        sync_directory(path.parent().unwrap_or(root))
    });
    if written.is_err() {
        // Nothing half-written stays. If even this fails, the file lies in `tmp`, which nobody reads.
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let at = |error| StoreError::io("write", path, error);
    let mut file = fs::File::options().create_new(true).write(true).mode(0o600).open(path).map_err(at)?;
    file.write_all(bytes).map_err(at)?;
    file.sync_all().map_err(at)
}

/// Makes the names in a folder durable.
pub(crate) fn sync_directory(path: &Path) -> Result<(), StoreError> {
    let synced = fs::File::open(path).and_then(|directory| directory.sync_all());
    synced.map_err(|error| StoreError::io("sync", path, error))
}
