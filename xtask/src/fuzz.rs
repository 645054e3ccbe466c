//! `cargo xtask fuzz`: runs the targets of `tests/fuzz`, under libFuzzer or without
//! instrumentation, and feeds mutated components to the compiler process.
//!
//! libFuzzer starts with the committed corpus (`fuzz/corpus`) and stores new entries in
//! `target/fuzz/corpus` and findings in `target/fuzz/artifacts`. Its programs are compiled
//! separately, with instrumentation, which takes as long as the whole server.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::build;
use crate::run::{OrStop, Outcome, Stop, answer, cargo, check, rustc, step};
use crate::workspace::Workspace;

/// The program that runs targets without instrumentation.
const PROGRAM: &str = "hotstage-fuzz";

/// The name that selects the compiler process instead of a target.
const WORKER: &str = "worker";

/// libFuzzer's limits: resident megabytes, and seconds for one input.
const MEGABYTES_MAX: &str = "-rss_limit_mb=4096";
const SECONDS_MAX: &str = "-timeout=25";

/// Fuzzes every decoder of untrusted bytes.
///
/// Without a name: every target for a minute, under libFuzzer (`cargo install --locked cargo-fuzz`;
/// any toolchain). `worker`: mutated components through the compiler process. Exit code 1 if
/// anything was found.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Targets, as named in fuzz/corpus, or `worker` [default: all targets]
    targets: Vec<String>,
    /// Seconds for each target
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u64,
    /// Hours for all targets together, instead of seconds for each
    #[arg(long, value_name = "N", conflicts_with = "seconds")]
    hours: Option<f64>,
    /// Run without instrumentation: the corpus and seeded mutations, as `cargo xtask test` does
    #[arg(long)]
    quick: bool,
    /// With --quick: executions for each target; with `worker`: components [default: 1000]
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// With --quick and `worker`: seed of the mutations
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// With `worker`: compile each component too
    #[arg(long)]
    compile: bool,
    /// Run these files through one target, to reproduce a finding
    #[arg(long, value_name = "FILE", num_args = 1..)]
    replay: Vec<PathBuf>,
    /// Add missing entries from the repository's examples to the corpus of every target
    #[arg(long)]
    write_corpus: bool,
    /// Sanitizer for libFuzzer's programs
    #[arg(long, value_enum, default_value_t = Sanitizer::None)]
    sanitizer: Sanitizer,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Sanitizer {
    /// Finds panics and signals; sufficient for safe Rust
    None,
    /// Also finds memory errors of C and unsafe code; slower
    Address,
}

pub(crate) fn main(args: &Args) -> Outcome {
    let workspace = Workspace::read()?;
    let is_worker = args.targets.iter().any(|target| target == WORKER);
    if is_worker && args.targets.len() > 1 {
        return Err(Stop::new(format!(
            "`{WORKER}` can't be combined with targets"
        )));
    }
    if is_worker || args.quick || args.write_corpus || !args.replay.is_empty() {
        return without_instrumentation(&workspace, args, is_worker);
    }
    let targets = chosen(&workspace, &args.targets)?;
    let seconds = match args.hours {
        Some(hours) => seconds_of(hours / targets.len() as f64)?,
        None => args.seconds,
    };
    let programs = step("building the targets for libFuzzer", || {
        compile(&workspace, args.sanitizer, &targets)
    })?;
    let mut rows = Vec::new();
    for target in &targets {
        let title = format!("fuzzing {target} for {seconds} s");
        rows.push(step(&title, || {
            fuzz(&workspace, &programs.join(target), target, seconds)
        })?);
    }
    report(&workspace, &rows)
}

fn without_instrumentation(workspace: &Workspace, args: &Args, is_worker: bool) -> Outcome {
    if is_worker {
        build::components(workspace)?;
        build::guests(workspace)?;
    }
    step("building the targets", || {
        build::program(workspace, PROGRAM)
    })?;
    let mut command = Command::new(workspace.program(PROGRAM));
    workspace.export(&mut command);
    let (seed, count) = (
        args.seed.to_string(),
        args.count.map(|count| count.to_string()),
    );
    if args.write_corpus {
        command.arg("corpus");
    } else if !args.replay.is_empty() {
        let [target] = args.targets.as_slice() else {
            return Err(Stop::new(
                "--replay takes one target: `cargo xtask fuzz TARGET --replay FILE`",
            ));
        };
        command.arg("replay").arg(target).args(&args.replay);
    } else {
        command
            .arg(if is_worker { "worker" } else { "run" })
            .args(["--seed", &seed]);
        command.args(count.iter().flat_map(|count| ["--count", count]));
        if is_worker {
            command
                .args(args.compile.then_some("--compile"))
                .arg("--components")
                .arg(workspace.components());
            command.arg("--components").arg(workspace.guests());
        } else {
            command.args(&args.targets);
        }
    }
    step("running them", || check(&mut command))
}

/// The given targets, each of which must exist; all if none is given.
fn chosen(workspace: &Workspace, asked: &[String]) -> Outcome<Vec<String>> {
    let path = workspace.root.join("fuzz/Cargo.toml");
    let text = fs::read_to_string(&path).or_stop(|| format!("can't read {}", path.display()))?;
    let known = programs(&text).or_stop(|| format!("can't read {}", path.display()))?;
    if asked.is_empty() {
        return Ok(known);
    }
    match asked.iter().find(|target| !known.contains(target)) {
        Some(unknown) => Err(Stop::new(format!(
            "there is no target `{unknown}`; there are {}",
            known.join(", ")
        ))),
        None => Ok(asked.to_vec()),
    }
}

/// Hours in whole seconds.
pub(crate) fn seconds_of(hours: f64) -> Outcome<u64> {
    let duration = Duration::try_from_secs_f64(hours * 3600.0)
        .or_stop(|| format!("{hours} is not a valid number of hours"))?;
    Ok(duration.as_secs().max(1))
}

/// The names of a manifest's programs.
fn programs(manifest: &str) -> Result<Vec<String>, toml::de::Error> {
    let manifest: toml::Table = toml::from_str(manifest)?;
    let programs = manifest
        .get("bin")
        .and_then(toml::Value::as_array)
        .into_iter()
        .flatten();
    Ok(programs
        .filter_map(|program| Some(program.get("name")?.as_str()?.to_owned()))
        .collect())
}

/// Compiles the programs; returns their folder.
fn compile(workspace: &Workspace, sanitizer: Sanitizer, targets: &[String]) -> Outcome<PathBuf> {
    if answer(cargo().args(["fuzz", "--version"])).is_none() {
        return Err(Stop::new(
            "cargo-fuzz is missing; `cargo install --locked cargo-fuzz` adds it, and `--quick` runs without it",
        ));
    }
    // The same locked versions as the workspace; cargo adds what libFuzzer needs.
    let (from, to) = (
        workspace.root.join("Cargo.lock"),
        workspace.root.join("fuzz/Cargo.lock"),
    );
    fs::copy(&from, &to)
        .or_stop(|| format!("can't copy {} to {}", from.display(), to.display()))?;
    let about = rustc(&["-vV"])?;
    let host = about.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.ok_or_else(|| Stop::new("`rustc -vV` prints no host"))?;
    let place = workspace.target.join("fuzz/build");
    let sanitizer_name = if sanitizer == Sanitizer::None {
        "none"
    } else {
        "address"
    };
    for target in targets {
        let mut command = cargo();
        command
            .current_dir(&workspace.root)
            .args(["fuzz", "build", "--fuzz-dir", "fuzz"]);
        command
            .args([
                "--sanitizer",
                sanitizer_name,
                "--target",
                host,
                "--target-dir",
            ])
            .arg(&place)
            .arg(target);
        if sanitizer != Sanitizer::None {
            // Stable compilers allow sanitizers with this variable only.
            command.env("RUSTC_BOOTSTRAP", "1");
        }
        check(&mut command)?;
    }
    Ok(place.join(host).join("release"))
}

/// The result of one target.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    target: String,
    executions: u64,
    new: u64,
    seconds: u64,
    findings: Vec<PathBuf>,
}

fn fuzz(workspace: &Workspace, program: &Path, target: &str, seconds: u64) -> Outcome<Row> {
    let place = workspace.target.join("fuzz");
    let [learned, artifacts, logs] =
        ["corpus", "artifacts", "logs"].map(|name| place.join(name).join(target));
    for folder in [&learned, &artifacts, &logs] {
        fs::create_dir_all(folder).or_stop(|| format!("can't make {}", folder.display()))?;
    }
    let before = files(&artifacts);
    let log = logs.join("last.txt");
    let output = fs::File::create(&log).or_stop(|| format!("can't write {}", log.display()))?;
    let mut command = Command::new(program);
    workspace.export(&mut command);
    command
        .arg(&learned)
        .arg(workspace.root.join("fuzz/corpus").join(target));
    command.args([MEGABYTES_MAX, SECONDS_MAX, "-print_final_stats=1"]);
    command
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}/", artifacts.display()));
    let began = Instant::now();
    let status = command
        .stderr(output)
        .status()
        .or_stop(|| format!("can't start {}", program.display()))?;
    let text = fs::read(&log).or_stop(|| format!("can't read {}", log.display()))?;
    let stats = stats(&String::from_utf8_lossy(&text));
    let mut findings = files(&artifacts);
    findings.retain(|path| !before.contains(path));
    if !status.success() && findings.is_empty() {
        return Err(Stop::new(format!(
            "{target} failed without saving an input ({status}): see {}",
            log.display()
        )));
    }
    let stat = |name| stats.get(name).copied().unwrap_or_default();
    let (executions, new) = (stat("number_of_executed_units"), stat("new_units_added"));
    Ok(Row {
        target: target.to_owned(),
        executions,
        new,
        seconds: began.elapsed().as_secs(),
        findings,
    })
}

/// libFuzzer's closing lines: `stat::number_of_executed_units: 1234`.
fn stats(text: &str) -> BTreeMap<String, u64> {
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("stat::")?.split_once(':'));
    lines
        .filter_map(|(name, number)| Some((name.to_owned(), number.trim().parse().ok()?)))
        .collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect()
}

fn report(workspace: &Workspace, rows: &[Row]) -> Outcome {
    println!(
        "{:<20} {:>8} {:>14} {:>12} {:>9}",
        "target", "seconds", "executions", "new entries", "findings"
    );
    for Row {
        target,
        executions,
        new,
        seconds,
        findings,
    } in rows
    {
        println!(
            "{target:<20} {seconds:>8} {executions:>14} {new:>12} {:>9}",
            findings.len()
        );
        for path in findings {
            println!(
                "  cargo xtask fuzz {target} --replay {}",
                workspace.short(path).display()
            );
        }
    }
    let found: usize = rows.iter().map(|row| row.findings.len()).sum();
    if found == 0 {
        Ok(())
    } else {
        Err(Stop::new(format!(
            "{found} inputs were found; replay them as shown"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_are_read() {
        let text = "#7 DONE cov: 1\nstat::number_of_executed_units: 1234\nstat::new_units_added:          7\nstat::x: y\n";
        let stats = stats(text);
        assert_eq!(
            (
                stats["number_of_executed_units"],
                stats["new_units_added"],
                stats.len()
            ),
            (1234, 7, 2)
        );
    }

    #[test]
    fn targets_are_the_manifests_programs() {
        let names =
            programs("[package]\nname = \"p\"\n[[bin]]\nname = \"a\"\n[[bin]]\nname = \"b\"\n")
                .unwrap();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(
            programs("[package]\nname = \"p\"\n").unwrap(),
            Vec::<String>::new()
        );
    }
}
