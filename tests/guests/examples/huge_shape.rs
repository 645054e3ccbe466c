//! Returns a shape of `u64::MAX` when `x[0]` is 13, and one whose byte count is 0 modulo 2^64 when
//! it is 14.

use hotstage_guests::TOLD;
use hotstage_guests::raw::{Datatype, Failure, Raw, Tensor, tensor};

struct Guest;

impl Raw for Guest {
    fn misbehave(x: f32) -> Result<Vec<Tensor>, Failure> {
        let size = if x <= TOLD { u64::MAX } else { 1 << 62 };
        Ok(vec![tensor(Datatype::Fp32, vec![size], Vec::new())])
    }
}

hotstage_guests::export_raw!(Guest);
