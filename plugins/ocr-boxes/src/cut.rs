//! Crops a line from the page: the box becomes an upright rectangle, by a perspective transform
//! with OpenCV's cubic filter.
//!
//! Positions have the precision of OpenCV 5; a position at a pixel's centre copies the pixel.
//! Beyond the page its nearest pixel counts. A crop that is at least one and a half times as high
//! as wide is rotated counter-clockwise by 90 degrees. Bound: the pixels of the result, which the
//! caller checks first.

use hotstage_raster::{CHANNELS, Raster, View};

use crate::boxes::{Corners, Extent, distance};

/// A position nearer than this to a pixel is the pixel.
const NEAR: f64 = 1e-6;
/// The slope of the cubic.
const SLOPE: f32 = -0.75;

/// The size of the crop, before rotation.
pub(crate) fn extent(corners: &Corners) -> Extent {
    let [a, b, c, d] = *corners;
    let longer = |one: f32, other: f32| whole(one.max(other)).max(1);
    Extent {
        width: longer(distance(a, b), distance(c, d)),
        height: longer(distance(a, d), distance(b, c)),
    }
}

/// Crops a box. `None` if it is larger than a picture may be.
pub(crate) fn cut(page: &View<'_>, corners: &Corners) -> Option<Raster> {
    let Extent { width, height } = extent(corners);
    let levels = match upright(page, corners, width, height) {
        Some(levels) => levels,
        None => bent(page, &Plane::new(corners, width, height), width, height),
    };
    let cut = Raster::new(width, height, levels)?;
    Some(if width * 3 <= height * 2 {
        cut.view().turned_left()
    } else {
        cut
    })
}

/// The levels of a box that is already upright: its rows, unchanged.
fn upright(page: &View<'_>, corners: &Corners, width: usize, height: usize) -> Option<Vec<u8>> {
    let [a, b, c, d] = *corners;
    if (a.y, b.x, c.y, d.x) != (b.y, c.x, d.y, a.x) {
        return None;
    }
    let [left, right, top, bottom] = [a.x, c.x, a.y, c.y].map(whole);
    if (right.checked_sub(left), bottom.checked_sub(top)) != (Some(width), Some(height)) {
        return None;
    }
    let rows = (top..bottom).map(|row| page.row(row).get(left * CHANNELS..right * CHANNELS));
    rows.collect::<Option<Vec<_>>>().map(|rows| rows.concat())
}

/// The levels of any other box, pixel by pixel.
fn bent(page: &View<'_>, plane: &Plane, width: usize, height: usize) -> Vec<u8> {
    let mut levels = Vec::with_capacity(width * height * CHANNELS);
    for y in 0..height {
        for x in 0..width {
            let (x, y) = plane.place(float(x), float(y));
            levels.extend(match (x.part == 0.0, y.part == 0.0) {
                (true, true) => page.pixel(x.pixel, y.pixel),
                _ => mixed(page, x, y),
            });
        }
    }
    levels
}

/// A position along an axis: a pixel, and the distance from it.
#[derive(Clone, Copy)]
struct Place {
    pixel: isize,
    part: f32,
}

/// Interpolates sixteen pixels.
fn mixed(page: &View<'_>, x: Place, y: Place) -> [u8; CHANNELS] {
    let (across, down) = (weights(x.part), weights(y.part));
    let mut sums = [0.0; CHANNELS];
    for (row, down) in (y.pixel - 1..).zip(down) {
        for (column, across) in (x.pixel - 1..).zip(across) {
            for (sum, level) in sums.iter_mut().zip(page.pixel(column, row)) {
                *sum += f32::from(level) * (across * down);
            }
        }
    }
    sums.map(level)
}

/// The cubic through four pixels, at distance `part` from the second one.
fn weights(part: f32) -> [f32; 4] {
    let outer = |distance: f32| {
        ((SLOPE * distance - 5.0 * SLOPE) * distance + 8.0 * SLOPE) * distance - 4.0 * SLOPE
    };
    let inner =
        |distance: f32| ((SLOPE + 2.0) * distance - (SLOPE + 3.0)) * distance * distance + 1.0;
    let [first, second, third] = [outer(part + 1.0), inner(part), inner(1.0 - part)];
    [first, second, third, 1.0 - first - second - third]
}

/// The perspective transform from an upright rectangle to the page.
struct Plane {
    x: [f64; 3],
    y: [f64; 3],
    depth: [f64; 3],
}

impl Plane {
    fn new(corners: &Corners, width: usize, height: usize) -> Self {
        let [a, b, c, d] = corners.map(|corner| [f64::from(corner.x), f64::from(corner.y)]);
        let minus = |a: [f64; 2], b: [f64; 2]| [a[0] - b[0], a[1] - b[1]];
        let cross = |a: [f64; 2], b: [f64; 2]| a[0] * b[1] - a[1] * b[0];
        let (right, down) = (minus(b, c), minus(d, c));
        let bend = [a[0] - b[0] + c[0] - d[0], a[1] - b[1] + c[1] - d[1]];
        let area = cross(right, down);
        // A box without an area has no perspective transform.
        let (g, h) = if area == 0.0 {
            (0.0, 0.0)
        } else {
            (cross(bend, down) / area, cross(right, bend) / area)
        };
        let (width, height) = (float(width), float(height));
        let axis = |of: usize| {
            [
                (b[of] - a[of] + g * b[of]) / width,
                (d[of] - a[of] + h * d[of]) / height,
                a[of],
            ]
        };
        Self {
            x: axis(0),
            y: axis(1),
            depth: [g / width, h / height, 1.0],
        }
    }

    fn place(&self, x: f64, y: f64) -> (Place, Place) {
        let at = |[across, down, offset]: [f64; 3]| across * x + down * y + offset;
        let depth = at(self.depth);
        let scale = if depth == 0.0 { 0.0 } else { 1.0 / depth };
        (split(at(self.x) * scale), split(at(self.y) * scale))
    }
}

/// A pixel and the fraction after it; far beyond any page the value does not matter.
#[expect(
    clippy::cast_possible_truncation,
    reason = "clamped far within the range; a fraction is rounded once"
)]
fn split(place: f64) -> Place {
    let place = place.clamp(-1e8, 1e8);
    let nearest = place.round_ties_even();
    if (place - nearest).abs() < NEAR || place.is_nan() {
        return Place {
            pixel: nearest as isize,
            part: 0.0,
        };
    }
    Place {
        pixel: place.floor() as isize,
        part: (place - place.floor()) as f32,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast from a float saturates"
)]
fn level(sum: f32) -> u8 {
    sum.round_ties_even() as u8
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast from a float saturates"
)]
const fn whole(value: f32) -> usize {
    value as usize
}

#[expect(clippy::cast_precision_loss, reason = "sides have 16 bits")]
const fn float(side: usize) -> f64 {
    side as f64
}
