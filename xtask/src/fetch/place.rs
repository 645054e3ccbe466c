//! Files and their hashes: compares a file with its pin, and writes files.
//!
//! A file appears whole or not at all: it is written beside its destination and renamed. Files are
//! read in pieces of 64 KiB, so memory use does not grow with them.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::recipe::Sum;
use crate::run::{OrStop, Outcome, Stop};

/// The state of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The pinned file.
    Pinned,
    /// A different file, with this hash.
    Another(Sum),
    /// No file.
    Nothing,
}

/// Compares a file with its pin.
pub(super) fn look(path: &Path, pinned: &Sum) -> Outcome<Found> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(Stop::new(format!("can't read {}: {error}", path.display()))),
    };
    let mut hasher = Sha256::new();
    let mut piece = vec![0; 64 << 10];
    loop {
        let length = file
            .read(&mut piece)
            .or_stop(|| format!("can't read {}", path.display()))?;
        if length == 0 {
            break;
        }
        hasher.update(piece.get(..length).unwrap_or_default());
    }
    let sum = written(hasher);
    Ok(if sum == *pinned {
        Found::Pinned
    } else {
        Found::Another(sum)
    })
}

/// The hash of bytes in memory.
pub(super) fn sum(bytes: &[u8]) -> Sum {
    let mut hasher = Sha256::new();
    hasher.update(bytes);
    written(hasher)
}

fn written(hasher: Sha256) -> Sum {
    Sum(hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// Writes a file atomically.
pub(super) fn put(path: &Path, bytes: &[u8]) -> Outcome {
    let failed = || format!("can't write {}", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).or_stop(failed)?;
    }
    let part = beside(path, "part");
    fs::write(&part, bytes).or_stop(failed)?;
    fs::rename(&part, path).or_stop(failed)
}

/// Renames a file that differs from its pin, so that it is not served. Returns the new path.
pub(super) fn set_aside(path: &Path) -> Outcome<PathBuf> {
    let aside = beside(path, "refused");
    fs::rename(path, &aside).or_stop(|| format!("can't move {}", path.display()))?;
    Ok(aside)
}

/// The error for bytes that differ from their pin.
pub(super) fn mismatch(what: &str, pinned: &str, got: &str) -> Stop {
    Stop::new(format!(
        "{what} differs from its pin: expected sha256 {pinned}, got {got}; it is not used. If another version is \
         meant, inspect it and pin its hash; otherwise find out why it changed"
    ))
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{name}.{ending}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_was_pinned_or_another_or_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tables/a.bin");
        let pinned = sum(b"abc");
        assert_eq!(
            pinned.0,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(look(&path, &pinned).unwrap(), Found::Nothing);
        put(&path, b"abd").unwrap();
        assert_eq!(look(&path, &pinned).unwrap(), Found::Another(sum(b"abd")));
        assert_eq!(
            set_aside(&path).unwrap(),
            folder.path().join("tables/a.bin.refused")
        );
        put(&path, b"abc").unwrap();
        assert_eq!(look(&path, &pinned).unwrap(), Found::Pinned);
        assert!(!folder.path().join("tables/a.bin.part").exists());
    }
}
