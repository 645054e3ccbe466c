//! Converts levels to a network's input: `(level / 255 - mean) / std`, each channel in its own
//! plane.
//!
//! A level has 256 values, so the arithmetic is a table, computed once in `f64`. Bound: three
//! kilobytes.

use crate::{CHANNELS, View};

/// A table for each channel.
#[derive(Clone, Debug)]
pub struct Normaliser([[f32; 256]; CHANNELS]);

impl Normaliser {
    /// No element of `std` may be 0: the caller has checked its settings.
    pub fn new(mean: [f64; CHANNELS], std: [f64; CHANNELS]) -> Self {
        let mut tables = [[0.0; 256]; CHANNELS];
        for ((table, mean), std) in tables.iter_mut().zip(mean).zip(std) {
            for (level, place) in (0..=u8::MAX).zip(table) {
                *place = single((f64::from(level) / 255.0 - mean) / std);
            }
        }
        Self(tables)
    }

    /// Writes a picture into the upper left corner of the planes in `planes`, which are `stride`
    /// wide. The excess is cropped.
    pub fn write(&self, picture: &View<'_>, stride: usize, planes: &mut [f32]) {
        let plane_length = planes.len() / CHANNELS;
        for (channel, (plane, table)) in planes
            .chunks_exact_mut(plane_length.max(1))
            .zip(&self.0)
            .enumerate()
        {
            for (row, line) in plane
                .chunks_exact_mut(stride.max(1))
                .take(picture.height())
                .enumerate()
            {
                for (place, pixel) in line.iter_mut().zip(picture.row(row).chunks_exact(CHANNELS)) {
                    *place = table[usize::from(pixel[channel])];
                }
            }
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "rounded once")]
const fn single(value: f64) -> f32 {
    value as f32
}
