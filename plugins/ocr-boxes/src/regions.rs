//! Connected regions of the map over the threshold, and their holes, each as its convex hull.
//!
//! The result is that of OpenCV's `findContours`: regions are connected over sides and corners,
//! holes over sides only, and a hole's hull is that of the region's pixels around it. The map is
//! first dilated by 2 × 2, one pixel to the right and down. Bounds: the last `most` of them in
//! reading order; a byte and a word of memory per pixel.

use std::collections::VecDeque;

use crate::geometry::{Cell, hull};

const OUTSIDE: u8 = 0;
const EMPTY: u8 = 1;
const OVER: u8 = 2;
const DONE: u8 = 3;

/// The map with an empty border.
struct Field {
    stride: usize,
    places: Vec<u8>,
    /// Not visited yet.
    open: Vec<usize>,
}

/// The hulls of the regions and holes, the last one found first.
pub(crate) fn hulls(map: &[f32], width: usize, threshold: f32, most: usize) -> VecDeque<Vec<Cell>> {
    let mut field = Field::new(map, width, threshold);
    field.flood_outside();
    let mut found = VecDeque::new();
    for start in 0..field.places.len() {
        let cells = match field.places[start] {
            OVER => field.region(start),
            EMPTY => field.hole(start),
            _ => continue,
        };
        if found.len() == most {
            found.pop_back();
        }
        found.push_front(hull(cells));
    }
    found
}

impl Field {
    fn new(map: &[f32], width: usize, threshold: f32) -> Self {
        let stride = width + 2;
        let height = map.len() / width.max(1);
        let mut places = vec![EMPTY; stride * (height + 2)];
        for (row, line) in map.chunks_exact(width.max(1)).enumerate() {
            for (column, _) in line
                .iter()
                .enumerate()
                .filter(|(_, score)| threshold < **score)
            {
                let place = (row + 1) * stride + column + 1;
                let right = if column + 1 < width { 1 } else { 0 };
                let below = if row + 1 < height { stride } else { 0 };
                for spread in [0, right, below, below + right] {
                    places[place + spread] = OVER;
                }
            }
        }
        Self {
            stride,
            places,
            open: Vec::new(),
        }
    }

    /// Marks empty cells that are connected with the border, which are no holes. Two sweeps find
    /// nearly all of them, faster than a flood fill, which finds the rest.
    fn flood_outside(&mut self) {
        let (stride, end) = (self.stride, self.places.len());
        self.places[..stride].fill(OUTSIDE);
        for place in stride..end {
            if self.places[place] == EMPTY && self.outside([place - 1, place - stride]) {
                self.places[place] = OUTSIDE;
            }
        }
        for place in (0..end - stride).rev() {
            if self.places[place] == EMPTY && self.outside([place + 1, place + stride]) {
                self.places[place] = OUTSIDE;
            }
        }
        for start in stride..end - stride {
            if self.places[start] == EMPTY && self.outside(self.sides(start)) {
                self.places[start] = OUTSIDE;
                self.open.push(start);
            }
            while let Some(place) = self.open.pop() {
                for next in self.sides(place) {
                    if self.places.get(next) == Some(&EMPTY) {
                        self.places[next] = OUTSIDE;
                        self.open.push(next);
                    }
                }
            }
        }
    }

    fn outside<const COUNT: usize>(&self, places: [usize; COUNT]) -> bool {
        places.iter().any(|&place| self.places[place] == OUTSIDE)
    }

    /// The cells of a region next to an empty cell.
    fn region(&mut self, start: usize) -> Vec<Cell> {
        let mut cells = Vec::new();
        self.places[start] = DONE;
        self.open.push(start);
        while let Some(place) = self.open.pop() {
            let sides = self.sides(place);
            if sides.iter().any(|&side| self.places[side] <= EMPTY) {
                cells.push(self.cell(place));
            }
            let corners = [sides[0] - 1, sides[0] + 1, sides[3] - 1, sides[3] + 1];
            for next in sides.into_iter().chain(corners) {
                if self.places[next] == OVER {
                    self.places[next] = DONE;
                    self.open.push(next);
                }
            }
        }
        cells
    }

    /// The cells around a hole.
    fn hole(&mut self, start: usize) -> Vec<Cell> {
        let mut cells = Vec::new();
        // A visited hole counts as outside: both are empty for the regions next to them.
        self.places[start] = OUTSIDE;
        self.open.push(start);
        while let Some(place) = self.open.pop() {
            for next in self.sides(place) {
                match self.places[next] {
                    EMPTY => {
                        self.places[next] = OUTSIDE;
                        self.open.push(next);
                    }
                    OVER | DONE => cells.push(self.cell(next)),
                    _ => {}
                }
            }
        }
        cells
    }

    /// The cells above, before, after and below. The border has no others, or the opposite end of
    /// an adjacent row, which is also border.
    fn sides(&self, place: usize) -> [usize; 4] {
        [
            place.wrapping_sub(self.stride),
            place.wrapping_sub(1),
            place.wrapping_add(1),
            place + self.stride,
        ]
    }

    fn cell(&self, place: usize) -> Cell {
        let number = |place: usize| i32::try_from(place).unwrap_or(i32::MAX) - 1;
        (number(place % self.stride), number(place / self.stride))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(rows: &[&str]) -> Vec<Vec<Cell>> {
        let map: Vec<f32> = rows
            .iter()
            .flat_map(|row| row.bytes().map(|byte| f32::from(byte == b'#')))
            .collect();
        hulls(&map, rows[0].len(), 0.5, 3).into()
    }

    #[test]
    fn a_place_spreads_to_the_right_and_down() {
        assert_eq!(
            found(&["....", ".#..", "....", "...."]),
            [[(1, 1), (2, 1), (2, 2), (1, 2)]]
        );
        assert_eq!(found(&["....", "...#"]), [[(3, 1)]]);
    }

    #[test]
    fn corners_connect_regions_but_not_holes() {
        assert_eq!(found(&["#....", ".....", "..#..", "....."]).len(), 1);
        assert_eq!(found(&["#.....", "......", "...#..", "......"]).len(), 2);
    }

    #[test]
    fn a_hole_is_the_cells_around_it() {
        let ring = ["######", "#....#", "#....#", "#....#", "######"];
        let [hole, region] = &found(&ring)[..] else {
            panic!()
        };
        assert_eq!(region[..], [(0, 0), (5, 0), (5, 4), (0, 4)]);
        assert_eq!(hole.len(), 8);
    }

    #[test]
    fn a_spiral_that_opens_has_no_hole() {
        let spiral = [
            "########", "#......#", "#.####.#", "#.#..#.#", "#.#....#", "#.######", "#.......",
        ];
        let spread: Vec<String> = spiral
            .iter()
            .flat_map(|row| [row, row, row, row])
            .map(|row| row.chars().flat_map(|place| [place; 4]).collect())
            .collect();
        let rows: Vec<&str> = spread.iter().map(String::as_str).collect();
        assert_eq!(found(&rows).len(), 1);
    }

    #[test]
    fn the_last_ones_are_kept_and_come_first() {
        let four = found(&["#...#....", ".........", ".........", "#...#...."]);
        let firsts: Vec<Cell> = four.iter().map(|hull| hull[0]).collect();
        assert_eq!(firsts, [(4, 3), (0, 3), (4, 0)]);
    }
}
