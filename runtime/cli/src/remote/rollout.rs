//! `hotstage rollout`: starts, shows and steers a rollout.

mod start;

use std::time::Duration;

use http::Method;

use self::start::{Start, start};
use super::client::quote;
use super::{Change, CliError, Exit, Remote, show};
use crate::check::Output;
use crate::console;
use hotstage_client::{
    Applied, FindingInfo, GuardInfo, RolloutInfo, Steer, SteerRequest, StepPast,
};

/// Interval of `--watch`.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// Width of the bar that shows a share, in characters.
const BAR: u32 = 20;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Start a rollout, which shifts a share to a version step by step.
    Start(Box<Start>),
    /// Show a rollout: its step, and the guards' values.
    Status(Status),
    /// Stay at this step; guards are still evaluated.
    Pause(Steering),
    /// Continue a paused rollout.
    Resume(Steering),
    /// Give the new version the whole share now.
    Promote(Steering),
    /// Restore the route as it was before the rollout.
    Abort(Steering),
}

#[derive(Debug, clap::Args)]
struct Status {
    /// Name of the route.
    name: String,
    /// Refresh until the rollout is over; exit code 0 if it was promoted, 8 if it was rolled back
    /// or aborted.
    #[arg(short, long)]
    watch: bool,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, clap::Args)]
struct Steering {
    /// Name of the route.
    name: String,
    #[command(flatten)]
    change: Change,
    #[command(flatten)]
    remote: Remote,
}

pub(super) async fn run(args: &Args) -> Result<Exit, CliError> {
    let (steering, order) = match &args.verb {
        Verb::Start(args) => return start(args).await,
        Verb::Status(args) => return status(args).await,
        Verb::Pause(args) => (args, Steer::Pause),
        Verb::Resume(args) => (args, Steer::Resume),
        Verb::Promote(args) => (args, Steer::Promote),
        Verb::Abort(args) => (args, Steer::Abort),
    };
    let Change {
        reason,
        if_revision,
        ..
    } = &steering.change;
    let request = SteerRequest {
        order,
        reason: reason.clone(),
        if_revision: *if_revision,
    };
    let path = format!("/v1/models/{}/rollout", quote(&steering.name));
    let got = steering
        .change
        .client(&steering.remote)?
        .call::<Applied>(Method::POST, &path, &request)
        .await?;
    show::tell(steering.remote.output, &got, show::applied);
    Ok(Exit::Done)
}

async fn status(args: &Status) -> Result<Exit, CliError> {
    let path = format!("/v1/models/{}/rollout", quote(&args.name));
    let mut client = args.remote.client()?;
    let mut shown = String::new();
    loop {
        let got = client.get::<RolloutInfo>(&path).await?;
        let is_over = !["running", "paused"].contains(&got.value.phase.as_str());
        if !args.watch || is_over || args.remote.output == Output::Json {
            erase(&shown);
            show::tell(args.remote.output, &got, text);
        } else if console::is_terminal() {
            // Without a terminal, only the final state is printed.
            let text = text(&got.value);
            erase(&shown);
            console::print(&text);
            shown = text;
        }
        if !args.watch || is_over {
            let taken_back = args.watch && got.value.phase != "promoted";
            return Ok(if taken_back { Exit::Failed } else { Exit::Done });
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Erases what was printed last, on a terminal.
fn erase(shown: &str) {
    if !shown.is_empty() {
        console::erase(shown.lines().count());
    }
}

fn text(rollout: &RolloutInfo) -> String {
    let step = match rollout.left_ms {
        _ if !["running", "paused"].contains(&rollout.phase.as_str()) => String::new(),
        Some(0) => format!(
            "{} of {}, waiting for guards",
            rollout.step,
            rollout.steps.len()
        ),
        Some(left) => format!(
            "{} of {}, {} left",
            rollout.step,
            rollout.steps.len(),
            show::milliseconds(left)
        ),
        None => format!("{} of {}", rollout.step, rollout.steps.len()),
    };
    let cell = |index: u32| {
        if f64::from(index) * 100.0 < rollout.percent * f64::from(BAR) {
            '█'
        } else {
            '░'
        }
    };
    let bar: String = (0..BAR).map(cell).collect();
    let head = show::fields([
        ("name", rollout.name.clone()),
        ("phase", rollout.phase.clone()),
        ("versions", format!("{} → {}", rollout.from, rollout.to)),
        (
            "share",
            format!("{bar} {}% to {}", rollout.percent, rollout.to),
        ),
        ("step", step),
        ("blocked", rollout.blocked.clone().unwrap_or_default()),
        (
            "last",
            format!(
                "revision {} at {}, {}",
                rollout.revision, rollout.time, rollout.actor
            ),
        ),
        ("because", rollout.reason.clone()),
    ]);
    let header = [
        "guard",
        "measure",
        "value of limit",
        "samples",
        "window",
        "state",
    ];
    let guards = show::table(header, rollout.guards.iter().map(row));
    let past = rollout.past.iter().flat_map(|past| {
        past.evidence
            .guards
            .iter()
            .map(move |found| past_row(past, found))
    });
    let past: Vec<[String; 6]> = past.collect();
    let past = if past.is_empty() {
        String::new()
    } else {
        let header = ["step", "baked", "guard", "value", "samples", "state"];
        format!("\n\nsteps that have ended\n{}", show::table(header, past))
    };
    format!("{head}\n\n{guards}{past}")
}

fn past_row(past: &StepPast, found: &FindingInfo) -> [String; 6] {
    [
        format!("{}, {}%", past.evidence.step, past.percent),
        show::milliseconds(past.evidence.baked_ms),
        found.name.clone(),
        found.shown.clone(),
        found.samples.to_string(),
        found.state.clone(),
    ]
}

fn row(guard: &GuardInfo) -> [String; 6] {
    [
        guard.name.clone(),
        guard.measure.clone(),
        guard.shown.clone(),
        format!("{} of {}", guard.samples, guard.min_samples),
        show::milliseconds(guard.window_ms),
        guard.state.clone(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use hotstage_client::StepEvidence;

    #[test]
    fn a_finished_rollout_shows_its_steps() {
        let found = FindingInfo {
            name: "errors".to_owned(),
            shown: "0.10 %".to_owned(),
            ..FindingInfo::default()
        };
        let evidence = StepEvidence {
            step: 1,
            baked_ms: 61_000,
            guards: vec![found],
        };
        let past = vec![StepPast {
            percent: 25.0,
            evidence,
            ..StepPast::default()
        }];
        let text = text(&RolloutInfo {
            phase: "promoted".to_owned(),
            past,
            ..RolloutInfo::default()
        });
        for part in ["steps that have ended", "1, 25%", "0.10 %"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn a_rollout_shows_its_share_and_its_guards() {
        let guard = GuardInfo {
            name: "errors".to_owned(),
            state: "holds".to_owned(),
            ..GuardInfo::default()
        };
        let rollout = RolloutInfo {
            phase: "running".to_owned(),
            percent: 25.0,
            step: 1,
            left_ms: Some(90_000),
            guards: vec![guard],
            ..RolloutInfo::default()
        };
        let text = text(&rollout);
        for part in ["█████░░░░░░░░░░░░░░░ 25%", "1 of 0,", "left", "holds"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
