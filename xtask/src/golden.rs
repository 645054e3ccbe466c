//! `cargo xtask golden`: rewrites the golden files from the current behaviour.
//!
//! A golden is a decision: read the difference before you commit it.

use crate::run::Outcome;
use crate::test;

/// Runs the tests and rewrites the golden files that differ (UPDATE_GOLDENS=1).
// The tests' own arguments are a group called `Args` already.
#[derive(clap::Args)]
#[group(id = "golden")]
pub(crate) struct Args {
    #[command(flatten)]
    test: test::Args,
}

pub(crate) fn main(args: &Args) -> Outcome {
    test::with(&args.test, test::Goldens::Rewrite)?;
    eprintln!("The goldens are updated: read `git diff` before you commit them.");
    Ok(())
}
