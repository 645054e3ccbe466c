//! The memory layout of a tile: the distances in bytes between its rows and between its columns.
//!
//! Whole vectors are stored along the contiguous side: the columns, or, if the channels of a
//! picture come last, the rows.

use std::arch::wasm32::{i32x4_shuffle, i64x2_shuffle, v128, v128_store};

use tract_onnx::tract_core::internal::tract_linalg::mmm::OutputStoreKer;

use super::tile::{self, Columns, LANES, ROWS, Tile, VECTORS};

const NUMBER: isize = size_of::<f32>().cast_signed();

/// A view of a whole tile.
#[derive(Clone, Copy)]
pub(super) struct Place(OutputStoreKer);

impl Place {
    /// # Safety
    ///
    /// All numbers of a tile must be readable and writable.
    pub(super) unsafe fn new(place: OutputStoreKer) -> Self {
        Self(place)
    }

    pub(super) fn read(self) -> Tile {
        let mut rows = [Columns::default(); ROWS];
        for (row, columns) in rows.iter_mut().enumerate() {
            for (column, number) in columns.as_flattened_mut().iter_mut().enumerate() {
                // SAFETY: the caller of `new` guarantees it.
                *number = unsafe { *self.number(row, column) };
            }
        }
        Tile::read(&rows)
    }

    #[inline(always)]
    pub(super) fn write(self, tile: &Tile) {
        if self.0.col_byte_stride == NUMBER {
            self.each_vector(tile, |row, column, sums| self.put(row, column, sums));
        } else if self.0.row_byte_stride == NUMBER {
            for row in (0..ROWS).step_by(LANES) {
                for at in 0..VECTORS {
                    let block = transposed(std::array::from_fn(|lane| tile.0[row + lane][at]));
                    for (lane, sums) in block.into_iter().enumerate() {
                        self.put(row, at * LANES + lane, sums);
                    }
                }
            }
        } else {
            self.each_vector(tile, |row, column, sums| {
                for (lane, sum) in tile::numbers(sums).into_iter().enumerate() {
                    // SAFETY: the caller of `new` guarantees it.
                    unsafe { *self.number(row, column + lane) = sum };
                }
            });
        }
    }

    #[inline(always)]
    fn each_vector(self, tile: &Tile, take: impl Fn(usize, usize, v128)) {
        for (row, sums) in tile.0.iter().enumerate() {
            for (at, sums) in sums.iter().enumerate() {
                take(row, at * LANES, *sums);
            }
        }
    }

    /// Stores a vector from this position, along the contiguous side.
    #[inline(always)]
    fn put(self, row: usize, column: usize, sums: v128) {
        // SAFETY: the caller of `new` guarantees it, and a vector does not extend beyond its tile.
        unsafe { v128_store(self.number(row, column).cast(), sums) };
    }

    #[inline(always)]
    fn number(self, row: usize, column: usize) -> *mut f32 {
        let Self(OutputStoreKer {
            ptr,
            row_byte_stride,
            col_byte_stride,
            ..
        }) = self;
        let offset = row_byte_stride * row.cast_signed() + col_byte_stride * column.cast_signed();
        ptr.wrapping_offset(offset).cast()
    }
}

/// Transposes.
#[inline(always)]
fn transposed([a, b, c, d]: [v128; LANES]) -> [v128; LANES] {
    let (first, second) = (
        i32x4_shuffle::<0, 4, 1, 5>(a, b),
        i32x4_shuffle::<2, 6, 3, 7>(a, b),
    );
    let (third, fourth) = (
        i32x4_shuffle::<0, 4, 1, 5>(c, d),
        i32x4_shuffle::<2, 6, 3, 7>(c, d),
    );
    [
        i64x2_shuffle::<0, 2>(first, third),
        i64x2_shuffle::<1, 3>(first, third),
        i64x2_shuffle::<0, 2>(second, fourth),
        i64x2_shuffle::<1, 3>(second, fourth),
    ]
}
