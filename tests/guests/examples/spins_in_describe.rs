//! Runs forever when it is described.

#![expect(clippy::empty_loop, reason = "this guest spins on purpose")]

use hotstage_guests::raw::{Failure, Raw, Tensor};

struct Guest;

impl Raw for Guest {
    fn describe() {
        loop {}
    }

    fn misbehave(_x: f32) -> Result<Vec<Tensor>, Failure> {
        Ok(Vec::new())
    }
}

hotstage_guests::export_raw!(Guest);
