//! The weights of a resized pixel along one axis, and the passes that apply them.
//!
//! Both conventions are tables of weights; they differ in the weights, in the order of the passes,
//! and in where they round. Default: three channels, computed as vectors of four. Bound: the
//! tables, the result, one source row as floats, and the intermediate rows that one row of the
//! result needs.

use wide::f32x4;

use super::round;
use crate::picture::Picture;

/// Levels of a row that are computed at a time.
const LANES: usize = 16;
/// Weights of a pixel that are applied at a time: their number is padded with zeros to a multiple
/// of this.
const AT_ONCE: usize = 4;
/// The levels for this many pixels of three channels, where the last pixel is read as four.
const PIXELS: usize = AT_ONCE * 3 + 1;

/// For each target pixel of one axis: the first source pixel and the weights.
pub(super) struct Axis {
    taps: usize,
    firsts: Vec<usize>,
    weights: Vec<f32>,
}

/// The first source pixel, which may be beyond the border, and the weights from there on.
pub(super) type Mix = (isize, Vec<f64>);

impl Axis {
    /// Clamps to the border: weights beyond it apply to the last pixel.
    pub(super) fn new(from: usize, mixes: impl Iterator<Item = Mix>) -> Self {
        let mixes: Vec<Mix> = mixes.collect();
        let taps = mixes
            .iter()
            .map(|(_, weights)| weights.len())
            .max()
            .unwrap_or(0)
            .max(1);
        let taps = taps.next_multiple_of(AT_ONCE);
        let last = from.saturating_sub(1);
        let within = |place: isize| usize::try_from(place).unwrap_or(0).min(last);
        let mut weights = vec![0.0; mixes.len() * taps];
        let mut firsts = Vec::with_capacity(mixes.len());
        for ((first, mix), weights) in mixes.iter().zip(weights.chunks_exact_mut(taps)) {
            for (tap, weight) in mix.iter().enumerate() {
                weights[within(first.saturating_add_unsigned(tap)) - within(*first)] += weight;
            }
            firsts.push(within(*first));
        }
        Self {
            taps,
            firsts,
            weights: weights.into_iter().map(single).collect(),
        }
    }

    fn len(&self) -> usize {
        self.firsts.len()
    }

    fn each(&self) -> impl Iterator<Item = (usize, &[f32])> {
        self.firsts
            .iter()
            .copied()
            .zip(self.weights.chunks_exact(self.taps))
    }
}

/// The source pixels that count, each with its weight. Those beyond the last one have a weight of
/// 0.
fn counting(first: usize, weights: &[f32]) -> impl Iterator<Item = (usize, f32)> + Clone {
    let sources = weights
        .iter()
        .enumerate()
        .map(move |(tap, weight)| (first + tap, *weight));
    sources.filter(|(_, weight)| *weight != 0.0)
}

/// Along the rows, rounded, then down the columns, rounded again: Pillow's order. Keeps only the
/// intermediate rows that one row of the result needs.
pub(super) fn across_then_down(picture: &Picture, rows: &Axis, columns: &Axis) -> Picture {
    let Picture { channels, .. } = *picture;
    let (width, height) = (columns.len(), rows.len());
    let mut given = picture
        .pixels
        .chunks_exact(picture.width * channels)
        .enumerate();
    let mut narrowed = vec![vec![0; width * channels]; rows.taps];
    let (mut row, mut sums) = (padded(picture, columns), vec![0.0; width * channels]);
    let mut pixels = Vec::with_capacity(width * height * channels);
    let mut ready = 0;
    for (first, weights) in rows.each() {
        while ready < first + rows.taps
            && let Some((source, levels)) = given.next()
        {
            ready = source + 1;
            row.iter_mut()
                .zip(levels)
                .for_each(|(to, level)| *to = f32::from(*level));
            across(&row, channels, columns, &mut narrowed[source % rows.taps]);
        }
        let kept =
            |(source, weight): (usize, f32)| (narrowed[source % rows.taps].as_slice(), weight);
        down(&counting(first, weights).map(kept), &mut sums);
        round::row(&sums, &mut pixels);
    }
    Picture {
        width,
        height,
        channels,
        pixels,
    }
}

/// Down the columns, then along the resulting row, rounded once: OpenCV's result, in the order that
/// vectorises best.
pub(super) fn down_then_across(picture: &Picture, rows: &Axis, columns: &Axis) -> Picture {
    let Picture { channels, .. } = *picture;
    let (width, height, stride) = (columns.len(), rows.len(), picture.width * picture.channels);
    let mut pixels = vec![0; width * height * channels];
    let mut row = padded(picture, columns);
    for (line, (first, weights)) in pixels.chunks_exact_mut(width * channels).zip(rows.each()) {
        let given =
            |(source, weight): (usize, f32)| (&picture.pixels[source * stride..][..stride], weight);
        down(&counting(first, weights).map(given), &mut row[..stride]);
        across(&row, channels, columns, line);
    }
    Picture {
        width,
        height,
        channels,
        pixels,
    }
}

/// For one row of the picture, with padding for weights of 0 beyond its end.
fn padded(picture: &Picture, columns: &Axis) -> Vec<f32> {
    vec![0.0; (picture.width + columns.taps) * picture.channels + 1]
}

/// Mixes whole rows, a few levels at a time, so that the sums stay in registers.
fn down<'a>(rows: &(impl Iterator<Item = (&'a [u8], f32)> + Clone), sums: &mut [f32]) {
    for (place, sums) in sums.chunks_mut(LANES).enumerate() {
        let mut mixed = [0.0; LANES];
        for (levels, weight) in rows.clone() {
            let levels = &levels[place * LANES..];
            let add = |(sum, level): (&mut f32, &u8)| *sum += f32::from(*level) * weight;
            match levels.first_chunk::<LANES>() {
                // The number is a constant here, so that the loop vectorises.
                Some(levels) => mixed.iter_mut().zip(levels).for_each(add),
                None => mixed.iter_mut().zip(levels).for_each(add),
            }
        }
        sums.copy_from_slice(&mixed[..sums.len()]);
    }
}

/// Mixes the pixels of a row.
fn across(row: &[f32], channels: usize, columns: &Axis, levels: &mut [u8]) {
    if channels == 1 {
        for (to, (first, weights)) in levels.iter_mut().zip(columns.each()) {
            *to = round::level(
                row[first..]
                    .iter()
                    .zip(weights)
                    .map(|(level, weight)| level * weight)
                    .sum(),
            );
        }
        return;
    }
    // The number of weights for common pictures is a constant here, so that the loop unrolls.
    match columns.taps {
        4 => across_by(row, columns, levels, mix::<4, 13>),
        8 => across_by(row, columns, levels, mix::<8, 25>),
        12 => across_by(row, columns, levels, mix::<12, 37>),
        _ => across_by(row, columns, levels, mix_many),
    }
}

fn across_by(
    row: &[f32],
    columns: &Axis,
    levels: &mut [u8],
    mix: impl Fn(f32x4, &[f32], &[f32]) -> f32x4,
) {
    for (to, (first, weights)) in levels.as_chunks_mut::<3>().0.iter_mut().zip(columns.each()) {
        *to = round::pixel(mix(f32x4::ZERO, &row[first * 3..], weights));
    }
}

/// Adds `TAPS` pixels of three channels and the next level: `LEVELS` is three for each, plus one.
fn mix<const TAPS: usize, const LEVELS: usize>(
    mut sum: f32x4,
    pixels: &[f32],
    weights: &[f32],
) -> f32x4 {
    if let (Some(pixels), Some(weights)) = (
        pixels.first_chunk::<LEVELS>(),
        weights.first_chunk::<TAPS>(),
    ) {
        for (tap, weight) in weights.iter().enumerate() {
            let four = pixels[tap * 3..].first_chunk().copied().unwrap_or_default();
            sum += f32x4::new(four) * f32x4::splat(*weight);
        }
    }
    sum
}

/// Any number of pixels.
fn mix_many(sum: f32x4, pixels: &[f32], weights: &[f32]) -> f32x4 {
    let weights = weights.as_chunks::<AT_ONCE>().0.iter().enumerate();
    weights.fold(sum, |sum, (place, weights)| {
        mix::<AT_ONCE, PIXELS>(sum, &pixels[place * AT_ONCE * 3..], weights)
    })
}

#[expect(clippy::cast_possible_truncation, reason = "a weight, rounded once")]
const fn single(weight: f64) -> f32 {
    weight as f32
}

/// A position between pixels: the pixel before it, and the distance from it.
#[expect(clippy::cast_possible_truncation, reason = "sides have 16 bits")]
pub(super) fn split(place: f64) -> (isize, f64) {
    let floor = place.floor();
    (floor as isize, place - floor)
}

#[expect(clippy::cast_precision_loss, reason = "sides have 16 bits")]
pub(super) const fn float(side: usize) -> f64 {
    side as f64
}
