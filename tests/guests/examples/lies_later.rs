//! Names its output `y` if `describe` was called before `open`, and `z` otherwise.
//!
//! A stage has no clock and no randomness, so only earlier calls can make its instances differ.

use std::sync::atomic::Ordering;

use hotstage_guests::raw::{DESCRIBED, Datatype, Failure, Raw, Signature, Tensor, port};

struct Guest;

impl Raw for Guest {
    fn open() -> Signature {
        let output = if DESCRIBED.load(Ordering::Relaxed) {
            "y"
        } else {
            "z"
        };
        Signature {
            inputs: vec![port("x", Datatype::Fp32)],
            outputs: vec![port(output, Datatype::Fp32)],
        }
    }

    fn misbehave(_x: f32) -> Result<Vec<Tensor>, Failure> {
        Ok(Vec::new())
    }
}

hotstage_guests::export_raw!(Guest);
