//! WebP: lossy and lossless, with and without alpha. For an animation, its first frame.
//!
//! Bound: the decoder uses only the memory for the picture's four channels plus a small overhead.

use std::io::Cursor;

use image_webp::WebPDecoder;

use super::Bound;
use crate::exif;
use crate::picture::{Orientation, Picture};

/// Maximum bytes of an EXIF block.
const EXIF_BYTES_MAX: usize = 1 << 20;

pub(super) fn decode(bytes: &[u8], bound: Bound) -> Result<(Picture, Orientation), String> {
    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    let (width, height) = (
        usize::try_from(width).unwrap_or(usize::MAX),
        usize::try_from(height).unwrap_or(usize::MAX),
    );
    bound.check(width, height)?;
    decoder.set_memory_limit(EXIF_BYTES_MAX);
    let channels = if decoder.has_alpha() { 4 } else { 3 };
    let mut pixels = vec![0; width * height * channels];
    decoder.read_image(&mut pixels).map_err(damaged)?;
    // Unreadable EXIF is no reason to refuse a readable picture.
    let block = decoder.exif_metadata().ok().flatten();
    let orientation = block.as_deref().map(exif::orientation).unwrap_or_default();
    Ok((
        Picture {
            width,
            height,
            channels,
            pixels,
        },
        orientation,
    ))
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "`map_err` passes it by value"
)]
fn damaged(error: image_webp::DecodingError) -> String {
    format!("is a damaged WebP file, or ends too early: {error}")
}
