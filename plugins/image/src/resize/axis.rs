//! What a pixel of a resized picture is mixed of, along one axis, and the passes that mix.
//!
//! Both conventions are tables of source pixels and weights; they differ in the weights, in the order of the passes,
//! and in where they round. Default: three channels, mixed as vectors of four. Bound: the tables, one row of the source
//! as floats, and the result.

use wide::f32x4;

use crate::picture::Picture;

/// For each target pixel of one axis: which source pixels, and how much of each.
pub(super) struct Axis {
    taps: usize,
    sources: Vec<usize>,
    weights: Vec<f32>,
}

/// The first source pixel, which may lie beyond the border, and the weights from there on.
pub(super) type Mix = (isize, Vec<f64>);

impl Axis {
    /// Beyond a border lies its last pixel, again and again.
    pub(super) fn new(from: usize, mixes: impl Iterator<Item = Mix>) -> Self {
        let mixes: Vec<Mix> = mixes.collect();
        let taps = mixes.iter().map(|(_, weights)| weights.len()).max().unwrap_or(0).max(1);
        let last = isize::try_from(from).unwrap_or(isize::MAX) - 1;
        let (mut sources, mut weights) = (Vec::new(), Vec::new());
        for (first, mix) in mixes {
            for tap in 0..taps {
                sources.push(first.saturating_add_unsigned(tap).clamp(0, last).unsigned_abs());
                weights.push(mix.get(tap).copied().map_or(0.0, single));
            }
        }
        Self { taps, sources, weights }
    }

    fn len(&self) -> usize {
        self.weights.len() / self.taps
    }

    fn each(&self) -> impl Iterator<Item = (&[usize], &[f32])> {
        self.sources.chunks_exact(self.taps).zip(self.weights.chunks_exact(self.taps))
    }
}

/// Along the rows, rounded, then down the columns, rounded again: Pillow's order.
pub(super) fn across_then_down(picture: &Picture, rows: &Axis, columns: &Axis) -> Picture {
    let Picture { height, channels, .. } = *picture;
    let width = columns.len();
    let mut narrowed = Vec::with_capacity(width * height * channels);
    let mut row = room(picture);
    for levels in picture.pixels.chunks_exact(picture.width * channels) {
        for (to, level) in row.iter_mut().zip(levels) {
            *to = f32::from(*level);
        }
        across(&row, channels, columns, &mut narrowed);
    }
    let narrowed = Picture { width, height, channels, pixels: narrowed };
    let mut pixels = Vec::with_capacity(rows.len() * width * channels);
    let mut row = vec![0.0; width * channels];
    for (sources, weights) in rows.each() {
        down(&narrowed, sources, weights, &mut row);
        pixels.extend(row.iter().map(|sum| level(*sum)));
    }
    Picture { height: rows.len(), pixels, ..narrowed }
}

/// Down the columns, then along the one row that is left, rounded once: what OpenCV computes, in the order in which
/// vectors do most of it.
pub(super) fn down_then_across(picture: &Picture, rows: &Axis, columns: &Axis) -> Picture {
    let Picture { channels, .. } = *picture;
    let (width, height) = (columns.len(), rows.len());
    let mut pixels = Vec::with_capacity(width * height * channels);
    let mut row = room(picture);
    for (sources, weights) in rows.each() {
        down(picture, sources, weights, &mut row);
        across(&row, channels, columns, &mut pixels);
    }
    Picture { width, height, channels, pixels }
}

/// For one row of the picture. Three channels are read as four, so the last pixel has a neighbour.
fn room(picture: &Picture) -> Vec<f32> {
    vec![0.0; picture.width * picture.channels + 1]
}

/// Mixes whole rows.
fn down(picture: &Picture, sources: &[usize], weights: &[f32], row: &mut [f32]) {
    let stride = picture.width * picture.channels;
    row.fill(0.0);
    for (source, weight) in sources.iter().zip(weights).filter(|(_, weight)| **weight != 0.0) {
        for (sum, level) in row.iter_mut().zip(&picture.pixels[source * stride..][..stride]) {
            *sum += f32::from(*level) * weight;
        }
    }
}

/// Mixes the pixels of a row, and appends the levels.
fn across(row: &[f32], channels: usize, columns: &Axis, levels: &mut Vec<u8>) {
    for (sources, weights) in columns.each() {
        if channels == 1 {
            let sum: f32 = sources.iter().zip(weights).map(|(source, weight)| row[*source] * weight).sum();
            levels.push(level(sum));
        } else {
            let mut sum = f32x4::ZERO;
            for (source, weight) in sources.iter().zip(weights) {
                let four = row[source * 3..].first_chunk().copied().unwrap_or_default();
                sum += f32x4::new(four) * f32x4::splat(*weight);
            }
            let [red, green, blue, _] = sum.to_array();
            levels.extend([level(red), level(green), level(blue)]);
        }
    }
}

/// Rounded; what is beyond the ends becomes the end.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast from a float saturates")]
fn level(sum: f32) -> u8 {
    (sum + 0.5) as u8
}

#[expect(clippy::cast_possible_truncation, reason = "a weight, rounded once")]
const fn single(weight: f64) -> f32 {
    weight as f32
}

/// A place between pixels: the pixel before it, and how far behind that it lies.
#[expect(clippy::cast_possible_truncation, reason = "sides have 16 bits")]
pub(super) fn split(place: f64) -> (isize, f64) {
    let floor = place.floor();
    (floor as isize, place - floor)
}

#[expect(clippy::cast_precision_loss, reason = "sides have 16 bits")]
pub(super) const fn float(side: usize) -> f64 {
    side as f64
}
