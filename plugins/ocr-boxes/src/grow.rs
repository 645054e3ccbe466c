//! Grows a box around the middle of a line to the whole line: an offset with round corners, in
//! integers.
//!
//! The detector was trained on shrunk boxes. Growing follows Clipper's round joins (arc tolerance
//! 0.25), of which only the hull matters here. Bound: a corner becomes at most the number of points
//! of its circle at that tolerance.

use std::f64::consts::{PI, TAU};

use crate::geometry::{Cell, Point};

/// Maximum distance of a chord from its arc.
const ARC_TOLERANCE: f64 = 0.25;

/// Grows by area · ratio ÷ circumference. `None` if the box has no integer area.
pub(crate) fn grow(corners: &[Point; 4], ratio: f64) -> Vec<Cell> {
    let corners64 = corners.map(|corner| (f64::from(corner.x), f64::from(corner.y)));
    let (mut area, mut length) = (0.0, 0.0);
    for (index, a) in corners64.iter().enumerate() {
        let b = corners64[(index + 1) % 4];
        area += (a.0 * b.1 - b.0 * a.1) / 2.0;
        length += (b.0 - a.0).hypot(b.1 - a.1);
    }
    let distance = area.abs() * ratio / length;
    let mut path = corners64.map(|(x, y)| (x.trunc(), y.trunc())).to_vec();
    path.dedup();
    while path.len() > 1 && path.first() == path.last() {
        path.pop();
    }
    if !distance.is_finite() || distance <= 0.0 {
        return path.into_iter().map(cell).collect();
    }
    offset(&path, distance)
}

fn offset(path: &[(f64, f64)], distance: f64) -> Vec<Cell> {
    let tolerance = ARC_TOLERANCE.min(distance * ARC_TOLERANCE);
    let steps = (PI / (1.0 - tolerance / distance).acos()).min(distance * PI);
    let (sine, cosine) = (TAU / steps).sin_cos();
    let count = path.len();
    let normal = |index: usize| {
        let (a, b) = (path[index % count], path[(index + 1) % count]);
        let length = (b.0 - a.0).hypot(b.1 - a.1);
        if length == 0.0 {
            (0.0, 0.0)
        } else {
            ((b.1 - a.1) / length, (a.0 - b.0) / length)
        }
    };
    let mut cells = Vec::new();
    for (index, corner) in path.iter().enumerate() {
        let (before, after) = (normal(index + count - 1), normal(index));
        let turn = before.0 * after.1 - before.1 * after.0;
        let ahead = before.0 * after.0 + before.1 * after.1;
        let mut put = |normal: (f64, f64)| {
            cells.push(cell((
                corner.0 + normal.0 * distance,
                corner.1 + normal.1 * distance,
            )));
        };
        if (turn * distance).abs() < 1.0 && ahead > 0.0 {
            put(before);
            continue;
        }
        let mut spoke = before;
        let spokes = whole((steps / TAU * turn.clamp(-1.0, 1.0).atan2(ahead).abs()).round()).max(1);
        for _ in 0..spokes {
            put(spoke);
            spoke = (
                spoke.0 * cosine - spoke.1 * sine,
                spoke.0 * sine + spoke.1 * cosine,
            );
        }
        put(after);
    }
    cells
}

/// The nearest integers.
fn cell((x, y): (f64, f64)) -> Cell {
    (whole(x.round()), whole(y.round()))
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a cast from a float saturates"
)]
const fn whole(value: f64) -> i32 {
    value as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(side: f32) -> [Point; 4] {
        [(0.0, 0.0), (side, 0.0), (side, side), (0.0, side)].map(|(x, y)| Point { x, y })
    }

    #[test]
    fn a_square_grows_by_the_distance_on_each_side() {
        // Area · ratio ÷ circumference: 400 · 1.6 ÷ 80.
        let cells = grow(&square(20.0), 1.6);
        let bounds = |of: fn(&Cell) -> i32| {
            (
                cells.iter().map(of).min().unwrap(),
                cells.iter().map(of).max().unwrap(),
            )
        };
        assert_eq!(
            (bounds(|cell| cell.0), bounds(|cell| cell.1)),
            ((-8, 28), (-8, 28))
        );
        assert!(!cells.contains(&(-8, -8)), "corners are round");
    }

    #[test]
    fn an_empty_box_stays_unchanged() {
        assert_eq!(grow(&square(0.0), 1.6), [(0, 0)]);
    }
}
