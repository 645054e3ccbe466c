//! Hands 1 GiB to the host when `x[0]` is 13, but holds one buffer of 1 MiB at a time. Then it
//! returns 0.

use hotstage_guests::raw::{Buffer, Failure, Raw, Tensor, floats};

struct Guest;

impl Raw for Guest {
    fn misbehave(_x: f32) -> Result<Vec<Tensor>, Failure> {
        let bytes = vec![0; 1 << 20];
        for _ in 0..1024 {
            drop(Buffer::create(&bytes));
        }
        Ok(vec![floats(&[0.0])])
    }
}

hotstage_guests::export_raw!(Guest);
