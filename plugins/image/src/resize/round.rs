//! Converts sums to levels: rounded to the nearest and clamped.
//!
//! Vectorised, because a cast of one float to a byte takes a dozen instructions in WebAssembly.

use wide::{f32x4, f32x8, i16x8, i32x4, u8x16};

/// Levels that are rounded at a time.
const LANES: usize = 16;
/// Offset so that truncation towards zero rounds; results below zero are clamped.
const HALF: f32 = 0.5;

/// Appends the levels of a row of sums.
pub(super) fn row(sums: &[f32], levels: &mut Vec<u8>) {
    let (whole, rest) = sums.as_chunks::<LANES>();
    for sums in whole {
        levels.extend(rounded(sums));
    }
    let mut last = [0.0; LANES];
    last[..rest.len()].copy_from_slice(rest);
    levels.extend(&rounded(&last)[..rest.len()]);
}

/// One pixel of three channels.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped"
)]
pub(super) fn pixel(sums: f32x4) -> [u8; 3] {
    let [red, green, blue, _] = (sums + f32x4::splat(HALF))
        .trunc_int()
        .max(i32x4::ZERO)
        .min(i32x4::splat(255))
        .to_array();
    [red as u8, green as u8, blue as u8]
}

/// One level.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast from a float saturates"
)]
pub(super) fn level(sum: f32) -> u8 {
    (sum + HALF) as u8
}

fn rounded(sums: &[f32; LANES]) -> [u8; LANES] {
    let half = |at: usize| {
        (f32x8::new(std::array::from_fn(|lane| sums[at + lane])) + f32x8::splat(HALF)).trunc_int()
    };
    // Narrowing saturates.
    u8x16::narrow_i16x8(
        i16x8::from_i32x8_saturate(half(0)),
        i16x8::from_i32x8_saturate(half(8)),
    )
    .to_array()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_round_as_one_level_does() {
        let mut sums: Vec<f32> = (-40..1100).map(|step| step as f32 / 4.0).collect();
        sums.extend([
            f32::NAN,
            f32::INFINITY,
            f32::NEG_INFINITY,
            1e10,
            -1e10,
            0.499_999_97,
            254.5,
        ]);
        let one_by_one: Vec<u8> = sums.iter().map(|sum| level(*sum)).collect();
        let mut levels = Vec::new();
        row(&sums, &mut levels);
        assert_eq!(levels, one_by_one);
        for (sums, levels) in sums
            .as_chunks::<3>()
            .0
            .iter()
            .zip(one_by_one.as_chunks::<3>().0)
        {
            let [red, green, blue] = *sums;
            assert_eq!(pixel(f32x4::new([red, green, blue, f32::NAN])), *levels);
        }
    }
}
