//! Secrets that people read and hand on: one line of text in a file that its owner alone can read.

use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rand::TryRng as _;
use rand::rngs::SysRng;

use super::StoreError;
use super::write::write_whole;
use crate::files::{self, OpenError};

/// Characters of a secret: fewer can be guessed, more are none that we made.
const LENGTHS: std::ops::RangeInclusive<usize> = 32..=256;

/// The secret of this name; made of 256 bits of the system's randomness when there is none.
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
        "it holds no secret: 32 to 256 letters, digits or any of -._~+/= on one line",
    ))
}

/// A secret's file, which its owner alone may read and write; `None` when there is none.
pub(super) fn private(path: &Path) -> Result<Option<fs::File>, StoreError> {
    let file = match files::open(path) {
        Ok(file) => file,
        Err(OpenError::Missing { .. }) => return Ok(None),
        Err(OpenError::Io { source, .. }) => return Err(StoreError::io("read", path, source)),
        Err(_) => return Err(unusable(path, "it is no regular file")),
    };
    // Of the open file, so that no other is looked at than is read.
    let about = file
        .metadata()
        .map_err(|error| StoreError::io("read", path, error))?;
    if about.permissions().mode() & 0o077 != 0 {
        return Err(unusable(
            path,
            "others can read it; take their rights away with chmod 600",
        ));
    }
    Ok(Some(file))
}

fn read(file: fs::File, path: &Path) -> Result<String, StoreError> {
    let failed = |error| StoreError::io("read", path, error);
    let mut text = Vec::new();
    // One byte more than any secret has, so that a longer file is seen to be one.
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
