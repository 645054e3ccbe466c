//! The project's development commands: `cargo xtask <verb>`.
//!
//! Each verb is one file, described in its head. The commands run only cargo, rustup, python3 and
//! programs that these built or installed. So a clean clone needs a Rust toolchain and, for client
//! tests and fetched files, Python.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "these commands talk to the person who typed them"
)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod artifacts;
mod bench;
mod build;
mod clients;
mod conformance;
mod demo;
mod dist;
mod faults;
mod fetch;
mod fuzz;
mod golden;
mod http;
mod lint;
mod peers;
mod python;
mod report;
mod run;
mod server;
mod test;
mod workspace;

/// Builds, tests and measures Hotstage.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    disable_help_subcommand = true
)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Build(build::Args),
    Demo(demo::Args),
    Test(test::Args),
    Lint(lint::Args),
    Bench(bench::Args),
    Dist(dist::Args),
    Conformance(conformance::Args),
    Faults(faults::Args),
    Fetch(fetch::Args),
    Fuzz(fuzz::Args),
    Golden(golden::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().verb {
        Verb::Build(args) => build::main(&args),
        Verb::Demo(args) => demo::main(&args),
        Verb::Test(args) => test::main(&args),
        Verb::Lint(args) => lint::main(&args),
        Verb::Bench(args) => bench::main(&args),
        Verb::Dist(args) => dist::main(&args),
        Verb::Conformance(args) => conformance::main(&args),
        Verb::Faults(args) => faults::main(&args),
        Verb::Fetch(args) => fetch::main(&args),
        Verb::Fuzz(args) => fuzz::main(&args),
        Verb::Golden(args) => golden::main(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => {
            eprintln!("error: {stop}");
            ExitCode::FAILURE
        }
    }
}
