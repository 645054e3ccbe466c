//! BMP: with and without palette, 1 to 32 bits a pixel.
//!
//! Bound: the picture, and as much again while it is decoded.

use zune_bmp::BmpDecoder;
use zune_core::bytestream::ZCursor;
use zune_core::options::DecoderOptions;

use super::Bound;
use crate::picture::{Orientation, Picture};
use crate::settings::SIDE_MAX;

pub(super) fn decode(bytes: &[u8], bound: Bound) -> Result<(Picture, Orientation), String> {
    let options = DecoderOptions::default().set_max_width(SIDE_MAX).set_max_height(SIDE_MAX);
    let mut decoder = BmpDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(damaged)?;
    let Some((width, height)) = decoder.dimensions() else { return Err("is a BMP file without a header".to_owned()) };
    bound.check(width, height)?;
    let channels = decoder.colorspace().map_or(0, |colours| colours.num_components());
    let pixels = decoder.decode().map_err(damaged)?;
    if !(1..=4).contains(&channels) || pixels.len() != width * height * channels {
        return Err(format!("is a BMP file of {channels} channels; 1 to 4 can be read"));
    }
    Ok((Picture { width, height, channels, pixels }, Orientation::default()))
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` gives")]
fn damaged(error: impl std::fmt::Debug) -> String {
    format!("is a damaged BMP file, or ends too early: {error:?}")
}
