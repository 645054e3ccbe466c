//! Tests of the codec through its public interface.

mod binary;
mod data;
mod hostile;
mod request;
mod response;
mod round_trip;

use bytes::Bytes;
use hotstage_core::datatype::Datatype;
use hotstage_core::failure::{Failure, Kind};
use hotstage_core::signature::{Dimension, Port, Signature};
use hotstage_core::tensor::{Shape, Tensor};

use super::request::{DecodedRequest, Decoder};

fn port(name: &str, datatype: Datatype, shape: &[Dimension]) -> Port {
    Port {
        name: name.to_owned(),
        datatype,
        shape: shape.to_vec(),
    }
}

/// `features` FP32 [-1, 2], `title` BYTES [-1]; `score` FP32 [-1], `label` BYTES [-1], `half` FP16
/// [-1].
fn signature() -> Signature {
    Signature {
        inputs: vec![
            port("features", Datatype::Fp32, &[None, Some(2)]),
            port("title", Datatype::Bytes, &[None]),
        ],
        outputs: vec![
            port("score", Datatype::Fp32, &[None]),
            port("label", Datatype::Bytes, &[None]),
            port("half", Datatype::Fp16, &[None]),
        ],
    }
}

/// One input `x` and no outputs.
fn single(datatype: Datatype, shape: &[Dimension]) -> Signature {
    Signature {
        inputs: vec![port("x", datatype, shape)],
        outputs: vec![],
    }
}

fn decode(
    signature: &Signature,
    body: impl AsRef<[u8]>,
    header: Option<usize>,
) -> Result<DecodedRequest, Failure> {
    Decoder::new("m", signature).decode(&Bytes::copy_from_slice(body.as_ref()), header)
}

fn tensor(datatype: Datatype, shape: &[u64], data: impl Into<Vec<u8>>) -> Tensor {
    Tensor::new(datatype, Shape::from_slice(shape), data.into().into()).unwrap()
}

fn fp32(shape: &[u64], values: &[f32]) -> Tensor {
    tensor(
        Datatype::Fp32,
        shape,
        values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect::<Vec<u8>>(),
    )
}

/// The message of an error that is the client's fault.
#[track_caller]
fn refusal<T: std::fmt::Debug>(result: Result<T, Failure>) -> String {
    let failure = result.unwrap_err();
    assert_eq!(failure.kind, Kind::InvalidInput);
    failure.message
}
