//! Panics when it is described.

#![expect(clippy::panic, reason = "to trap is what this guest is for")]

use hotstage_guests::raw::{Failure, Raw, Tensor};

struct Guest;

impl Raw for Guest {
    fn describe() {
        panic!("described");
    }

    fn misbehave(_x: f32) -> Result<Vec<Tensor>, Failure> {
        Ok(Vec::new())
    }
}

hotstage_guests::export_raw!(Guest);
