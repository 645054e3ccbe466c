//! A target over its corpus and over seeded mutations of it, without instrumentation.
//!
//! What it finds is kept in `target/fuzz/findings`, so that it can be run again:
//! `cargo xtask fuzz TARGET --replay FILE`. Default: [`Target::quick`] executions;
//! `HOTSTAGE_FUZZ_EXECUTIONS` changes that.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::mutate::{Chance, mutate};
use crate::{Target, corpus};

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub struct Ran {
    /// Inputs that were run, the corpus among them.
    pub executions: u64,
    /// How long that took.
    pub took: Duration,
    /// Inputs on which the target panicked, as they are kept.
    pub findings: Vec<PathBuf>,
}

/// Findings after which a run ends: more of them are mostly more of the same.
const FINDINGS_MAX: usize = 5;

/// Runs the corpus, and then mutations until there were so many executions.
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
    // Where it can't be kept, the seed makes it again.
    let _ = fs::create_dir_all(&folder).and_then(|()| fs::write(&path, input));
    path
}
