//! From levels to elements: scaled, normalised, and in the order that the model takes.
//!
//! A level has 256 values, so each channel has a table of as many results, computed in `f64` and rounded once.
//! Default: levels / 255, NCHW. Bound: a KiB for each channel.

use crate::choices::{Colour, Layout};
use crate::picture::Picture;
use crate::settings::Settings;

const LEVELS: usize = 256;
/// What levels are multiplied with unless the settings say otherwise.
const SCALE: f64 = 1.0 / 255.0;

/// For each channel of the output: what each level becomes.
#[derive(Debug)]
pub(crate) struct Tables(Vec<[f32; LEVELS]>);

impl Tables {
    pub(crate) fn new(settings: &Settings) -> Self {
        let number = |numbers: &Option<Vec<f64>>, channel: usize, unset: f64| {
            numbers.as_ref().and_then(|numbers| numbers.get(channel)).copied().unwrap_or(unset)
        };
        let scale = settings.scale.unwrap_or(SCALE);
        let table = |channel: usize| {
            let (mean, std) = (number(&settings.mean, channel, 0.0), number(&settings.std, channel, 1.0));
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
    pub(crate) fn write(&self, picture: &Picture, colour: Colour, layout: Layout, elements: &mut [f32]) {
        write(picture, colour, layout, elements, |channel, level| self.0[channel][usize::from(level)]);
    }
}

/// The levels as they are.
pub(crate) fn write_levels(picture: &Picture, colour: Colour, layout: Layout, elements: &mut [u8]) {
    write(picture, colour, layout, elements, |_, level| level);
}

/// Writes a picture of the colour's channels; `elements` are as many.
fn write<T>(picture: &Picture, colour: Colour, layout: Layout, elements: &mut [T], element: impl Fn(usize, u8) -> T) {
    let channels = colour.channels();
    for channel in 0..channels {
        let from = if colour == Colour::Bgr { channels - 1 - channel } else { channel };
        let levels = picture.pixels.iter().skip(from).step_by(channels);
        match layout {
            Layout::Nchw => {
                let plane = picture.width * picture.height;
                for (to, level) in elements.iter_mut().skip(channel * plane).take(plane).zip(levels) {
                    *to = element(channel, *level);
                }
            }
            Layout::Nhwc => {
                for (to, level) in elements.iter_mut().skip(channel).step_by(channels).zip(levels) {
                    *to = element(channel, *level);
                }
            }
        }
    }
}

/// The nearest `f32`.
#[expect(clippy::cast_possible_truncation, reason = "rounding is what this is for")]
const fn round(value: f64) -> f32 {
    value as f32
}
