//! `cargo xtask faults`: runs the fault tests of `tests/faults` one after the other, each for its
//! full time.

use crate::build;
use crate::fuzz::seconds_of;
use crate::run::{Outcome, cargo, check, step};
use crate::workspace::{GUESTS, Workspace};

/// Builds everything, then injects faults under load and prints the results beside their goals.
///
/// Takes more than an hour, half of it for `versions_come_and_go`; results are meaningful on an
/// idle machine only. `soak` combines all faults, for any number of hours; `traps` counts requests.
/// `cargo xtask test` runs the same tests for seconds each.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run only tests whose name contains one of these: swaps, first, kills, damage, full, cuts,
    /// stalls, compile, many, soak, traps
    filters: Vec<String>,
    /// Run each for some seconds only, to check that it works
    #[arg(long)]
    quick: bool,
    /// Seconds of swapping under load [default: half an hour], or of `soak` [default: ten minutes]
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
    /// The same time in hours
    #[arg(long, value_name = "N", conflicts_with = "seconds")]
    hours: Option<f64>,
    /// Requests of `traps` [default: a million]
    #[arg(long, value_name = "N")]
    requests: Option<u64>,
}

pub(crate) fn main(args: &Args) -> Outcome {
    let workspace = Workspace::read()?;
    build::all(&workspace)?;
    build::guests(&workspace)?;
    let mut command = cargo();
    // The release profile, as users run it, because the results are measurements.
    command.args([
        "test",
        "--release",
        "--workspace",
        "--exclude",
        GUESTS,
        "--test",
        "faults",
        "--",
    ]);
    command
        .args(["--nocapture", "--test-threads", "1"])
        .args(&args.filters);
    command.env("HOTSTAGE_FAULTS", if args.quick { "quick" } else { "full" });
    let seconds = match args.hours {
        Some(hours) => Some(seconds_of(hours)?),
        None => args.seconds,
    };
    if let Some(seconds) = seconds {
        command.env("HOTSTAGE_FAULTS_SECONDS", seconds.to_string());
    }
    if let Some(requests) = args.requests {
        command.env("HOTSTAGE_FAULTS_REQUESTS", requests.to_string());
    }
    workspace.export(&mut command);
    step("injecting faults", || check(&mut command))
}
