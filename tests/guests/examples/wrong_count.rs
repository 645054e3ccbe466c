//! Returns two tensors where its signature has one when `x[0]` is 13, and none when it is 14.

use hotstage_guests::TOLD;
use hotstage_guests::raw::{Failure, Raw, Tensor, floats};

struct Guest;

impl Raw for Guest {
    fn misbehave(x: f32) -> Result<Vec<Tensor>, Failure> {
        let count = if x <= TOLD { 2 } else { 0 };
        Ok((0..count).map(|_| floats(&[1.0])).collect())
    }
}

hotstage_guests::export_raw!(Guest);
