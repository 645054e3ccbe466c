//! Says that its output is `y` if it was described before it was opened, and `z` if it was not.
//!
//! A stage has neither a clock nor chance to tell its instances apart, so what came before is all
//! that it can use.

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
