//! Returns INT32 where its signature says FP32 when `x[0]` is 13.

use hotstage_guests::raw::{Datatype, Failure, Raw, Tensor, tensor};

struct Guest;

impl Raw for Guest {
    fn misbehave(_x: f32) -> Result<Vec<Tensor>, Failure> {
        Ok(vec![tensor(Datatype::Int32, vec![1], vec![0; 4])])
    }
}

hotstage_guests::export_raw!(Guest);
