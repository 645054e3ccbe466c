//! The committed corpus: `fuzz/corpus/<target>/`, one file per input, named by its digest.
//!
//! `hotstage-fuzz corpus` (run by `cargo xtask fuzz --write-corpus`) generates it from the
//! repository's examples and from small inputs in the source. Inputs of former findings are added
//! by hand and kept. Bound: [`BYTES_MAX`] over all targets.

use std::path::{Path, PathBuf};
use std::{fs, io};

use hotstage_core::digest::Digest;

use crate::{TARGETS, Target};

/// Bytes of the whole corpus.
pub const BYTES_MAX: u64 = 300 << 10;

/// The corpus folder.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus")
}

/// The inputs of a target, in a deterministic order.
pub fn read(target: &Target) -> io::Result<Vec<Vec<u8>>> {
    files(&folder().join(target.name))?
        .iter()
        .map(fs::read)
        .collect()
}

/// Writes the seeds of every target and returns the number of new files.
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

/// An input's file name: the start of its digest, without an extension, so that no tool treats it
/// as source.
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
