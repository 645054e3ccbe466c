//! Matrix multiplication in the sandbox: a kernel for tract, which replaces its own one for
//! WebAssembly.
//!
//! tract multiplies in tiles, whose sums stay in place while the rows of one matrix meet the
//! columns of the other; it packs the matrices, orders the tiles and applies the operations after
//! the product. A kernel computes one tile. tract's own kernel takes one row and one column per
//! loop iteration. The engine checks in each iteration whether the call's time is over, which may
//! become a call, so the machine code spills all sums and reloads them. This kernel needs half as
//! many iterations (`tile`), stores whole vectors, and is 1.5 times as fast for a convolutional
//! network.
//!
//! Bound: FP32, and more than one column; everything else is left to tract's kernels.

#![expect(
    unsafe_code,
    reason = "tract hands a kernel pointers; it runs in the sandbox"
)]

use std::slice::from_raw_parts;

use tract_onnx::tract_core::internal::DatumType;
use tract_onnx::tract_core::internal::tract_linalg::Scaler;
use tract_onnx::tract_core::internal::tract_linalg::isa::{Arch, IsaSet};
use tract_onnx::tract_core::internal::tract_linalg::mmm::{
    DynKernel, FusedKerSpec, Query, Suitable,
};
use tract_onnx::tract_core::internal::tract_linalg::mmm_routines::MmmRoutine;
use tract_onnx::tract_core::internal::tract_linalg::mmm_tiers::MmmTier;
use tract_onnx::tract_core::internal::tract_linalg::pack::Packing;

mod place;
mod tile;

use place::Place;
use tile::{COLUMNS, ROWS, Tile};

const NAME: &str = "hotstage_f32_8x8";

inventory::submit! {
    MmmRoutine { make: || kernel().mmm() }
}

inventory::submit! {
    MmmTier {
        arch: Some(Arch::Wasm32Simd128),
        // tract's own kernel has 1; a higher value gets precedence.
        precedence: 2,
        name: "hotstage-simd128",
        applies: |_| true,
        preferred,
    }
}

fn preferred(_: &IsaSet, sums: DatumType, query: &Query, _: &[Suitable]) -> Option<&'static str> {
    (sums == DatumType::F32 && query.n != Some(1)).then_some(NAME)
}

fn kernel() -> DynKernel<ROWS, COLUMNS, f32> {
    let mut kernel = DynKernel::new(
        NAME,
        run,
        f32::packing(ROWS).align(16),
        f32::packing(COLUMNS).align(16),
    );
    kernel.arch = Some(Arch::Wasm32Simd128);
    kernel
}

/// Computes one tile, step by step until the last one. tract guarantees that the pointers are valid
/// for a tile of this size.
unsafe fn run(steps: &[FusedKerSpec<f32>]) -> isize {
    let mut tile = Tile::zero();
    for step in steps {
        // SAFETY: a step's pointers are valid for its data: as many packed rows and columns as
        // there are products, one number for each row or column of a tile, or a tile.
        // there are products, one number for each row or column of a tile, a tile.
        unsafe {
            match *step {
                FusedKerSpec::Done => break,
                FusedKerSpec::Clear => tile = Tile::zero(),
                // Nothing to add, and null pointers.
                FusedKerSpec::AddMatMul { k: 0, .. } => {}
                FusedKerSpec::AddMatMul { k, pa, pb, .. } => {
                    tile.add_products(from_raw_parts(pa.cast(), k), from_raw_parts(pb.cast(), k));
                }
                FusedKerSpec::AddRowColProducts(rows, columns) => {
                    tile.add_products(
                        from_raw_parts(rows.cast(), 1),
                        from_raw_parts(columns.cast(), 1),
                    );
                }
                FusedKerSpec::LoadTile(_, rows) => tile = Tile::read(&*rows.cast()),
                FusedKerSpec::AddUnicast(place) => tile.plus(Place::new(place).read()),
                FusedKerSpec::Store(place) => Place::new(place).write(&tile),
                FusedKerSpec::ScalarMin(number) => tile.with(number, tile::min),
                FusedKerSpec::ScalarMax(number) => tile.with(number, tile::max),
                FusedKerSpec::ScalarAdd(number) => tile.with(number, tile::add),
                FusedKerSpec::ScalarMul(number) => tile.with(number, tile::mul),
                FusedKerSpec::ScalarSub(number) => tile.with(number, tile::sub_from),
                FusedKerSpec::ScalarSubF(number) => tile.with(number, tile::sub),
                FusedKerSpec::LeakyRelu(slope) => tile.with(slope, tile::leaky),
                FusedKerSpec::QScale(shift, policy, factor) => {
                    tile.with(
                        Scaler::from_fuse_params(shift, policy, factor).scale,
                        tile::mul,
                    );
                }
                FusedKerSpec::RoundingShiftRight(shift, _) => {
                    tile.with(0.5_f32.powf(shift as f32), tile::mul);
                }
                FusedKerSpec::ShiftLeft(shift) => tile.with(2_f32.powf(shift as f32), tile::mul),
                FusedKerSpec::PerRowMin(rows) => tile.with_rows(&*rows.cast(), tile::min),
                FusedKerSpec::PerRowMax(rows) => tile.with_rows(&*rows.cast(), tile::max),
                FusedKerSpec::PerRowAdd(rows) => tile.with_rows(&*rows.cast(), tile::add),
                FusedKerSpec::PerRowMul(rows) => tile.with_rows(&*rows.cast(), tile::mul),
                FusedKerSpec::PerRowSub(rows) => tile.with_rows(&*rows.cast(), tile::sub_from),
                FusedKerSpec::PerRowSubF(rows) => tile.with_rows(&*rows.cast(), tile::sub),
                FusedKerSpec::PerColMin(columns) => tile.with_columns(&*columns.cast(), tile::min),
                FusedKerSpec::PerColMax(columns) => tile.with_columns(&*columns.cast(), tile::max),
                FusedKerSpec::PerColAdd(columns) => tile.with_columns(&*columns.cast(), tile::add),
                FusedKerSpec::PerColMul(columns) => tile.with_columns(&*columns.cast(), tile::mul),
                FusedKerSpec::PerColSub(columns) => {
                    tile.with_columns(&*columns.cast(), tile::sub_from);
                }
                FusedKerSpec::PerColSubF(columns) => tile.with_columns(&*columns.cast(), tile::sub),
            }
        }
    }
    0
}
