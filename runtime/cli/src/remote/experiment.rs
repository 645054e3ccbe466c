//! `hotstage experiment`: which variant of a route earns more, and whether the data suffice to say
//! so.

use super::client::quote;
use super::{CliError, Output, Remote, show};
use hotstage_client::{ExperimentInfo, IntervalInfo, VariantInfo};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Show an experiment: requests, rewards, intervals, differences and the verdict.
    Status(StatusArgs),
}

#[derive(Debug, clap::Args)]
struct StatusArgs {
    /// Name of the route.
    name: String,
    /// Same as `--output json`.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

pub(super) async fn run(args: &Args) -> Result<(), CliError> {
    let Verb::Status(args) = &args.verb;
    let path = format!("/v1/models/{}/experiment", quote(&args.name));
    let got = args.remote.client()?.get::<ExperimentInfo>(&path).await?;
    show::tell(
        if args.json {
            Output::Json
        } else {
            args.remote.output
        },
        &got,
        text,
    );
    Ok(())
}

fn text(about: &ExperimentInfo) -> String {
    let head = show::fields([
        ("name", about.name.clone()),
        ("reward", about.reward.clone()),
        ("since", about.since.clone()),
        ("strategy", about.strategy.clone()),
        ("worth having", format!("{} or more", about.worth)),
        (
            "intervals",
            format!(
                "valid at all times together, with a probability of {} %",
                sure(about.alpha)
            ),
        ),
    ]);
    let header = [
        "version",
        "share",
        "requests",
        "failed",
        "p50",
        "p99",
        "answers",
        "rewards",
        "mean",
        "interval",
        "difference",
    ];
    let table = show::table(header, about.variants.iter().map(row));
    format!("{head}\n\n{table}\n\n{}", about.says)
}

/// The probability, in percent, that no interval is ever wrong, rounded to hide floating-point
/// errors.
fn sure(alpha: f64) -> f64 {
    ((1.0 - alpha) * 1e6).round() / 1e4
}

fn row(variant: &VariantInfo) -> [String; 11] {
    let failed = variant
        .failed
        .iter()
        .map(|(kind, count)| format!("{count} {kind}"));
    let interval = |IntervalInfo { low, high }: IntervalInfo| format!("{low:.4} to {high:.4}");
    [
        variant.version.clone(),
        format!("{} %", (variant.percent * 100.0).round() / 100.0),
        variant.requests.to_string(),
        if variant.failed.is_empty() {
            "0".to_owned()
        } else {
            failed.collect::<Vec<_>>().join("\n")
        },
        show::latency(variant.p50_ms),
        show::latency(variant.p99_ms),
        variant.answers.to_string(),
        variant.rewards.to_string(),
        variant
            .mean
            .map_or_else(|| "-".to_owned(), |mean| format!("{mean:.4}")),
        interval(variant.interval),
        variant.difference.map(interval).unwrap_or_default(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_experiment_is_a_table_and_what_follows() {
        let variant = |version: &str, mean| VariantInfo {
            version: version.to_owned(),
            percent: 50.0,
            requests: 7,
            failed: [("stage_trapped".to_owned(), 2)].into(),
            mean,
            interval: IntervalInfo {
                low: 0.25,
                high: 0.75,
            },
            ..VariantInfo::default()
        };
        let mut second = variant("2", Some(0.5));
        second.difference = Some(IntervalInfo {
            low: -0.5,
            high: 0.5,
        });
        let text = text(&ExperimentInfo {
            name: "tumor".to_owned(),
            alpha: 0.05,
            worth: 0.01,
            says: "keep going".to_owned(),
            variants: vec![variant("1", None), second],
            ..ExperimentInfo::default()
        });
        for part in [
            "tumor",
            "95 %",
            "2 stage_trapped",
            "0.2500 to 0.7500",
            "-0.5000 to 0.5000",
            "0.01 or more",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(text.ends_with("\n\nkeep going"), "{text}");
    }
}
