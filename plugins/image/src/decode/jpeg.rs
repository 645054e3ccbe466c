//! JPEG: baseline and progressive, grey, colour and CMYK.
//!
//! The decoder fills missing data of a truncated file with grey, so the end marker is searched
//! first, by walking from marker to marker over all bytes. Bound: 64 scans, because every scan of a
//! progressive file visits every block.

use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use super::Bound;
use crate::exif;
use crate::picture::{Orientation, Picture};
use crate::settings::SIDE_MAX;

const SCANS_MAX: usize = 64;

pub(super) fn decode(bytes: &[u8], bound: Bound) -> Result<(Picture, Orientation), String> {
    let options = DecoderOptions::default()
        .set_max_width(SIDE_MAX)
        .set_max_height(SIDE_MAX)
        .set_strict_mode(false)
        .jpeg_set_max_scans(SCANS_MAX);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(damaged)?;
    let Some(info) = decoder.info() else {
        return Err("is a JPEG file without a header".to_owned());
    };
    let (width, height) = (usize::from(info.width), usize::from(info.height));
    bound.check(width, height)?;
    if !has_end(bytes) {
        let length = bytes.len();
        return Err(format!(
            "is a JPEG file without its end: {length} bytes came, and no end marker; send all of it"
        ));
    }
    let channels = if info.components == 1 { 1 } else { 3 };
    let colours = if channels == 1 {
        ColorSpace::Luma
    } else {
        ColorSpace::RGB
    };
    decoder.set_options(options.jpeg_set_out_colorspace(colours));
    let pixels = decoder.decode().map_err(damaged)?;
    if pixels.len() != width * height * channels {
        return Err(format!(
            "is a JPEG file of {} components; 1, 3 and 4 can be read",
            info.components
        ));
    }
    let orientation = decoder
        .exif()
        .map(|block| exif::orientation(block))
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

/// Whether the walk over the file's segments reaches the end marker.
fn has_end(bytes: &[u8]) -> bool {
    const END: u8 = 0xd9;
    let mut rest = bytes.get(2..).unwrap_or_default();
    loop {
        // Fill bytes separate segments. A scan's header is followed by its data, in which 0xff
        // precedes 0 or a restart marker.
        let Some(place) = rest.iter().position(|byte| *byte == 0xff) else {
            return false;
        };
        let Some((marker, after)) = rest[place + 1..].split_first() else {
            return false;
        };
        rest = match marker {
            &END => return true,
            0xff => &rest[place + 1..],
            0 | 1 | 0xd0..=0xd8 => after,
            _ => {
                let Some(length) = after.first_chunk::<2>() else {
                    return false;
                };
                let Some(next) = after.get(usize::from(u16::from_be_bytes(*length))..) else {
                    return false;
                };
                next
            }
        };
    }
}

fn damaged(error: impl std::fmt::Debug) -> String {
    // The decoder's message may end with a space.
    format!(
        "is a damaged JPEG file, or ends too early: {}",
        format!("{error:?}").trim_end()
    )
}
