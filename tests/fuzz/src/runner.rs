//! Runs a target over its corpus and over seeded mutations of it, without instrumentation.
//!
//! Findings are stored in `target/fuzz/findings`; `cargo xtask fuzz TARGET --replay FILE` runs them
//! again. Default: [`Target::quick`] executions; `HOTSTAGE_FUZZ_EXECUTIONS` overrides it.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::mutate::{Chance, mutate};
use crate::{Target, corpus};

/// The result of a run.
#[derive(Clone, Debug, Default)]
pub struct Ran {
    /// Number of inputs, including the corpus.
    pub executions: u64,
    /// Duration of the run.
    pub took: Duration,
    /// Files with the inputs on which the target panicked.
    pub findings: Vec<PathBuf>,
}

/// A run ends after this many findings, because further ones are mostly duplicates.
const FINDINGS_MAX: usize = 5;

/// Runs the corpus, and then mutations up to this number of executions.
pub fn run(target: &Target, executions: u64, seed: u64) -> Ran {
    let inputs = corpus::read(target)
        .unwrap_or_else(|error| panic!("no corpus of {}: {error}", target.name));
    assert!(!inputs.is_empty(), "the corpus of {} is empty", target.name);
    let began = Instant::now();
    let mut ran = Ran::default();
    let mut chance = Chance::new(seed);
    for input in &inputs {
        ran.one(target, input);
    }
    while ran.executions < executions && ran.findings.len() < FINDINGS_MAX {
        let (input, other) = (
            &inputs[chance.below(inputs.len())],
            &inputs[chance.below(inputs.len())],
        );
        ran.one(target, &mutate(input, other, target.bytes_max, &mut chance));
    }
    ran.took = began.elapsed();
    ran
}

/// Executions of the short run.
pub fn quick(target: &Target) -> u64 {
    let asked = std::env::var("HOTSTAGE_FUZZ_EXECUTIONS")
        .ok()
        .and_then(|number| number.parse().ok());
    asked.unwrap_or(target.quick)
}

impl Ran {
    fn one(&mut self, target: &Target, input: &[u8]) {
        self.executions += 1;
        if catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_err() {
            self.findings.push(keep(target, input));
        }
    }
}

/// Writes down what was found.
fn keep(target: &Target, input: &[u8]) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../target/fuzz/findings")
        .join(target.name);
    let path = folder.join(corpus::name(input));
    // If the file can't be written, the seed reproduces the input.
    let _ = fs::create_dir_all(&folder).and_then(|()| fs::write(&path, input));
    path
}
