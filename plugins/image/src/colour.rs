//! Converts a file's channels to the model's channels.
//!
//! Transparency is composited over the background or ignored. Grey is ITU-R 601's luma, in Pillow's
//! fixed-point arithmetic. Channels stay red, green, blue until the tensor is written; only then
//! does `bgr` reverse them.

use crate::choices::{Alpha, Colour};
use crate::picture::Picture;

/// Three channels, or one.
pub(crate) fn convert(
    picture: Picture,
    colour: Colour,
    alpha: Alpha,
    background: [u8; 3],
) -> Picture {
    let opaque = match alpha {
        Alpha::Blend => blend(picture, background),
        Alpha::Drop => drop_alpha(picture),
    };
    match (colour, opaque.channels) {
        (Colour::Grey, 3) => Picture {
            pixels: each::<3, 1>(&opaque.pixels, |rgb| [luma(rgb)]),
            channels: 1,
            ..opaque
        },
        (Colour::Rgb | Colour::Bgr, 1) => Picture {
            pixels: each::<1, 3>(&opaque.pixels, |[grey]| [grey; 3]),
            channels: 3,
            ..opaque
        },
        _ => opaque,
    }
}

/// A grey picture over a coloured background becomes coloured.
fn blend(picture: Picture, background: [u8; 3]) -> Picture {
    let over = |rgb: [u8; 3], alpha: u8| {
        let [red, green, blue] = rgb;
        let [under_red, under_green, under_blue] = background;
        [
            mix(red, under_red, alpha),
            mix(green, under_green, alpha),
            mix(blue, under_blue, alpha),
        ]
    };
    let pixels = match picture.channels {
        2 => each::<2, 3>(&picture.pixels, |[grey, alpha]| over([grey; 3], alpha)),
        4 => each::<4, 3>(&picture.pixels, |[red, green, blue, alpha]| {
            over([red, green, blue], alpha)
        }),
        _ => return picture,
    };
    Picture {
        pixels,
        channels: 3,
        ..picture
    }
}

fn drop_alpha(picture: Picture) -> Picture {
    match picture.channels {
        2 => Picture {
            pixels: each::<2, 1>(&picture.pixels, |[grey, _]| [grey]),
            channels: 1,
            ..picture
        },
        4 => {
            let pixels = each::<4, 3>(&picture.pixels, |[red, green, blue, _]| [red, green, blue]);
            Picture {
                pixels,
                channels: 3,
                ..picture
            }
        }
        _ => picture,
    }
}

fn each<const FROM: usize, const TO: usize>(
    pixels: &[u8],
    change: impl Fn([u8; FROM]) -> [u8; TO],
) -> Vec<u8> {
    let (pixels, _) = pixels.as_chunks::<FROM>();
    let mut changed = vec![0; pixels.len() * TO];
    for (to, from) in changed.as_chunks_mut::<TO>().0.iter_mut().zip(pixels) {
        *to = change(*from);
    }
    changed
}

/// Blends: `over` at alpha 255, `under` at 0, rounded.
fn mix(over: u8, under: u8, alpha: u8) -> u8 {
    let (over, under, alpha) = (u32::from(over), u32::from(under), u32::from(alpha));
    // (x + x/256 + 1/2)/256 is exactly x/255 for every x that two bytes and a weight can give.
    let sum = over * alpha + under * (255 - alpha) + 128;
    low_byte((sum + (sum >> 8)) >> 8)
}

fn luma([red, green, blue]: [u8; 3]) -> u8 {
    low_byte(
        (u32::from(red) * 19_595 + u32::from(green) * 38_470 + u32::from(blue) * 7_471 + 0x8000)
            >> 16,
    )
}

/// Both formulas stay below 256.
#[expect(clippy::cast_possible_truncation, reason = "the weights sum to one")]
const fn low_byte(level: u32) -> u8 {
    level as u8
}
