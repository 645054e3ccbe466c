//! Points, hulls, and the smallest rectangle around a hull: rotating calipers, as in OpenCV's
//! `minAreaRect`.
//!
//! Single precision and the order of operations are those of OpenCV on purpose: corners are
//! truncated to integers afterwards, where a difference in the last bit becomes a pixel. Bound: a
//! hull has fewer points than twice the picture's rows.

/// A position in pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Point {
    pub(crate) x: f32,
    pub(crate) y: f32,
}

/// An integer position.
pub(crate) type Cell = (i32, i32);

/// The smallest rectangle around some points: its corners (upper left, upper right, lower right,
/// lower left) and its shorter side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rectangle {
    pub(crate) corners: [Point; 4],
    pub(crate) shorter: f32,
}

/// The convex hull, without points on its edges, from the leftmost point on; goes upwards first if
/// y grows downwards.
pub(crate) fn hull(mut cells: Vec<Cell>) -> Vec<Cell> {
    cells.sort_unstable();
    cells.dedup();
    if cells.len() < 3 {
        return cells;
    }
    let mut hull = half(cells.iter().copied());
    let other = half(cells.iter().rev().copied());
    hull.pop();
    hull.extend(&other[..other.len() - 1]);
    hull
}

/// Half of a hull, from the first point to the last.
fn half(cells: impl Iterator<Item = Cell>) -> Vec<Cell> {
    let mut half: Vec<Cell> = Vec::new();
    for cell in cells {
        while let [.., a, b] = half[..] {
            if cross(a, b, cell) > 0 {
                break;
            }
            half.pop();
        }
        half.push(cell);
    }
    half
}

fn cross(a: Cell, b: Cell, c: Cell) -> i64 {
    let wide = i64::from;
    (wide(b.0) - wide(a.0)) * (wide(c.1) - wide(a.1))
        - (wide(b.1) - wide(a.1)) * (wide(c.0) - wide(a.0))
}

impl Rectangle {
    /// Around a hull; `None` for an empty hull.
    pub(crate) fn around(hull: &[Cell]) -> Option<Self> {
        let first = (0..hull.len())
            .min_by_key(|&index| (hull[index].1, -hull[index].0))
            .unwrap_or(0);
        let points: Vec<Point> = hull[first..]
            .iter()
            .chain(&hull[..first])
            .map(|&(x, y)| Point {
                x: single(x),
                y: single(y),
            })
            .collect();
        match points[..] {
            [] => None,
            [point] => Some(Self {
                corners: [point; 4],
                shorter: 0.0,
            }),
            [a, b] => {
                let (x, y) = (f64::from(b.x - a.x), f64::from(b.y - a.y));
                let centre = Point {
                    x: (a.x + b.x) * 0.5,
                    y: (a.y + b.y) * 0.5,
                };
                Some(Self::turned(centre, x.hypot(y), 0.0, y.atan2(x)))
            }
            _ => Some(Calipers::new(&points).smallest()),
        }
    }

    /// A rectangle by its centre, its sides, and the angle of its first side.
    fn turned(centre: Point, width: f64, height: f64, angle: f64) -> Self {
        let degrees = narrow(angle.to_degrees());
        let (sine, cosine) = f64::from(degrees).to_radians().sin_cos();
        let (a, b) = (narrow(sine) * 0.5, narrow(cosine) * 0.5);
        let (width, height) = (narrow(width), narrow(height));
        let Point { x, y } = centre;
        let first = Point {
            x: x - a * height - b * width,
            y: y + b * height - a * width,
        };
        let second = Point {
            x: x + a * height - b * width,
            y: y - b * height - a * width,
        };
        let opposite = |point: Point| Point {
            x: 2.0 * x - point.x,
            y: 2.0 * y - point.y,
        };
        let corners = in_order([first, second, opposite(first), opposite(second)]);
        Self {
            corners,
            shorter: width.min(height),
        }
    }
}

/// Sorts from left to right, each pair with the upper point first, and then clockwise from the
/// upper left.
fn in_order(mut corners: [Point; 4]) -> [Point; 4] {
    corners.sort_by(|a, b| a.x.total_cmp(&b.x));
    let [a, b, c, d] = corners;
    let (upper_left, lower_left) = if a.y < b.y { (a, b) } else { (b, a) };
    let (upper_right, lower_right) = if c.y < d.y { (c, d) } else { (d, c) };
    [upper_left, upper_right, lower_right, lower_left]
}

/// Four lines around a hull that rotate together, each touching it in one point.
struct Calipers<'a> {
    points: &'a [Point],
    /// The edge to the next point, and its length.
    edges: Vec<(Point, f32)>,
    /// The touching points: the lowest, rightmost, highest and leftmost point of the hull at first.
    touching: [usize; 4],
    /// The direction of the first line.
    base: Point,
}

/// The best position so far.
#[derive(Default)]
struct Best {
    left: Point,
    bottom: Point,
    base: Point,
    width: f32,
    height: f32,
}

impl<'a> Calipers<'a> {
    fn new(points: &'a [Point]) -> Self {
        let edge = |index: usize| {
            let (from, to) = (points[index], points[(index + 1) % points.len()]);
            let (x, y) = (f64::from(to.x - from.x), f64::from(to.y - from.y));
            (
                Point {
                    x: narrow(x),
                    y: narrow(y),
                },
                narrow(1.0 / (x * x + y * y).sqrt()),
            )
        };
        let extreme = |further: fn(Point, Point) -> bool| {
            (1..points.len()).fold(0, |best, index| {
                if further(points[index], points[best]) {
                    index
                } else {
                    best
                }
            })
        };
        let touching = [
            extreme(|a, b| a.y < b.y),
            extreme(|a, b| b.x < a.x),
            extreme(|a, b| b.y < a.y),
            extreme(|a, b| a.x < b.x),
        ];
        let edges = (0..points.len()).map(edge).collect();
        Self {
            points,
            edges,
            touching,
            base: Point { x: 1.0, y: 0.0 },
        }
    }

    /// Rotates once around, an edge at a time.
    fn smallest(mut self) -> Rectangle {
        let mut best = Best::default();
        let mut least = f32::MAX;
        for _ in 0..self.points.len() {
            self.turn();
            let [bottom, right, top, left] = self.touching.map(|index| self.points[index]);
            let Point { x: a, y: b } = self.base;
            let width = (right.x - left.x) * a + (right.y - left.y) * b;
            let height = -(top.x - bottom.x) * b + (top.y - bottom.y) * a;
            if width * height <= least {
                least = width * height;
                best = Best {
                    left,
                    bottom,
                    base: self.base,
                    width,
                    height,
                };
            }
        }
        best.rectangle()
    }

    /// Rotates to the edge that is nearest to its line.
    fn turn(&mut self) {
        let Point { x: a, y: b } = self.base;
        let lines = [
            Point { x: a, y: b },
            Point { x: -b, y: a },
            Point { x: -a, y: -b },
            Point { x: b, y: -a },
        ];
        let (mut nearest, mut most) = (0, f32::NEG_INFINITY);
        for (index, (line, touching)) in lines.iter().zip(self.touching).enumerate() {
            let (edge, inverse) = self.edges[touching];
            let cosine = (line.x * edge.x + line.y * edge.y) * inverse;
            if most < cosine {
                (nearest, most) = (index, cosine);
            }
        }
        let (edge, inverse) = self.edges[self.touching[nearest]];
        let Point { x, y } = Point {
            x: edge.x * inverse,
            y: edge.y * inverse,
        };
        self.base = match nearest {
            0 => Point { x, y },
            1 => Point { x: y, y: -x },
            2 => Point { x: -x, y: -y },
            _ => Point { x: -y, y: x },
        };
        self.touching[nearest] = (self.touching[nearest] + 1) % self.points.len();
    }
}

impl Best {
    fn rectangle(&self) -> Rectangle {
        let Self {
            left,
            bottom,
            base: Point { x: a, y: b },
            width,
            height,
        } = *self;
        let along = a * left.x + left.y * b;
        let across = -b * bottom.x + bottom.y * a;
        let inverse = 1.0 / (a * a + b * b);
        let corner = Point {
            x: (along * a - across * b) * inverse,
            y: (a * across + b * along) * inverse,
        };
        let first = Point {
            x: a * width,
            y: b * width,
        };
        let second = Point {
            x: -b * height,
            y: a * height,
        };
        let centre = Point {
            x: corner.x + (first.x + second.x) * 0.5,
            y: corner.y + (first.y + second.y) * 0.5,
        };
        let length = |side: Point| f64::from(side.x).hypot(f64::from(side.y));
        Rectangle::turned(
            centre,
            length(first),
            length(second),
            f64::from(first.y).atan2(f64::from(first.x)),
        )
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a position on a raster whose sides have 16 bits, or close to it"
)]
const fn single(place: i32) -> f32 {
    place as f32
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "OpenCV uses single precision"
)]
pub(crate) const fn narrow(value: f64) -> f32 {
    value as f32
}
