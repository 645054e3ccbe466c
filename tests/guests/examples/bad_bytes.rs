//! Returns a BYTES element that is longer than the whole answer when `x[0]` is 13; otherwise an
//! empty element.

use hotstage_guests::raw::{Datatype, Failure, Raw, Signature, Tensor, port, tensor};

struct Guest;

impl Raw for Guest {
    fn open() -> Signature {
        Signature {
            inputs: vec![port("x", Datatype::Fp32)],
            outputs: vec![port("y", Datatype::Bytes)],
        }
    }

    fn behave(_x: Vec<Tensor>) -> Vec<Tensor> {
        vec![tensor(Datatype::Bytes, vec![1], vec![0; 4])]
    }

    fn misbehave(_x: f32) -> Result<Vec<Tensor>, Failure> {
        Ok(vec![tensor(
            Datatype::Bytes,
            vec![1],
            vec![0xff, 0xff, 0xff, 0xff, b'a', b'b'],
        )])
    }
}

hotstage_guests::export_raw!(Guest);
