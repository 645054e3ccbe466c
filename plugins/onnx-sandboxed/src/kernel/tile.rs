//! One tile: sums of products in vectors, and the operations on them.
//!
//! A loop iteration takes two products. With one, the machine code spends more time on moving sums
//! than on summing; with three, the operands no longer fit into the sixteen vector registers of
//! x86-64. 16 sums are enough to hide the latency of each.

use std::arch::wasm32::{
    f32x4_add, f32x4_gt, f32x4_mul, f32x4_pmax, f32x4_pmin, f32x4_relaxed_madd, f32x4_splat,
    f32x4_sub, i32x4_shuffle, v128, v128_bitselect, v128_load, v128_store,
};

/// Numbers in a vector.
pub(super) const LANES: usize = 4;
pub(super) const ROWS: usize = 8;
/// Vectors per row.
pub(super) const VECTORS: usize = 2;
pub(super) const COLUMNS: usize = VECTORS * LANES;
/// Products per iteration.
const STRIDE: usize = 2;

/// One number for each row, and for each column, as packed.
pub(super) type Rows = [[f32; LANES]; ROWS / LANES];
pub(super) type Columns = [[f32; LANES]; VECTORS];

#[derive(Clone, Copy)]
pub(super) struct Tile(pub(super) [[v128; VECTORS]; ROWS]);

impl Tile {
    #[inline(always)]
    pub(super) fn zero() -> Self {
        Self([[f32x4_splat(0.0); VECTORS]; ROWS])
    }

    #[inline(always)]
    pub(super) fn read(rows: &[Columns; ROWS]) -> Self {
        Self(std::array::from_fn(|row| {
            std::array::from_fn(|at| vector(&rows[row][at]))
        }))
    }

    /// Adds the product of each column of one matrix and its row of the other.
    #[inline(always)]
    pub(super) fn add_products(&mut self, rows: &[Rows], columns: &[Columns]) {
        let mut sums = *self;
        let (turns, rows) = rows.as_chunks::<STRIDE>();
        let (turns_of_columns, columns) = columns.as_chunks::<STRIDE>();
        for (rows, columns) in turns.iter().zip(turns_of_columns) {
            for step in 0..STRIDE {
                sums.add_product(&rows[step], &columns[step]);
            }
        }
        for (rows, columns) in rows.iter().zip(columns) {
            sums.add_product(rows, columns);
        }
        *self = sums;
    }

    #[inline(always)]
    fn add_product(&mut self, rows: &Rows, columns: &Columns) {
        let columns: [v128; VECTORS] = std::array::from_fn(|at| vector(&columns[at]));
        for (sums, rows) in self.0.chunks_exact_mut(LANES).zip(rows) {
            for (sums, factor) in sums.iter_mut().zip(spread(vector(rows))) {
                for (sum, column) in sums.iter_mut().zip(columns) {
                    *sum = f32x4_relaxed_madd(factor, column, *sum);
                }
            }
        }
    }

    #[inline(always)]
    pub(super) fn plus(&mut self, other: Self) {
        for (sum, other) in self
            .0
            .as_flattened_mut()
            .iter_mut()
            .zip(other.0.as_flattened())
        {
            *sum = f32x4_add(*sum, *other);
        }
    }

    /// The same number for all sums.
    #[inline(always)]
    pub(super) fn with(&mut self, number: f32, op: impl Fn(v128, v128) -> v128) {
        for sum in self.0.as_flattened_mut() {
            *sum = op(*sum, f32x4_splat(number));
        }
    }

    #[inline(always)]
    pub(super) fn with_rows(&mut self, rows: &[f32; ROWS], op: impl Fn(v128, v128) -> v128) {
        for (sums, number) in self.0.iter_mut().zip(rows) {
            for sum in sums {
                *sum = op(*sum, f32x4_splat(*number));
            }
        }
    }

    #[inline(always)]
    pub(super) fn with_columns(&mut self, columns: &Columns, op: impl Fn(v128, v128) -> v128) {
        for sums in &mut self.0 {
            for (sum, numbers) in sums.iter_mut().zip(columns) {
                *sum = op(*sum, vector(numbers));
            }
        }
    }
}

/// One instruction; a vector built from four numbers would take four.
#[inline(always)]
pub(super) fn vector(numbers: &[f32; LANES]) -> v128 {
    // SAFETY: there are as many numbers as a vector has lanes, with any alignment.
    unsafe { v128_load(std::ptr::from_ref(numbers).cast()) }
}

#[inline(always)]
pub(super) fn numbers(vector: v128) -> [f32; LANES] {
    let mut numbers = [0.0; LANES];
    // SAFETY: as above.
    unsafe { v128_store(numbers.as_mut_ptr().cast(), vector) };
    numbers
}

/// Each lane, broadcast to all lanes of its own vector.
#[inline(always)]
fn spread(lanes: v128) -> [v128; LANES] {
    [
        i32x4_shuffle::<0, 0, 0, 0>(lanes, lanes),
        i32x4_shuffle::<1, 1, 1, 1>(lanes, lanes),
        i32x4_shuffle::<2, 2, 2, 2>(lanes, lanes),
        i32x4_shuffle::<3, 3, 3, 3>(lanes, lanes),
    ]
}

pub(super) fn add(sum: v128, number: v128) -> v128 {
    f32x4_add(sum, number)
}

pub(super) fn mul(sum: v128, number: v128) -> v128 {
    f32x4_mul(sum, number)
}

pub(super) fn sub(sum: v128, number: v128) -> v128 {
    f32x4_sub(sum, number)
}

pub(super) fn sub_from(sum: v128, number: v128) -> v128 {
    f32x4_sub(number, sum)
}

/// The minimum; a NaN sum stays NaN. One instruction, while `f32x4_min` takes several.
pub(super) fn min(sum: v128, number: v128) -> v128 {
    f32x4_pmin(sum, number)
}

/// The maximum, likewise.
pub(super) fn max(sum: v128, number: v128) -> v128 {
    f32x4_pmax(sum, number)
}

/// Multiplies sums that are not positive by a slope.
pub(super) fn leaky(sum: v128, slope: v128) -> v128 {
    v128_bitselect(sum, f32x4_mul(slope, sum), f32x4_gt(sum, f32x4_splat(0.0)))
}
