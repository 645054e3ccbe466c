//! Files and their hashes: what is there, whether it is what was pinned, and how a file comes to be
//! there.
//!
//! A file appears whole or not at all: it is written beside its place and renamed. A file is read
//! in pieces of 64 KiB, so memory does not grow with it.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::recipe::Sum;
use crate::run::{OrStop, Outcome, Stop};

/// What lies where a file should be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The file that was pinned.
    Pinned,
    /// Another one, with this hash.
    Another(Sum),
    /// Nothing.
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

/// Puts a file into its place, in one step for everybody who looks.
pub(super) fn put(path: &Path, bytes: &[u8]) -> Outcome {
    let failed = || format!("can't write {}", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).or_stop(failed)?;
    }
    let part = beside(path, "part");
    fs::write(&part, bytes).or_stop(failed)?;
    fs::rename(&part, path).or_stop(failed)
}

/// Takes a file that is not what was pinned out of the way, so that nobody serves it, and says
/// where it is now.
pub(super) fn set_aside(path: &Path) -> Outcome<PathBuf> {
    let aside = beside(path, "refused");
    fs::rename(path, &aside).or_stop(|| format!("can't move {}", path.display()))?;
    Ok(aside)
}

/// What to say of bytes that are not those that were pinned.
pub(super) fn mismatch(what: &str, pinned: &str, got: &str) -> Stop {
    Stop::new(format!(
        "{what} is not what was pinned: expected sha256 {pinned}, got {got}; it is not used. If another version is \
         meant, look at what it holds and pin that, else find out who changed it"
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
