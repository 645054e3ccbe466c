//! Panics when it is described.

#![expect(clippy::panic, reason = "this guest traps on purpose")]

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
