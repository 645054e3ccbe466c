//! Boxes: from the detector's map to positions on the page, in reading order.
//!
//! Each region that is large enough and has a high enough score becomes a rectangle, grown and
//! scaled to the page; its corners are integers within the page. Boxes are ordered from top to
//! bottom; boxes that begin less than [`SAME_LINE`] pixels apart vertically are ordered from left
//! to right. Bound: `max_boxes`.

use crate::Settings;
use crate::geometry::{Point, Rectangle, hull};
use crate::grow::grow;
use crate::regions::hulls;
use crate::score::mean;

/// Minimum length of a rectangle's shorter side, in pixels of the map.
const SHORTER_MIN: f32 = 3.0;
/// Both sides of a box must be longer than this many pixels of the page.
const SIDE_MIN: f32 = 4.0;
/// Boxes that begin within this many pixels are on one line.
const SAME_LINE: f32 = 10.0;

/// Corners on the page: upper left, upper right, lower right, lower left.
pub(crate) type Corners = [Point; 4];

/// Width and height of something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    pub(crate) width: usize,
    pub(crate) height: usize,
}

/// All boxes of a page.
pub(crate) fn boxes(
    map: &[f32],
    extent: Extent,
    page: Extent,
    settings: &Settings,
) -> Vec<Corners> {
    let found = hulls(map, extent.width, settings.threshold, settings.max_boxes);
    let found = found.iter().filter_map(|hull| {
        let core = Rectangle::around(hull)?;
        if core.shorter < SHORTER_MIN
            || mean(map, extent.width, &core.corners) < settings.box_threshold
        {
            return None;
        }
        let grown = Rectangle::around(&hull_of_grown(&core, settings.grow))?;
        if grown.shorter < SHORTER_MIN + 2.0 {
            return None;
        }
        on_page(grown.corners, extent, page)
    });
    let mut found: Vec<Corners> = found.collect();
    read(&mut found);
    found
}

fn hull_of_grown(core: &Rectangle, ratio: f64) -> Vec<(i32, i32)> {
    hull(grow(&core.corners, ratio))
}

/// Scaled to the page and clamped to it; `None` if the size becomes 0.
fn on_page(corners: Corners, map: Extent, page: Extent) -> Option<Corners> {
    let scale = |place: f32, from: usize, to: usize| {
        (place / single(from) * single(to))
            .round_ties_even()
            .clamp(0.0, single(to))
    };
    let mut corners = corners.map(|Point { x, y }| Point {
        x: scale(x, map.width, page.width),
        y: scale(y, map.height, page.height),
    });
    corners.sort_by(|a, b| a.x.total_cmp(&b.x));
    let [a, b, c, d] = corners;
    let ((upper_left, lower_left), (upper_right, lower_right)) = (by_height(a, b), by_height(c, d));
    let within = |Point { x, y }: Point| Point {
        x: x.min(single(page.width) - 1.0),
        y: y.min(single(page.height) - 1.0),
    };
    let corners = [upper_left, upper_right, lower_right, lower_left].map(within);
    let (across, down) = (
        distance(corners[0], corners[1]),
        distance(corners[0], corners[3]),
    );
    (SIDE_MIN <= across && SIDE_MIN <= down).then_some(corners)
}

fn by_height(a: Point, b: Point) -> (Point, Point) {
    if b.y < a.y { (b, a) } else { (a, b) }
}

pub(crate) fn distance(a: Point, b: Point) -> f32 {
    let (x, y) = (b.x - a.x, b.y - a.y);
    (x * x + y * y).sqrt()
}

/// Sorts by the upper left corner; then moves each box before those of its line that begin further
/// right.
fn read(boxes: &mut [Corners]) {
    boxes.sort_by(|[a, ..], [b, ..]| a.y.total_cmp(&b.y).then(a.x.total_cmp(&b.x)));
    for last in 1..boxes.len() {
        for place in (1..=last).rev() {
            let ([before, ..], [after, ..]) = (boxes[place - 1], boxes[place]);
            if SAME_LINE <= (after.y - before.y).abs() || before.x <= after.x {
                break;
            }
            boxes.swap(place - 1, place);
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "sides have 16 bits")]
const fn single(side: usize) -> f32 {
    side as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(x: f32, y: f32) -> Corners {
        [(0.0, 0.0), (9.0, 0.0), (9.0, 9.0), (0.0, 9.0)].map(|(dx, dy)| Point {
            x: x + dx,
            y: y + dy,
        })
    }

    #[test]
    fn a_line_is_read_from_left_to_right() {
        let mut boxes = [at(50.0, 0.0), at(0.0, 9.0), at(0.0, 40.0), at(30.0, 4.0)];
        read(&mut boxes);
        assert_eq!(
            boxes.map(|[first, ..]| (first.x, first.y)),
            [(0.0, 9.0), (30.0, 4.0), (50.0, 0.0), (0.0, 40.0)]
        );
    }

    #[test]
    fn boxes_without_a_size_on_the_page_are_dropped() {
        let map = Extent {
            width: 100,
            height: 100,
        };
        assert!(on_page(at(10.0, 10.0), map, map).is_some());
        assert!(
            on_page(
                at(10.0, 10.0),
                map,
                Extent {
                    width: 30,
                    height: 100
                }
            )
            .is_none()
        );
        assert!(on_page(at(96.0, 10.0), map, map).is_none());
    }
}
