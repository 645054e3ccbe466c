//! Returns 80 MiB inline when `x[0]` is 13, and 80 MiB in a buffer when it is 14.

use hotstage_guests::TOLD;
use hotstage_guests::raw::{Buffer, Datatype, Failure, Payload, Raw, Tensor, tensor};

struct Guest;

impl Raw for Guest {
    fn misbehave(x: f32) -> Result<Vec<Tensor>, Failure> {
        let data = vec![0; 80 << 20];
        let shape = vec![20 << 20];
        if x <= TOLD {
            return Ok(vec![tensor(Datatype::Fp32, shape, data)]);
        }
        let data = Payload::Held(Buffer::create(&data));
        Ok(vec![Tensor {
            datatype: Datatype::Fp32,
            shape,
            data,
        }])
    }
}

hotstage_guests::export_raw!(Guest);
