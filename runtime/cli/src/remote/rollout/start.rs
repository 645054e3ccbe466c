//! `hotstage rollout start`: builds a Rollout document from options, or reads it from a file, and
//! sends it to the server.

use std::path::{Path, PathBuf};

use http::Method;
use serde_json::{Value, json};

use super::super::{Change, CliError, Exit, Remote, show};
use hotstage_client::{Applied, RolloutRequest};

/// The options that a document replaces.
const OPTIONS: [&str; 9] = [
    "to", "from", "strategy", "percent", "bake", "steps", "guards", "labels", "timeout",
];

#[derive(Debug, clap::Args)]
pub(super) struct Start {
    /// Name of the route; with --file, the name in the file is used.
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    name: Option<String>,
    /// A document of kind Rollout; replaces the options below.
    #[arg(short, long, value_name = "PATH", conflicts_with_all = OPTIONS)]
    file: Option<PathBuf>,
    /// The version that gets the share.
    #[arg(long, value_name = "VERSION", required_unless_present = "file")]
    to: Option<String>,
    /// The version that loses the share [default: the one with the largest share in the route;
    /// without a route the newest].
    #[arg(long, value_name = "VERSION")]
    from: Option<String>,
    /// How the share grows [default: canary].
    #[arg(long, value_name = "canary|linear|all-at-once|mirror-first")]
    strategy: Option<String>,
    /// Share of the canary, or of each linear step [default: 10; linear: 20].
    #[arg(long, value_name = "PERCENT")]
    percent: Option<f64>,
    /// Least time at each step, such as 10m [default: 5m].
    #[arg(long, value_name = "TIME")]
    bake: Option<String>,
    /// Steps that replace strategy, percent and bake, such as 0,5:10m,50:1h: growing percentages (0
    /// only mirrors), each with its least time [default of the time: 5m].
    #[arg(
        long,
        value_name = "PERCENT[:TIME],…",
        value_delimiter = ',',
        value_parser = step,
        conflicts_with_all = ["strategy", "percent", "bake"]
    )]
    steps: Vec<Value>,
    /// Guard that rolls the rollout back, such as errors=0.01, p99=50ms,
    /// p99_ratio=1.5,min_samples=500,window=2m, disagreement=0.05,tolerance=1e-3 or
    /// metric=STAGE.NAME,min=0.3; name=NAME names it; repeatable [default: errors=0.01 and
    /// p99_ratio=2].
    #[arg(
        long = "guard",
        value_name = "MEASURE=LIMIT[,min_samples=N][,window=TIME]",
        value_parser = guard
    )]
    guards: Vec<Value>,
    /// Labels that move to the new version on success, if they point at the old one; "" for none
    /// [default: stable].
    #[arg(long, value_name = "LABEL,…", value_delimiter = ',')]
    labels: Option<Vec<String>>,
    /// Time after which the rollout is rolled back, such as 2h [default: no limit].
    #[arg(long, value_name = "TIME")]
    timeout: Option<String>,
    /// SageMaker's deployment configuration as JSON: its steps, waits and timeout; its alarms
    /// become guards by name.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["file", "strategy", "percent", "bake", "steps", "timeout"]
    )]
    deployment_config: Option<PathBuf>,
    /// Run every check, and change nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    change: Change,
    #[command(flatten)]
    remote: Remote,
}

pub(super) async fn start(args: &Start) -> Result<Exit, CliError> {
    let (file, document) = match &args.file {
        Some(path) => (path.display().to_string(), read(path)?),
        None => ("the command line".to_owned(), document(args)?.to_string()),
    };
    let Change {
        reason,
        if_revision,
        ..
    } = &args.change;
    let (reason, dry_run) = (reason.clone(), args.dry_run);
    let request = RolloutRequest {
        document,
        file,
        reason,
        if_revision: *if_revision,
        dry_run,
    };
    let got = args
        .change
        .client(&args.remote)?
        .call::<Applied>(Method::POST, "/v1/rollouts", &request)
        .await?;
    show::tell(args.remote.output, &got, show::applied);
    Ok(Exit::Done)
}

/// The Rollout document for the options.
fn document(args: &Start) -> Result<Value, CliError> {
    let mut spec = json!({});
    let texts = [
        ("to", &args.to),
        ("from", &args.from),
        ("strategy", &args.strategy),
        ("bake", &args.bake),
        ("timeout", &args.timeout),
    ];
    for (key, text) in texts {
        if let Some(text) = text {
            spec[key] = json!(text);
        }
    }
    if let Some(percent) = args.percent {
        spec["percent"] = json!(percent);
    }
    if !args.steps.is_empty() {
        spec["steps"] = json!(args.steps);
    }
    if !args.guards.is_empty() {
        spec["guards"] = json!(args.guards);
    }
    if let Some(labels) = &args.labels {
        spec["labels"] = labels
            .iter()
            .filter(|label| !label.is_empty())
            .map(String::as_str)
            .collect();
    }
    if let Some(path) = &args.deployment_config {
        let names: Vec<&str> = args
            .guards
            .iter()
            .filter_map(|guard| guard["name"].as_str())
            .collect();
        let meant = hotstage_core::rollout::guardrail(&read(path)?, &names).map_err(|message| {
            CliError::new(Exit::Refused, format!("{}: {message}", path.display()))
        })?;
        if let (Some(spec), Value::Object(meant)) = (spec.as_object_mut(), meant) {
            spec.extend(meant);
        }
    }
    let name = args.name.as_deref().unwrap_or_default();
    Ok(
        json!({ "apiVersion": "hotstage.dev/v1", "kind": "Rollout", "metadata": { "name": name }, "spec": spec }),
    )
}

/// A step in short form: `5:10m` or `5`.
fn step(text: &str) -> Result<Value, String> {
    let (percent, bake) = text
        .split_once(':')
        .map_or((text, None), |(percent, bake)| (percent, Some(bake)));
    let percent = percent.trim().parse::<serde_json::Number>();
    let percent = percent.map_err(|_| {
        format!("`{text}` is not a step; write its percent and its time, like `5:10m`")
    })?;
    let mut step = json!({ "percent": percent });
    if let Some(bake) = bake {
        step["bake"] = json!(bake);
    }
    Ok(step)
}

/// A guard in short form: `errors=0.01,min_samples=500`, or `metric=label.score,min=0.3` for a
/// stage's metric.
fn guard(text: &str) -> Result<Value, String> {
    let mut guard = json!({});
    for part in text.split(',') {
        let Some((key, value)) = part.split_once('=') else {
            return Err(format!(
                "`{part}` has no `=`; write `errors=0.01,min_samples=500,window=2m`"
            ));
        };
        let value = match value.parse::<serde_json::Number>() {
            Ok(number) if key != "name" => Value::Number(number),
            _ => json!(value),
        };
        match (key, value.as_str().and_then(|value| value.split_once('.'))) {
            ("metric", Some((stage, name))) => {
                guard["metric"]["stage"] = json!(stage);
                guard["metric"]["name"] = json!(name);
            }
            ("min" | "max", _) => guard["metric"][key] = value,
            _ => guard[key] = value,
        }
    }
    Ok(guard)
}

fn read(path: &Path) -> Result<String, CliError> {
    std::fs::read_to_string(path).map_err(|error| {
        CliError::new(
            Exit::Refused,
            format!("can't read {}: {error}", path.display()),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guard_in_short_is_a_guard() {
        let expect = json!({ "errors": 0.01, "min_samples": 500, "window": "2m", "name": "7" });
        assert_eq!(
            guard("errors=0.01,min_samples=500,window=2m,name=7").unwrap(),
            expect
        );
        assert_eq!(guard("p99=50ms").unwrap(), json!({ "p99": "50ms" }));
        let metric = json!({ "stage": "label", "name": "score", "min": 0.5 });
        assert_eq!(
            guard("metric=label.score,min=0.5").unwrap(),
            json!({ "metric": metric })
        );
        assert!(guard("errors").unwrap_err().contains("no `=`"));
    }

    #[test]
    fn a_step_in_short_is_a_step() {
        assert_eq!(
            step("5:10m").unwrap(),
            json!({ "percent": 5, "bake": "10m" })
        );
        assert_eq!(step("12.5").unwrap(), json!({ "percent": 12.5 }));
        assert!(step("10m").unwrap_err().contains("like `5:10m`"));
    }
}
