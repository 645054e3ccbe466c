//! Golden tests: requests that a pipeline must answer correctly before it is served.
//!
//! They also warm the pipeline: afterwards every stage has been called. No metric counts these
//! calls.

use std::time::Instant;

use bytes::Bytes;
use hotstage_core::digest::Digest;
use hotstage_core::expect::compare;
use hotstage_core::failure::Failure;
use hotstage_core::manifest::{KeyPath, Problem, Problems, Test};
use hotstage_core::request::Payload;
use hotstage_core::tensor::Tensor;

use super::{DeployError, Progress};
use crate::codecs::oip::Codec;
use crate::codecs::oip::document::parse_named;
use crate::codecs::oip::field_path::Side;
use crate::serving::pipeline::Pipeline;

/// Named tensors.
pub type Named = Vec<(String, Tensor)>;

/// Result of a golden test.
#[derive(Debug)]
pub enum Outcome {
    /// The answer is as expected.
    Passed,
    /// The answer differs.
    Differs {
        /// One line per difference.
        differences: Vec<String>,
        /// The expected output.
        expected: Named,
        /// The actual output.
        got: Named,
    },
    /// The expected output can't be read.
    Unreadable(String),
    /// The request failed.
    Unanswered(Failure),
}

impl Outcome {
    /// Whether the test passed.
    pub const fn is_passed(&self) -> bool {
        matches!(self, Self::Passed)
    }
}

/// Runs all tests; an error lists expected and actual output of every failed test.
pub(super) async fn run(
    tests: &[Test<Digest>],
    bytes: impl Fn(&Digest) -> Bytes,
    problem: impl Fn(&KeyPath, String) -> Problem,
    pipeline: &Pipeline,
    progress: &dyn Progress,
) -> Result<(), DeployError> {
    let outcomes = try_all(tests, bytes, pipeline, progress).await;
    Ok(problems(tests, &outcomes, problem).or(())?)
}

/// Runs all tests and returns each result.
pub(super) async fn try_all(
    tests: &[Test<Digest>],
    bytes: impl Fn(&Digest) -> Bytes,
    pipeline: &Pipeline,
    progress: &dyn Progress,
) -> Vec<Outcome> {
    if !tests.is_empty() {
        progress.testing(
            &format!("{}/{}", pipeline.name, pipeline.version),
            tests.len(),
        );
    }
    let mut outcomes = Vec::with_capacity(tests.len());
    for test in tests {
        outcomes.push(try_one(test, &bytes(&test.request), &bytes(&test.expect), pipeline).await);
    }
    outcomes
}

/// The failed tests, each with its position in the manifest.
pub(super) fn problems(
    tests: &[Test<Digest>],
    outcomes: &[Outcome],
    problem: impl Fn(&KeyPath, String) -> Problem,
) -> Problems {
    let mut problems = Problems::default();
    for (index, (test, outcome)) in tests.iter().zip(outcomes).enumerate() {
        let mut report = |key: &str, message: &str| {
            let message = format!("test `{}`: {message}", test.name);
            problems.push(problem(&KeyPath::test(index).key(key), message));
        };
        match outcome {
            Outcome::Passed => {}
            Outcome::Differs { differences, .. } => {
                differences.iter().for_each(|line| report("expect", line));
            }
            Outcome::Unreadable(message) => report("expect", message),
            Outcome::Unanswered(failure) => {
                report("request", &format!("expected an answer, got: {failure}"));
            }
        }
    }
    problems
}

async fn try_one(
    test: &Test<Digest>,
    request: &Bytes,
    expect: &Bytes,
    pipeline: &Pipeline,
) -> Outcome {
    let expected = match parse_named(expect, Side::Output) {
        Ok(expected) if expected.is_empty() => {
            return Outcome::Unreadable(
                "expects no output, so every answer would pass; name one at least".to_owned(),
            );
        }
        Ok(expected) => expected,
        Err(failure) => return Outcome::Unreadable(failure.message),
    };
    match answer(pipeline, request).await {
        Err(failure) => Outcome::Unanswered(failure),
        Ok(got) => match compare(&expected, &got, test.tolerance) {
            Ok(()) => Outcome::Passed,
            Err(differences) => {
                let differences = differences.iter().map(ToString::to_string).collect();
                Outcome::Differs {
                    differences,
                    expected,
                    got,
                }
            }
        },
    }
}

async fn answer(pipeline: &Pipeline, request: &Bytes) -> Result<Named, Failure> {
    let Codec { decoder, .. } = pipeline.extensions.get()?;
    let request = decoder.decode(request, None)?;
    let tensors = pipeline
        .try_out(&mut Instant::now(), Payload::Tensors(request.inputs))
        .await?
        .outputs;
    let names = pipeline
        .signature()
        .outputs
        .iter()
        .map(|port| port.name.clone());
    Ok(names.zip(tensors).collect())
}
