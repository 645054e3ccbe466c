//! Pillow's weights: filters widen as the picture shrinks, so that every pixel counts
//! (antialiasing).
//!
//! Pixels beyond a border do not count, and the other weights are normalised to sum to one.

use std::f64::consts::PI;

use super::axis::{Axis, Mix, float, split};
use crate::choices::Filter;

pub(super) fn axis(from: usize, to: usize, filter: Filter) -> Axis {
    if filter == Filter::Nearest {
        return nearest(from, to);
    }
    Axis::new(from, (0..to).map(|target| mix(target, from, to, filter)))
}

/// The pixel under the centre of each target pixel. Computed incrementally, as in Pillow: a product
/// would round differently if a centre falls between two pixels.
fn nearest(from: usize, to: usize) -> Axis {
    let step = float(from) / float(to);
    let mut middle = step / 2.0;
    let mixes = (0..to).map(|_| {
        let (place, _) = split(middle);
        middle += step;
        (place, vec![1.0])
    });
    Axis::new(from, mixes)
}

fn mix(target: usize, from: usize, to: usize, filter: Filter) -> Mix {
    let scale = float(from) / float(to);
    let stretch = scale.max(1.0);
    let middle = (float(target) + 0.5) * scale;
    let reach = support(filter) * stretch;
    let first = (middle - reach + 0.5).floor().max(0.0);
    let end = (middle + reach + 0.5).floor().min(float(from));
    let mut weights = Vec::new();
    let mut place = first;
    while place < end {
        weights.push(curve(filter, (place - middle + 0.5) / stretch));
        place += 1.0;
    }
    let sum: f64 = weights.iter().sum();
    if sum != 0.0 {
        weights.iter_mut().for_each(|weight| *weight /= sum);
    }
    (split(first).0, weights)
}

/// The radius of a filter, in pixels of a picture that does not shrink.
const fn support(filter: Filter) -> f64 {
    match filter {
        Filter::Nearest | Filter::Box => 0.5,
        Filter::Bilinear | Filter::Hamming => 1.0,
        Filter::Bicubic => 2.0,
        Filter::Lanczos => 3.0,
    }
}

/// The filter's value at a distance from its centre.
fn curve(filter: Filter, signed: f64) -> f64 {
    const A: f64 = -0.5;
    let distance = signed.abs();
    match filter {
        // Half open, so that a pixel between two cells counts for one of them.
        Filter::Nearest | Filter::Box => f64::from(u8::from(-0.5 < signed && signed <= 0.5)),
        _ if distance >= support(filter) => 0.0,
        Filter::Bilinear => 1.0 - distance,
        Filter::Hamming => sinc(distance) * (0.54 + 0.46 * (distance * PI).cos()),
        Filter::Bicubic if distance < 1.0 => {
            ((A + 2.0) * distance - (A + 3.0)) * distance * distance + 1.0
        }
        Filter::Bicubic => (((distance - 5.0) * distance + 8.0) * distance - 4.0) * A,
        Filter::Lanczos => sinc(distance) * sinc(distance / 3.0),
    }
}

fn sinc(distance: f64) -> f64 {
    if distance == 0.0 {
        1.0
    } else {
        (distance * PI).sin() / (distance * PI)
    }
}
