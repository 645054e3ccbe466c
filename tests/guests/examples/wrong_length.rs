//! Returns fewer bytes than its shape requires when `x[0]` is 13.

use hotstage_guests::raw::{Datatype, Failure, Raw, Tensor, tensor};

struct Guest;

impl Raw for Guest {
    fn misbehave(_x: f32) -> Result<Vec<Tensor>, Failure> {
        Ok(vec![tensor(Datatype::Fp32, vec![4], vec![0; 15])])
    }
}

hotstage_guests::export_raw!(Guest);
