//! The committed corpus: `fuzz/corpus/<target>/`, one file for each input, named by its content.
//!
//! It is made of the repository's own examples and of small files written by hand
//! (`hotstage-fuzz corpus`, which `cargo xtask fuzz --write-corpus` runs). An input that once was a
//! finding is added by hand and stays. Bound: [`BYTES_MAX`] over all targets.

use std::path::{Path, PathBuf};
use std::{fs, io};

use hotstage_core::digest::Digest;

use crate::{TARGETS, Target};

/// Bytes of the whole corpus.
pub const BYTES_MAX: u64 = 300 << 10;

/// Where it is.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus")
}

/// The inputs of a target, in an order that is the same everywhere.
pub fn read(target: &Target) -> io::Result<Vec<Vec<u8>>> {
    files(&folder().join(target.name))?
        .iter()
        .map(fs::read)
        .collect()
}

/// Writes the seeds of every target; answers how many files are new.
pub fn write() -> io::Result<usize> {
    let mut new = 0;
    for target in TARGETS {
        let folder = folder().join(target.name);
        fs::create_dir_all(&folder)?;
        for seed in (target.seeds)() {
            let path = folder.join(name(&seed));
            if !path.exists() {
                fs::write(path, &seed)?;
                new += 1;
            }
        }
    }
    Ok(new)
}

/// Bytes of all files.
pub fn bytes() -> io::Result<u64> {
    let mut sum = 0;
    for target in TARGETS {
        for path in files(&folder().join(target.name))? {
            sum += fs::metadata(path)?.len();
        }
    }
    Ok(sum)
}

/// What an input is called: the start of its digest, without an ending, so that nothing takes it
/// for source.
pub fn name(bytes: &[u8]) -> String {
    Digest::of(bytes).hex()[..16].to_owned()
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<Vec<PathBuf>>>()?;
    paths.retain(|path| path.is_file());
    paths.sort();
    Ok(paths)
}
