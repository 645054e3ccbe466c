//! `cargo xtask test`: runs every test on fresh builds, and prints a summary as the last line.
//!
//! Everything is built in the profile `tests` (Cargo.toml), so the server under test and the
//! crates' tests share one set of dependencies. Dependencies are optimised, because an unoptimised
//! WebAssembly compiler would take longer than all tests together; the project's own crates are
//! compiled quickly, with overflow checks.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use crate::build;
use crate::clients::{self, Clients};
use crate::report::Report;
use crate::run::{OrStop, Outcome, Stop, cargo, shown, step};
use crate::workspace::{GUESTS, Profile, Workspace};

/// Builds everything, then runs unit, property, documentation and black-box tests.
///
/// Components, guest programs and the server are built first. Tests find them through HOTSTAGE_BIN,
/// HOTSTAGE_COMPONENTS and HOTSTAGE_GUESTS. Tests with Python clients find an interpreter through
/// HOTSTAGE_PYTHON and are skipped without one.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run only tests whose name contains one of these
    filters: Vec<String>,
    /// Fail, instead of skipping, if the Python clients can't be installed; CI=true implies it
    #[arg(long)]
    require_clients: bool,
}

/// What tests do with a golden file that differs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goldens {
    Compare,
    Rewrite,
}

pub(crate) fn main(args: &Args) -> Outcome {
    with(args, Goldens::Compare)
}

pub(crate) fn with(args: &Args, goldens: Goldens) -> Outcome {
    let workspace = Workspace {
        profile: Profile::Tests,
        ..Workspace::read()?
    };
    build::all(&workspace)?;
    build::guests(&workspace)?;
    let is_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    let clients = Clients::prepare(&workspace, args.require_clients || is_ci)?;

    let mut command = cargo();
    command.args([
        "test",
        "--profile",
        workspace.profile.name(),
        "--workspace",
        "--exclude",
        GUESTS,
    ]);
    command.args(["--no-fail-fast", "--"]);
    command.args(&args.filters);
    match &clients {
        Clients::Ready(python) => command.env("HOTSTAGE_PYTHON", python),
        Clients::Missing(_) => command.args(["--skip", clients::TESTS]),
    };
    if goldens == Goldens::Rewrite {
        command.env("UPDATE_GOLDENS", "1");
    }
    workspace.export(&mut command);

    let mut report = Report::default();
    let done = step("testing", || stream(&mut command, &mut report));
    if let Clients::Missing(why) = clients {
        eprintln!("==> client tests: NOT RUN: {why}");
    }
    println!("{}", report.summary(!args.filters.is_empty()));
    done
}

/// Runs the tests, forwards their output and counts results.
fn stream(command: &mut Command, report: &mut Report) -> Outcome {
    let shown = shown(command);
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .or_stop(|| format!("can't start `{shown}`"))?;
    let mut stdout = std::io::stdout().lock();
    let mut output = BufReader::new(
        child
            .stdout
            .take()
            .ok_or_else(|| Stop::new("the tests have no stdout"))?,
    );
    let mut line = Vec::new();
    // Bytes, not text: a failing test may print anything without ending the run.
    while output
        .read_until(b'\n', &mut line)
        .or_stop(|| format!("lost the output of `{shown}`"))?
        > 0
    {
        stdout
            .write_all(&line)
            .or_stop(|| "can't write to stdout".to_owned())?;
        report.read(&String::from_utf8_lossy(&line));
        line.clear();
    }
    let status = child.wait().or_stop(|| format!("lost `{shown}`"))?;
    if !status.success() {
        return Err(Stop::new(format!(
            "`{shown}` failed ({status}); see `FAILED` or `error` above"
        )));
    }
    if report.passed == 0 {
        return Err(Stop::new(
            "no test ran; check that a test's name contains the filter",
        ));
    }
    Ok(())
}
