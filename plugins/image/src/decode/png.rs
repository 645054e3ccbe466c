//! PNG: every colour type and depth, interlaced or not. For an animation, its default picture.
//!
//! Palettes and low bit depths become bytes; 16-bit values keep their upper 8 bits. Bounds:
//! inflates at most the picture's bytes, whatever follows; profiles and texts are skipped.

use std::io::Cursor;

use png::{ColorType, Decoder, Limits, Transformations};

use super::Bound;
use crate::exif;
use crate::picture::{Orientation, Picture};

/// Additional memory of the decoder: a few rows, and chunks such as EXIF.
const BESIDE_BYTES_MAX: usize = 16 << 20;

pub(super) fn decode(bytes: &[u8], bound: Bound) -> Result<(Picture, Orientation), String> {
    let mut decoder = Decoder::new_with_limits(
        Cursor::new(bytes),
        Limits {
            bytes: BESIDE_BYTES_MAX,
        },
    );
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_ignore_text_chunk(true);
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let header = decoder.read_header_info().map_err(damaged)?;
    let (width, height) = (narrow(header.width), narrow(header.height));
    bound.check(width, height)?;
    let mut reader = decoder.read_info().map_err(damaged)?;
    let channels = match reader.output_color_type().0 {
        ColorType::Grayscale | ColorType::Indexed => 1,
        ColorType::GrayscaleAlpha => 2,
        ColorType::Rgb => 3,
        ColorType::Rgba => 4,
    };
    let mut pixels = vec![0; width * height * channels];
    let frame = reader.next_frame(&mut pixels).map_err(damaged)?;
    if (narrow(frame.width), narrow(frame.height)) != (width, height) {
        return Err(
            "is an animated PNG file whose first frame is not the whole picture".to_owned(),
        );
    }
    let orientation = reader
        .info()
        .exif_metadata
        .as_deref()
        .map(exif::orientation)
        .unwrap_or_default();
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

fn narrow(side: u32) -> usize {
    usize::try_from(side).unwrap_or(usize::MAX)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "`map_err` passes it by value"
)]
fn damaged(error: png::DecodingError) -> String {
    format!("is a damaged PNG file, or ends too early: {error}")
}
