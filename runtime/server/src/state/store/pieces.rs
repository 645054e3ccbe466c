//! Reads files piece by piece: a model of gigabytes needs 64 KiB of memory.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::path::{Path, PathBuf};

use hotstage_core::digest::{Digest, Hasher};

use super::StoreError;

/// Bytes per read.
const PIECE: usize = 64 << 10;

/// The digest and the size of the whole file.
pub(super) fn hash(file: &File) -> io::Result<(Digest, u64)> {
    let (mut hasher, mut bytes) = (Hasher::default(), 0);
    each(file, |piece| {
        hasher.add(piece);
        bytes += piece.len() as u64;
        Ok::<_, io::Error>(())
    })?;
    Ok((hasher.finish(), bytes))
}

/// Passes the whole file to `take`, piece by piece.
pub(super) fn each<E: From<io::Error>>(
    mut file: &File,
    mut take: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    file.rewind()?;
    let mut piece = vec![0; PIECE];
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(read) => take(&piece[..read])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether two files have the same bytes; false when one can't be read.
pub(super) fn is_same(one: &File, other: &File) -> bool {
    let compared = || -> io::Result<bool> {
        if one.metadata()?.len() != other.metadata()?.len() {
            return Ok(false);
        }
        let mut beside = vec![0; PIECE];
        let mut other = other;
        other.rewind()?;
        each(one, |piece| {
            let beside = &mut beside[..piece.len()];
            other.read_exact(beside)?;
            if piece == beside {
                Ok(())
            } else {
                Err(io::Error::from(io::ErrorKind::InvalidData))
            }
        })?;
        Ok(true)
    };
    compared().unwrap_or(false)
}

/// A blob that is read piece by piece and checked against its digest at the end.
pub struct Blob {
    file: File,
    path: PathBuf,
    digest: Digest,
    bytes: u64,
    hasher: Hasher,
    piece: Vec<u8>,
}

impl Blob {
    pub(super) fn open(digest: Digest, path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self {
            file,
            path: path.to_owned(),
            digest,
            bytes,
            hasher: Hasher::default(),
            piece: vec![0; PIECE],
        })
    }

    /// The size in bytes.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next piece; empty at the end. Fails when the blob can't be read or does not match its
    /// digest.
    pub fn read_piece(&mut self) -> Result<&[u8], String> {
        let read = loop {
            match self.file.read(&mut self.piece) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        let path = self.path.display();
        let read = read.map_err(|error| format!("can't read {path}: {error}"))?;
        self.hasher.add(&self.piece[..read]);
        if read == 0 && std::mem::take(&mut self.hasher).finish() != self.digest {
            return Err(StoreError::Damaged {
                path: self.path.clone(),
            }
            .to_string());
        }
        Ok(&self.piece[..read])
    }
}
