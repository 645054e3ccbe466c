//! From a file's bytes to a picture: the format by its first bytes, whatever the content type said.
//!
//! Each decoder reads the header first and asks [`Bound::check`] before it takes memory for pixels,
//! so a bomb costs its header. Default: as many pixels as `max_pixels`. Bounds: that, 65,535 pixels
//! a side, 64 scans of a JPEG; what a file holds beside its pixels (profiles, texts, thumbnails,
//! later frames) is skipped.

mod bmp;
mod jpeg;
mod png;
mod webp;

use crate::picture::{Orientation, Picture};
use crate::settings::SIDE_MAX;

/// The content types of what is decoded here.
pub(crate) const CONTENT_TYPES: &[&str] = &[
    "image/jpeg",
    "image/png",
    "image/webp",
    "image/bmp",
    "application/octet-stream",
];

/// The maximum number of pixels of a picture.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    pub(crate) max_pixels: usize,
}

impl Bound {
    /// Checks a size; the error says what is wrong.
    pub(crate) fn check(self, width: usize, height: usize) -> Result<(), String> {
        let most = self.max_pixels;
        if width == 0 || height == 0 {
            return Err(format!("is {width} × {height} pixels, and so nothing"));
        }
        if width > SIDE_MAX || height > SIDE_MAX {
            return Err(format!(
                "is {width} × {height} pixels; a side of {SIDE_MAX} is allowed"
            ));
        }
        if width.checked_mul(height).is_none_or(|pixels| pixels > most) {
            return Err(format!(
                "is {width} × {height} pixels; {most} in all are allowed (`max_pixels`)"
            ));
        }
        Ok(())
    }
}

/// Decodes a picture. An error continues a sentence whose subject is the picture.
pub(crate) fn decode(bytes: &[u8], bound: Bound) -> Result<(Picture, Orientation), String> {
    match bytes {
        [] => Err("is empty; send a JPEG, PNG, WebP or BMP file".to_owned()),
        [0xff, 0xd8, ..] => jpeg::decode(bytes, bound),
        [0x89, b'P', b'N', b'G', ..] => png::decode(bytes, bound),
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => webp::decode(bytes, bound),
        [b'B', b'M', ..] => bmp::decode(bytes, bound),
        _ => Err(format!(
            "is no JPEG, PNG, WebP or BMP file: it begins with {}",
            beginning(bytes)
        )),
    }
}

/// The first bytes, as text if printable.
fn beginning(bytes: &[u8]) -> String {
    const SHOWN: usize = 8;
    format!("\"{}\"", bytes[..bytes.len().min(SHOWN)].escape_ascii())
}
