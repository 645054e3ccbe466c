//! Creates buffers without end and keeps them all when `x[0]` is 13.

use hotstage_guests::raw::{Buffer, Failure, Raw, Tensor};

struct Guest;

impl Raw for Guest {
    fn misbehave(_x: f32) -> Result<Vec<Tensor>, Failure> {
        let mut held = Vec::new();
        loop {
            held.push(Buffer::create(&[0; 4]));
        }
    }
}

hotstage_guests::export_raw!(Guest);
