//! One call through a pipeline before anybody asks it, where no golden test makes one.
//!
//! An engine makes the memory and the kernels of a graph ready in its first computation. The request is made up from
//! the signature: zeros and empty texts, one row, each unknown dimension of size 1. Whether it makes sense is nobody's
//! business: what a stage says to it is not looked at.

use std::time::Instant;

use bytes::Bytes;
use hotstage_core::request::Payload;
use hotstage_core::signature::Port;
use hotstage_core::tensor::{Shape, Tensor, elements_of};

use crate::pipeline::Pipeline;

/// Larger requests are not made up: a signature that asks for them is warmed by its first client.
const BYTES_MAX: usize = 64 << 20;

/// Makes the call; ends with the limits of its stages.
pub(super) async fn warm(pipeline: &Pipeline) {
    let inputs: Option<Vec<Tensor>> = pipeline.signature().inputs.iter().map(zeros).collect();
    let Some(inputs) = inputs.filter(|inputs| !inputs.is_empty()) else { return };
    if let Err(failure) = pipeline.try_out(&mut Instant::now(), Payload::Tensors(inputs)).await {
        tracing::debug!(pipeline = pipeline.name, %failure, "not warmed: it has no answer to zeros");
    }
}

fn zeros(port: &Port) -> Option<Tensor> {
    let shape: Shape = port.shape.iter().map(|size| size.unwrap_or(1)).collect();
    let elements = elements_of(&shape).ok()?;
    // An empty text is its length alone.
    let size = port.datatype.size().unwrap_or(size_of::<u32>());
    let bytes = elements.checked_mul(size).filter(|&bytes| bytes <= BYTES_MAX)?;
    Tensor::new(port.datatype, shape, Bytes::from(vec![0; bytes])).ok()
}

#[cfg(test)]
mod tests {
    use hotstage_core::datatype::Datatype;

    use super::*;

    #[test]
    fn every_datatype_has_its_zeros() {
        for datatype in Datatype::ALL {
            let port = Port { name: "x".to_owned(), datatype, shape: vec![None, Some(3)] };
            let tensor = zeros(&port).unwrap();
            assert_eq!((tensor.shape(), port.accepts(&tensor)), (&[1, 3][..], Ok(())));
        }
        let huge = Port { name: "x".to_owned(), datatype: Datatype::Fp64, shape: vec![Some(1 << 40)] };
        assert!(zeros(&huge).is_none());
    }
}
