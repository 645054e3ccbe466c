//! OpenCV's weights: filters of a fixed width; only `box` uses all pixels.
//!
//! The difference matters for a model trained on pictures resized by OpenCV. Weights are multiples
//! of 1/2048, as in OpenCV, so a level rarely differs, and by at most one.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_PI_4};

use super::axis::{Axis, Mix, float, split};
use crate::choices::Filter;

/// OpenCV's weights are integer multiples of this fraction.
const STEPS: f64 = 2048.0;
/// The fraction of a pixel that `INTER_AREA` ignores.
const SLIVER: f64 = 1e-3;

/// One axis; `shrinks` says whether neither axis grows, which `INTER_AREA` depends on.
pub(super) fn axis(from: usize, to: usize, filter: Filter, shrinks: bool) -> Axis {
    Axis::new(
        from,
        (0..to).map(|target| mix(target, from, to, filter, shrinks)),
    )
}

fn mix(target: usize, from: usize, to: usize, filter: Filter, shrinks: bool) -> Mix {
    let scale = float(from) / float(to);
    let (place, part) = split((float(target) + 0.5) * scale - 0.5);
    match filter {
        Filter::Nearest => (split(float(target) * scale).0, vec![1.0]),
        Filter::Bilinear | Filter::Hamming => (place, in_steps([1.0 - part, part])),
        Filter::Bicubic => (place - 1, in_steps(cubic(part))),
        Filter::Lanczos => (place - 3, in_steps(lanczos(part))),
        Filter::Box if shrinks => area(float(target) * scale, scale, float(from)),
        Filter::Box => {
            let (place, _) = split(float(target) * scale);
            let part = (float(target) + 1.0 - ((float(target) * scale).floor() + 1.0) / scale)
                .max(0.0)
                .fract();
            (place, in_steps([1.0 - part, part]))
        }
    }
}

/// The cubic through four points whose slope at the middle two is -0.75 of their neighbours'
/// distance.
fn cubic(part: f64) -> [f64; 4] {
    const A: f64 = -0.75;
    let outer =
        |distance: f64| ((A * distance - 5.0 * A) * distance + 8.0 * A) * distance - 4.0 * A;
    let inner = |distance: f64| ((A + 2.0) * distance - (A + 3.0)) * distance * distance + 1.0;
    let (first, second, third) = (outer(part + 1.0), inner(part), inner(1.0 - part));
    [first, second, third, 1.0 - first - second - third]
}

/// A sinc over eight pixels, windowed by another one that is four times as wide.
fn lanczos(part: f64) -> [f64; 8] {
    // The factors of sin x and cos x in sin(x + n·π/4).
    const TURNS: [[f64; 2]; 8] = [
        [1.0, 0.0],
        [-FRAC_1_SQRT_2, -FRAC_1_SQRT_2],
        [0.0, 1.0],
        [FRAC_1_SQRT_2, -FRAC_1_SQRT_2],
        [-1.0, 0.0],
        [FRAC_1_SQRT_2, FRAC_1_SQRT_2],
        [0.0, -1.0],
        [-FRAC_1_SQRT_2, FRAC_1_SQRT_2],
    ];
    if part < f64::from(f32::EPSILON) {
        return [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0];
    }
    let (sine, cosine) = (-(part + 3.0) * FRAC_PI_4).sin_cos();
    let mut offset = part + 3.0;
    let weights = TURNS.map(|[of_sine, of_cosine]| {
        let angle = offset * FRAC_PI_4;
        offset -= 1.0;
        (of_sine * sine + of_cosine * cosine) / (angle * angle)
    });
    let sum: f64 = weights.iter().sum();
    weights.map(|weight| weight / sum)
}

/// The pixels that a target pixel covers, each with its covered fraction.
fn area(start: f64, scale: f64, from: f64) -> Mix {
    let end = start + scale;
    let cell = scale.min(from - start);
    let last = end.floor().min(from - 1.0);
    let first = start.ceil().min(last);
    let mut weights = Vec::new();
    let mut place = split(first).0;
    if first - start > SLIVER {
        place -= 1;
        weights.push((first - start) / cell);
    }
    let mut covered = first;
    while covered < last {
        weights.push(1.0 / cell);
        covered += 1.0;
    }
    if end - last > SLIVER {
        weights.push((end - last).min(1.0).min(cell) / cell);
    }
    (place, weights)
}

fn in_steps<const TAPS: usize>(weights: [f64; TAPS]) -> Vec<f64> {
    weights
        .iter()
        .map(|weight| (weight * STEPS).round_ties_even() / STEPS)
        .collect()
}
