//! Converts levels to elements: scaled, normalised, and in the model's layout.
//!
//! A level has 256 values, so each channel has a table of 256 results, computed in `f64` and
//! rounded once. Default: levels / 255, NCHW. Bound: 1 KiB per channel.

use crate::choices::{Colour, Layout};
use crate::picture::Picture;
use crate::settings::Settings;

const LEVELS: usize = 256;
/// Default factor for levels.
const SCALE: f64 = 1.0 / 255.0;

/// For each channel of the output: the element for each level.
#[derive(Debug)]
pub(crate) struct Tables(Vec<[f32; LEVELS]>);

impl Tables {
    pub(crate) fn new(settings: &Settings) -> Self {
        let number = |numbers: &Option<Vec<f64>>, channel: usize, unset: f64| {
            numbers
                .as_ref()
                .and_then(|numbers| numbers.get(channel))
                .copied()
                .unwrap_or(unset)
        };
        let scale = settings.scale.unwrap_or(SCALE);
        let table = |channel: usize| {
            let (mean, std) = (
                number(&settings.mean, channel, 0.0),
                number(&settings.std, channel, 1.0),
            );
            let mut level = 0.0;
            [(); LEVELS].map(|()| {
                let element = round((level * scale - mean) / std);
                level += 1.0;
                element
            })
        };
        Self((0..settings.colour.channels()).map(table).collect())
    }

    /// Scaled and normalised.
    pub(crate) fn write(
        &self,
        picture: &Picture,
        colour: Colour,
        layout: Layout,
        elements: &mut [f32],
    ) {
        write(picture, colour, layout, elements, |channel, level| {
            self.0[channel][usize::from(level)]
        });
    }
}

/// The unchanged levels.
pub(crate) fn write_levels(picture: &Picture, colour: Colour, layout: Layout, elements: &mut [u8]) {
    write(picture, colour, layout, elements, |_, level| level);
}

/// Writes a picture with the colour's channels; `elements` has the same number of values.
fn write<T>(
    picture: &Picture,
    colour: Colour,
    layout: Layout,
    elements: &mut [T],
    element: impl Fn(usize, u8) -> T,
) {
    if colour.channels() == 1 {
        elements
            .iter_mut()
            .zip(&picture.pixels)
            .for_each(|(to, level)| *to = element(0, *level));
        return;
    }
    let pixels = picture
        .pixels
        .as_chunks::<3>()
        .0
        .iter()
        .map(|pixel| ordered(colour, *pixel));
    let elements_of = |[first, second, third]: [u8; 3]| {
        [element(0, first), element(1, second), element(2, third)]
    };
    match layout {
        Layout::Nchw => {
            let plane = picture.width * picture.height;
            let (first, others) = elements.split_at_mut(plane);
            let (second, third) = others.split_at_mut(plane);
            for (((first, second), third), pixel) in
                first.iter_mut().zip(second).zip(third).zip(pixels)
            {
                [*first, *second, *third] = elements_of(pixel);
            }
        }
        Layout::Nhwc => {
            elements
                .as_chunks_mut::<3>()
                .0
                .iter_mut()
                .zip(pixels)
                .for_each(|(to, pixel)| *to = elements_of(pixel));
        }
    }
}

/// The channels in the model's order.
fn ordered(colour: Colour, [red, green, blue]: [u8; 3]) -> [u8; 3] {
    if colour == Colour::Bgr {
        [blue, green, red]
    } else {
        [red, green, blue]
    }
}

/// The nearest `f32`.
#[expect(clippy::cast_possible_truncation, reason = "rounding is intended")]
const fn round(value: f64) -> f32 {
    value as f32
}
