//! BMP: uncompressed, with a palette of 8 bits, or 24 or 32 bits per pixel, as programs write it
//! today.
//!
//! The decoder fills missing data of a truncated file with zeros, and misreads rows of fewer bits.
//! So the header is checked here first, and unsupported files are refused by name. Bound: the
//! picture, and the same again while it is decoded.

use zune_bmp::BmpDecoder;
use zune_core::bytestream::ZCursor;
use zune_core::options::DecoderOptions;

use super::Bound;
use crate::picture::{Orientation, Picture};
use crate::settings::SIDE_MAX;

/// Rows are padded to a multiple of this many bytes.
const ROW_BYTES: usize = 4;
/// Compression: none, and none with colour masks.
const PLAIN: [u32; 2] = [0, 3];

pub(super) fn decode(bytes: &[u8], bound: Bound) -> Result<(Picture, Orientation), String> {
    let options = DecoderOptions::default()
        .set_max_width(SIDE_MAX)
        .set_max_height(SIDE_MAX);
    let mut decoder = BmpDecoder::new_with_options(ZCursor::new(bytes), options);
    let header = Header::read(bytes)
        .ok_or_else(|| "is a BMP file that ends within its header".to_owned())?;
    header.check()?;
    let (width, height) = (header.width, header.height);
    bound.check(width, height)?;
    let expected = header.length();
    if bytes.len() < expected {
        let given = bytes.len();
        return Err(format!(
            "is a BMP file of {expected} bytes, of which {given} came; send all of it"
        ));
    }
    decoder.decode_headers().map_err(damaged)?;
    let channels = decoder
        .colorspace()
        .map_or(0, |colours| colours.num_components());
    let pixels = decoder.decode().map_err(damaged)?;
    if !(1..=4).contains(&channels) || pixels.len() != width * height * channels {
        return Err(
            "is a damaged BMP file: its palette and its pixels do not fit together".to_owned(),
        );
    }
    Ok((
        Picture {
            width,
            height,
            channels,
            pixels,
        },
        Orientation::default(),
    ))
}

/// The header fields that the checks need.
struct Header {
    /// The offset of the pixels.
    start: usize,
    width: usize,
    height: usize,
    bits: u16,
    compression: u32,
}

impl Header {
    fn read(bytes: &[u8]) -> Option<Self> {
        let long = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let side = |at: usize| usize::try_from(long(at)?.cast_signed().unsigned_abs()).ok();
        let start = usize::try_from(long(10)?).ok()?;
        let bits = u16::from_le_bytes(*bytes.get(28..)?.first_chunk()?);
        Some(Self {
            start,
            width: side(18)?,
            height: side(22)?,
            bits,
            compression: long(30)?,
        })
    }

    fn check(&self) -> Result<(), String> {
        let Self {
            bits, compression, ..
        } = self;
        if !PLAIN.contains(compression) {
            return Err(
                "is a compressed BMP file; save it without compression, or as PNG".to_owned(),
            );
        }
        if ![8, 24, 32].contains(bits) {
            return Err(format!(
                "is a BMP file of {bits} bits a pixel; 8, 24 and 32 can be read, so save it as PNG"
            ));
        }
        Ok(())
    }

    /// Bytes of the file up to its last pixel.
    fn length(&self) -> usize {
        let row = (self.width * usize::from(self.bits))
            .div_ceil(8)
            .next_multiple_of(ROW_BYTES);
        self.start.saturating_add(row.saturating_mul(self.height))
    }
}

fn damaged(error: impl std::fmt::Debug) -> String {
    format!("is a damaged BMP file: {error:?}")
}
