//! `hotstage-fuzz`: runs fuzz targets without instrumentation, and components through the compile
//! process.
//!
//! `cargo xtask fuzz` runs it. Started as `compile-worker` it is a compile process, like the
//! server's binary.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program prints its results"
)]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use hotstage_fuzz::worker::{self, Plan, Seen};
use hotstage_fuzz::{TARGETS, Target, corpus, runner};
use hotstage_server::control::compiler::Work;

/// The server's allocator, so that compiling takes the same memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Run fuzz targets without instrumentation.
#[derive(Parser)]
#[command(name = "hotstage-fuzz")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run targets over their corpus and mutations of it
    Run {
        /// Names of targets [default: all]
        targets: Vec<String>,
        /// Executions per target [default: about one second]
        #[arg(long, value_name = "N")]
        count: Option<u64>,
        /// Seed of the mutations
        #[arg(long, value_name = "N", default_value_t = 0)]
        seed: u64,
    },
    /// Run files through one target
    Replay {
        /// Name of the target
        target: String,
        /// Input files
        files: Vec<PathBuf>,
    },
    /// Send mutated components through compile processes
    Worker {
        /// Number of components
        #[arg(long, value_name = "N", default_value_t = 1000)]
        count: u64,
        /// Seed of the mutations
        #[arg(long, value_name = "N", default_value_t = 0)]
        seed: u64,
        /// Compile each component [default: only check it]
        #[arg(long)]
        compile: bool,
        /// Folder of components to mutate, in addition to the corpus
        #[arg(long = "components", value_name = "FOLDER")]
        folders: Vec<PathBuf>,
    },
    /// Write the corpus of every target
    Corpus,
}

fn main() -> ExitCode {
    if hotstage_server::control::compiler::worker::is_one() {
        return hotstage_server::control::compiler::worker::main();
    }
    let done = match Cli::parse().verb {
        Verb::Run {
            targets,
            count,
            seed,
        } => find(&targets).map(|targets| run(&targets, count, seed)),
        Verb::Replay { target, files } => {
            find(&[target]).and_then(|targets| replay(targets[0], &files))
        }
        Verb::Worker {
            count,
            seed,
            compile,
            folders,
        } => {
            let work = if compile { Work::Compile } else { Work::Check };
            components(&folders, Plan { count, seed, work })
        }
        Verb::Corpus => write_corpus(),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn find(names: &[String]) -> Result<Vec<&'static Target>, String> {
    if names.is_empty() {
        return Ok(TARGETS.iter().collect());
    }
    let find = |name: &String| {
        let known = TARGETS.iter().map(|target| target.name);
        hotstage_fuzz::target(name).ok_or_else(|| {
            let hint = hotstage_core::suggest::hint(name, known);
            format!("there is no target `{name}`; {hint}")
        })
    };
    names.iter().map(find).collect()
}

/// Runs the targets and prints a line for each; returns whether there were no findings.
fn run(targets: &[&'static Target], count: Option<u64>, seed: u64) -> bool {
    println!(
        "{:<20} {:>12} {:>10} {:>12} {:>9}",
        "target", "executions", "seconds", "a second", "findings"
    );
    let mut is_clean = true;
    for target in targets {
        let ran = runner::run(target, count.unwrap_or_else(|| runner::quick(target)), seed);
        let seconds = ran.took.as_secs_f64();
        let rate = ran.executions as f64 / seconds;
        let (name, executions, findings) = (target.name, ran.executions, ran.findings.len());
        println!("{name:<20} {executions:>12} {seconds:>10.1} {rate:>12.0} {findings:>9}");
        for path in &ran.findings {
            println!("  kept: {}", path.display());
        }
        is_clean &= ran.findings.is_empty();
    }
    is_clean
}

fn replay(target: &Target, files: &[PathBuf]) -> Result<bool, String> {
    for file in files {
        let bytes = std::fs::read(file)
            .map_err(|error| format!("can't read {}: {error}", file.display()))?;
        (target.run)(&bytes);
        println!("{}: nothing found", file.display());
    }
    Ok(true)
}

fn components(folders: &[PathBuf], plan: Plan) -> Result<bool, String> {
    let components =
        worker::components(folders).map_err(|error| format!("can't read components: {error}"))?;
    println!("mutating {} components", components.len());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let progress = |done: u64, took: std::time::Duration| {
        eprintln!("  {done} after {:.0} s", took.as_secs_f64());
    };
    let seen = runtime.block_on(worker::run(components, plan, progress));
    Ok(report(&seen, plan.count))
}

fn report(seen: &Seen, count: u64) -> bool {
    let seconds = seen.took.as_secs_f64();
    println!("{count} components in {seconds:.1} s, each in its own process");
    for (outcome, number) in &seen.outcomes {
        println!("  {outcome:<34} {number:>9}");
    }
    for finding in seen.findings.iter().take(10) {
        println!("  FOUND {finding}");
    }
    println!("{} findings; this process goes on", seen.findings.len());
    seen.findings.is_empty() && seen.outcomes.values().sum::<u64>() == count
}

fn write_corpus() -> Result<bool, String> {
    let new = corpus::write().map_err(|error| format!("can't write the corpus: {error}"))?;
    let bytes = corpus::bytes().map_err(|error| format!("can't read the corpus: {error}"))?;
    println!(
        "{new} files are new; {bytes} bytes in all, at most {}",
        corpus::BYTES_MAX
    );
    Ok(bytes <= corpus::BYTES_MAX)
}
