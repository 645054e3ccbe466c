//! Golden tests: requests whose answers a pipeline must get right before it serves.
//!
//! They also warm it: after them every stage has had a call.

use std::time::Instant;

use bytes::Bytes;
use hotstage_core::digest::Digest;
use hotstage_core::expect::compare;
use hotstage_core::failure::Failure;
use hotstage_core::manifest::{KeyPath, Problem, Problems, Test};
use hotstage_core::request::Payload;
use hotstage_core::tensor::Tensor;

use super::{DeployError, Progress};
use crate::oip::document::parse_named;
use crate::oip::place::Side;
use crate::pipeline::Pipeline;

/// Runs all tests, or says of all that fail what they expected and what they got.
pub(super) async fn run(
    tests: &[Test<Digest>],
    bytes: impl Fn(&Digest) -> Bytes,
    problem: impl Fn(&KeyPath, String) -> Problem,
    pipeline: &Pipeline,
    progress: &dyn Progress,
) -> Result<(), DeployError> {
    if !tests.is_empty() {
        progress.testing(&format!("{}/{}", pipeline.name, pipeline.version), tests.len());
    }
    let mut problems = Problems::default();
    for (index, test) in tests.iter().enumerate() {
        let path = KeyPath::default().key("spec").key("tests").index(index);
        let mut report = |key: &str, message: String| {
            let message = format!("test `{}`: {message}", test.name);
            problems.push(problem(&path.clone().key(key), message));
        };
        let expected = match parse_named(&bytes(&test.expect), Side::Output) {
            Ok(expected) => expected,
            Err(failure) => {
                report("expect", failure.message);
                continue;
            }
        };
        match answer(pipeline, &bytes(&test.request)).await {
            Err(failure) => report("request", format!("expected an answer, got: {failure}")),
            Ok(got) => {
                for difference in compare(&expected, &got, test.tolerance).err().into_iter().flatten() {
                    report("expect", difference.to_string());
                }
            }
        }
    }
    Ok(problems.or(())?)
}

async fn answer(pipeline: &Pipeline, request: &Bytes) -> Result<Vec<(String, Tensor)>, Failure> {
    let ask = pipeline.decoder.decode(request, None)?;
    let tensors = pipeline.try_out(&mut Instant::now(), Payload::Tensors(ask.inputs)).await?.outputs;
    let names = pipeline.signature().outputs.iter().map(|port| port.name.clone());
    Ok(names.zip(tensors).collect())
}
