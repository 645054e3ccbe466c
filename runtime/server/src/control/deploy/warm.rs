//! One warm-up call through a pipeline before the first request, where no golden test makes one.
//!
//! An inference engine allocates memory and prepares kernels in its first computation. The request
//! is made up from the signature: zeros and empty texts, one row, size 1 for each unknown
//! dimension. A stage may reject it, so a failure does not stop the deployment; `check` reports it,
//! since such a stage may always fail. No metric counts the call.

use std::time::Instant;

use bytes::Bytes;
use hotstage_core::failure::{Failure, Kind};
use hotstage_core::request::Payload;
use hotstage_core::signature::Port;
use hotstage_core::tensor::{Shape, Tensor, elements_of, show_shape};

use crate::serving::pipeline::Pipeline;

/// Larger requests are not made up; the first client warms such a pipeline.
const BYTES_MAX: usize = 64 << 20;

/// A failed warm-up call.
#[derive(Debug)]
pub struct Unwarmed {
    /// The request, such as `features [1, 30]`.
    pub asked: String,
    /// The failure.
    pub failure: Failure,
}

impl Unwarmed {
    /// Message for the operator, who may see a stage's own error text.
    pub fn told(&self) -> String {
        let Self { asked, failure } = self;
        // The full cause of a trap is a backtrace.
        let cause = failure
            .cause
            .as_ref()
            .filter(|_| failure.kind == Kind::StageFailed);
        let cause = cause
            .and_then(|cause| cause.lines().next())
            .map(|cause| format!(" ({cause})"));
        format!(
            "a warm-up call with zeros ({asked}) failed: {}{}",
            failure.message,
            cause.unwrap_or_default()
        )
    }
}

/// Makes the call, within the limits of its stages. Pipelines that take only raw bodies are
/// skipped.
pub async fn warm(pipeline: &Pipeline) -> Result<(), Unwarmed> {
    let ports = &pipeline.signature().inputs;
    let inputs: Option<Vec<Tensor>> = ports.iter().map(zeros).collect();
    let Some(inputs) = inputs.filter(|inputs| !inputs.is_empty()) else {
        return Ok(());
    };
    let asked = ports
        .iter()
        .zip(&inputs)
        .map(|(port, input)| format!("{} {}", port.name, show_shape(input.shape())));
    let asked = asked.collect::<Vec<_>>().join(", ");
    match pipeline
        .try_out(&mut Instant::now(), Payload::Tensors(inputs))
        .await
    {
        Ok(_) => Ok(()),
        Err(failure) => {
            tracing::debug!(pipeline = pipeline.name, %failure, "not warmed: it has no answer to zeros");
            Err(Unwarmed { asked, failure })
        }
    }
}

fn zeros(port: &Port) -> Option<Tensor> {
    let shape: Shape = port.shape.iter().map(|size| size.unwrap_or(1)).collect();
    let elements = elements_of(&shape).ok()?;
    // An empty text is encoded as its length.
    let size = port.datatype.size().unwrap_or(size_of::<u32>());
    let bytes = elements
        .checked_mul(size)
        .filter(|&bytes| bytes <= BYTES_MAX)?;
    Tensor::new(port.datatype, shape, Bytes::from(vec![0; bytes])).ok()
}

#[cfg(test)]
mod tests {
    use hotstage_core::datatype::Datatype;

    use super::*;

    #[test]
    fn every_datatype_has_its_zeros() {
        for datatype in Datatype::ALL {
            let port = Port {
                name: "x".to_owned(),
                datatype,
                shape: vec![None, Some(3)],
            };
            let tensor = zeros(&port).unwrap();
            assert_eq!(
                (tensor.shape(), port.accepts(&tensor)),
                (&[1, 3][..], Ok(()))
            );
        }
        let huge = Port {
            name: "x".to_owned(),
            datatype: Datatype::Fp64,
            shape: vec![Some(1 << 40)],
        };
        assert!(zeros(&huge).is_none());
    }
}
