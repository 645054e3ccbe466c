//! Tokens that people copy: one line of text in a file that only its owner can read.

use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rand::TryRng as _;
use rand::rngs::SysRng;

use super::StoreError;
use super::write::write_whole;
use crate::files::{self, OpenError};

/// The length of a secret in characters: a shorter one can be guessed.
const LENGTHS: std::ops::RangeInclusive<usize> = 32..=256;

/// Reads the secret of this name; creates it from 256 random bits of the system when it is missing.
pub(crate) fn secret(root: &Path, name: &str) -> Result<String, StoreError> {
    let path = root.join(name);
    let text = match private(&path)? {
        Some(file) => read(file, &path)?,
        None => {
            let text = made(&path)?;
            write_whole(root, &path, format!("{text}\n").as_bytes())?;
            text
        }
    };
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if LENGTHS.contains(&text.len()) && text.bytes().all(is_token) {
        return Ok(text);
    }
    Err(unusable(
        &path,
        "its secret is not valid; it must be 32 to 256 letters, digits or any of -._~+/= on one line",
    ))
}

/// Opens a file that only its owner may read and write; `None` when it is missing.
pub(super) fn private(path: &Path) -> Result<Option<fs::File>, StoreError> {
    let file = match files::open(path) {
        Ok(file) => file,
        Err(OpenError::Missing { .. }) => return Ok(None),
        Err(OpenError::Io { source, .. }) => return Err(StoreError::io("read", path, source)),
        Err(_) => return Err(unusable(path, "it is not a regular file")),
    };
    // Read from the open file, so that the checked file is the file that is read.
    let about = file
        .metadata()
        .map_err(|error| StoreError::io("read", path, error))?;
    if about.permissions().mode() & 0o077 != 0 {
        return Err(unusable(
            path,
            "others can read it; remove their rights with chmod 600",
        ));
    }
    Ok(Some(file))
}

fn read(file: fs::File, path: &Path) -> Result<String, StoreError> {
    let failed = |error| StoreError::io("read", path, error);
    let mut text = Vec::new();
    // A few bytes more than any secret has, to detect a longer file.
    file.take(*LENGTHS.end() as u64 + 3)
        .read_to_end(&mut text)
        .map_err(failed)?;
    let text = String::from_utf8_lossy(&text);
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}

fn made(path: &Path) -> Result<String, StoreError> {
    use std::fmt::Write as _;
    let mut bytes = [0_u8; 32];
    let drawn = SysRng.try_fill_bytes(&mut bytes);
    drawn.map_err(|error| {
        StoreError::io(
            "draw randomness for",
            path,
            io::Error::other(error.to_string()),
        )
    })?;
    Ok(bytes
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        }))
}

fn unusable(path: &Path, why: &'static str) -> StoreError {
    StoreError::Secret {
        path: path.to_owned(),
        why,
    }
}
