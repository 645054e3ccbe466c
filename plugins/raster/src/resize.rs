//! OpenCV's `INTER_LINEAR` for 8-bit pictures: integer arithmetic, weights of 1/2048, rows first.
//!
//! A picture that is halved on both sides is averaged, as in OpenCV. Bound: the result, and two
//! rows of it as `i32`.

use crate::{CHANNELS, Raster, View};

/// Weights are integer multiples of this fraction.
const STEPS: f32 = 2048.0;

/// The sources of a target pixel along an axis: two neighbours and their weights.
#[derive(Clone, Copy)]
struct Mix {
    sources: [usize; 2],
    weights: [i32; 2],
}

pub(crate) fn linear(picture: &View<'_>, width: usize, height: usize) -> Raster {
    if (width, height) == (picture.width(), picture.height()) {
        return picture.to_raster();
    }
    if (width * 2, height * 2) == (picture.width(), picture.height()) {
        return halved(picture, width, height);
    }
    let columns: Vec<Mix> = (0..width)
        .map(|target| mix(target, picture.width(), width))
        .collect();
    let mut levels = Vec::with_capacity(width * height * CHANNELS);
    let mut rows = [Row::default(), Row::default()];
    for target in 0..height {
        let Mix { sources, weights } = mix(target, picture.height(), height);
        if rows[1].source == Some(sources[0]) {
            rows.swap(0, 1);
        }
        for (row, source) in rows.iter_mut().zip(sources) {
            row.fill(picture, source, &columns);
        }
        let [upper, lower] = &rows;
        // The order of the shifts is OpenCV's: it decides how ties round.
        let mixed = upper.sums.iter().zip(&lower.sums).map(|(upper, lower)| {
            let (upper, lower) = (
                (weights[0] * (upper >> 4)) >> 16,
                (weights[1] * (lower >> 4)) >> 16,
            );
            level((upper + lower + 2) >> 2)
        });
        levels.extend(mixed);
    }
    Raster {
        width,
        height,
        levels,
    }
}

/// A source row, resized horizontally.
#[derive(Default)]
struct Row {
    source: Option<usize>,
    sums: Vec<i32>,
}

impl Row {
    fn fill(&mut self, picture: &View<'_>, source: usize, columns: &[Mix]) {
        if self.source == Some(source) {
            return;
        }
        let levels = picture.row(source);
        self.source = Some(source);
        self.sums.clear();
        for Mix {
            sources: [left, right],
            weights,
        } in columns
        {
            let (left, right) = (
                &levels[left * CHANNELS..][..CHANNELS],
                &levels[right * CHANNELS..][..CHANNELS],
            );
            let mixed = left.iter().zip(right);
            let mixed = mixed.map(|(left, right)| {
                i32::from(*left) * weights[0] + i32::from(*right) * weights[1]
            });
            self.sums.extend(mixed);
        }
    }
}

/// Beyond a border its last pixel counts twice: two products are rounded, which affects the result.
fn mix(target: usize, from: usize, to: usize) -> Mix {
    let place = single((float(target) + 0.5) * (float(from) / float(to)) - 0.5);
    let before = place.floor();
    let part = place - before;
    let first = whole(before + 1.0);
    let sources = [first.saturating_sub(1).min(from - 1), first.min(from - 1)];
    Mix {
        sources,
        weights: [steps(1.0 - part), steps(part)],
    }
}

fn halved(picture: &View<'_>, width: usize, height: usize) -> Raster {
    let mut levels = Vec::with_capacity(width * height * CHANNELS);
    for row in 0..height {
        let (upper, lower) = (picture.row(row * 2), picture.row(row * 2 + 1));
        for (upper, lower) in upper
            .chunks_exact(2 * CHANNELS)
            .zip(lower.chunks_exact(2 * CHANNELS))
        {
            let sum = |channel: usize| {
                [
                    upper[channel],
                    upper[channel + CHANNELS],
                    lower[channel],
                    lower[channel + CHANNELS],
                ]
                .into_iter()
                .map(i32::from)
                .sum::<i32>()
            };
            levels.extend((0..CHANNELS).map(|channel| level((sum(channel) + 2) >> 2)));
        }
    }
    Raster {
        width,
        height,
        levels,
    }
}

#[expect(clippy::cast_sign_loss, reason = "clamped to valid levels")]
fn level(sum: i32) -> u8 {
    sum.clamp(0, 255) as u8
}

#[expect(clippy::cast_possible_truncation, reason = "at most 2048")]
fn steps(part: f32) -> i32 {
    (part * STEPS).round_ties_even() as i32
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "not negative, and a side has 16 bits"
)]
const fn whole(place: f32) -> usize {
    place as usize
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "OpenCV rounds positions to single precision"
)]
const fn single(place: f64) -> f32 {
    place as f32
}

#[expect(clippy::cast_precision_loss, reason = "sides have 16 bits")]
const fn float(side: usize) -> f64 {
    side as f64
}
