//! The score of a box: the mean of the detector's map over it, including its border.
//!
//! Bound: the pixels of the map.

use crate::geometry::Point;

/// The columns of a row that a box covers.
#[derive(Clone, Copy)]
struct Span {
    first: i32,
    last: i32,
}

/// The mean of the map under the box, whose corners are truncated to integers. 0 if the box covers
/// no pixel.
pub(crate) fn mean(map: &[f32], width: usize, corners: &[Point; 4]) -> f64 {
    let height = map.len() / width.max(1);
    let least = |of: fn(&Point) -> f32| corners.iter().map(of).fold(f32::INFINITY, f32::min);
    let origin = (
        start(least(|corner| corner.x), width),
        start(least(|corner| corner.y), height),
    );
    let cells = corners.map(|corner| {
        (
            origin.0 + cut(corner.x, origin.0),
            origin.1 + cut(corner.y, origin.1),
        )
    });
    let top = cells.iter().map(|cell| cell.1).min().unwrap_or(0);
    let bottom = cells
        .iter()
        .map(|cell| cell.1)
        .max()
        .unwrap_or(0)
        .min(number(height) - 1);
    let mut spans = vec![
        Span {
            first: i32::MAX,
            last: i32::MIN
        };
        usize::try_from(bottom - top + 1).unwrap_or(0)
    ];
    for (index, from) in cells.iter().enumerate() {
        draw(*from, cells[(index + 1) % 4], top, &mut spans);
    }
    let (mut sum, mut count) = (0.0, 0_u32);
    for (row, span) in (top..).zip(spans) {
        let Ok(row) = usize::try_from(row) else {
            continue;
        };
        let columns = usize::try_from(span.first.max(0)).unwrap_or(0)
            ..=usize::try_from(span.last).unwrap_or(0);
        let covered = map.chunks_exact(width.max(1)).nth(row).unwrap_or_default();
        for score in covered
            .get(*columns.start()..(columns.end() + 1).min(width))
            .unwrap_or_default()
        {
            sum += f64::from(*score);
            count += 1;
        }
    }
    if count == 0 {
        0.0
    } else {
        sum / f64::from(count)
    }
}

/// Widens the rows' spans by the pixels of a line.
fn draw(from: (i32, i32), to: (i32, i32), top: i32, spans: &mut [Span]) {
    let (across, down) = (to.0 - from.0, to.1 - from.1);
    let steps = across.abs().max(down.abs()).max(1);
    for step in 0..=steps {
        let along = |from: i32, way: i32| {
            from + rounded(f64::from(way) * f64::from(step) / f64::from(steps))
        };
        let (x, y) = (along(from.0, across), along(from.1, down));
        let Some(span) = usize::try_from(y - top)
            .ok()
            .and_then(|row| spans.get_mut(row))
        else {
            continue;
        };
        span.first = span.first.min(x);
        span.last = span.last.max(x);
    }
}

/// The first pixel of an axis that the box touches, clamped to the map.
fn start(least: f32, side: usize) -> i32 {
    rounded(f64::from(least.floor())).clamp(0, number(side) - 1)
}

/// The distance from the first pixel, truncated to an integer.
fn cut(place: f32, origin: i32) -> i32 {
    rounded((f64::from(place) - f64::from(origin)).trunc())
}

fn number(side: usize) -> i32 {
    i32::try_from(side).unwrap_or(i32::MAX).max(1)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a cast from a float saturates"
)]
fn rounded(value: f64) -> i32 {
    value.round().clamp(-1e6, 1e6) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(corners: [(f32, f32); 4], expected: f64) {
        let map: Vec<f32> = (0_u8..30).map(f32::from).collect();
        assert_eq!(
            mean(&map, 6, &corners.map(|(x, y)| Point { x, y })),
            expected
        );
    }

    #[test]
    fn the_border_counts() {
        check([(1.0, 1.0), (3.0, 1.0), (3.0, 2.0), (1.0, 2.0)], 11.0);
        check([(1.9, 1.0), (3.9, 1.0), (3.9, 1.0), (1.9, 1.0)], 8.0);
        check([(2.0, 0.0), (4.0, 2.0), (2.0, 4.0), (0.0, 2.0)], 14.0);
    }

    #[test]
    fn pixels_beyond_the_map_do_not_count() {
        check([(4.0, 3.0), (9.0, 3.0), (9.0, 9.0), (4.0, 9.0)], 25.5);
        check(
            [(90.0, 30.0), (99.0, 30.0), (99.0, 39.0), (90.0, 39.0)],
            0.0,
        );
    }
}
