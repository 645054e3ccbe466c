//! Damaged files: refused or answered, but never a panic, and never more memory than the bound.
//!
//! Default: each sample is cut at every byte, gets extreme values in its first bytes, and is
//! randomly damaged hundreds of times; `HOTSTAGE_DAMAGE` multiplies the last number.

use serde_json::json;

use super::{open, pictures, samples};

/// Random damages per sample.
const ROUNDS: u32 = 300;

/// Deterministic pseudo-random numbers.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

#[test]
fn a_file_cut_anywhere_does_no_harm() {
    let mut bench = open(json!({ "max_pixels": 4096, "resize": { "size": [4, 4] } }));
    for (name, file) in samples() {
        for length in 0..file.len() {
            let answer = bench.call(pictures(&[&file[..length]]));
            // The last chunk of a PNG is empty, and a WebP may end with a padding byte.
            assert!(
                answer.is_err() || length + 20 > file.len() || is_lenient(&name),
                "{name} cut at {length}"
            );
        }
    }
}

/// Formats whose data after the pixels may be cut off.
fn is_lenient(name: &str) -> bool {
    name == "animated.webp" || name.starts_with("turned")
}

#[test]
fn a_file_with_changed_bytes_does_no_harm() {
    let factor = std::env::var("HOTSTAGE_DAMAGE")
        .ok()
        .and_then(|factor| factor.parse().ok())
        .unwrap_or(1);
    let mut bench = open(json!({ "max_pixels": 4096, "resize": { "size": [4, 4] } }));
    for (name, file) in samples() {
        let mut chance = Chance(name.len() as u64);
        for _ in 0..ROUNDS * factor {
            let mut damaged = file.clone();
            // Bytes of the header matter most.
            let reach = if chance.below(2) == 0 {
                file.len().min(64)
            } else {
                file.len()
            };
            for _ in 0..=chance.below(4) {
                let place = chance.below(reach);
                damaged[place] = u8::try_from(chance.below(256)).unwrap();
            }
            drop(bench.call(pictures(&[damaged])));
        }
    }
}

#[test]
fn every_byte_may_have_every_extreme() {
    let mut bench = open(json!({ "max_pixels": 4096, "resize": { "size": [4, 4] } }));
    for (_, file) in samples() {
        for place in 0..file.len().min(160) {
            for byte in [0x00, 0x7f, 0xff] {
                let mut damaged = file.clone();
                damaged[place] = byte;
                drop(bench.call(pictures(&[damaged])));
            }
        }
    }
}
