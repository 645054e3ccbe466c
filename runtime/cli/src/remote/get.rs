//! `hotstage get`: lists what is served, one line for each version.

use super::client::{Client, quote};
use super::{CliError, Output, Remote, console, show};
use hotstage_client::{Condition, ModelInfo, Page, VersionInfo};

/// Names per request.
const PAGE: u64 = 500;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this name [default: all names].
    name: Option<String>,
    /// Maximum number of names to list [default: all].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    #[command(flatten)]
    remote: Remote,
}

pub(super) async fn run(args: &Args) -> Result<(), CliError> {
    let mut client = args.remote.client()?;
    if let Some(name) = &args.name {
        let got = client
            .get::<ModelInfo>(&format!("/v1/models/{}", quote(name)))
            .await?;
        show::tell(args.remote.output, &got, |model| {
            table(std::slice::from_ref(model))
        });
        return Ok(());
    }
    list(&mut client, args).await
}

async fn list(client: &mut Client, args: &Args) -> Result<(), CliError> {
    let mut left = args.limit.unwrap_or(u64::MAX);
    let mut models = Vec::new();
    let mut after = String::new();
    let mut total = 0;
    while left > 0 {
        let got = client
            .get::<Page>(&format!("/v1/models?limit={}{after}", left.min(PAGE)))
            .await?;
        if args.remote.output == Output::Json {
            show::json(&got.body);
        }
        let page = got.value;
        total = page.total;
        left = left.saturating_sub(page.models.len() as u64);
        models.extend(page.models);
        match page.next_after {
            Some(next) => after = format!("&after={}", quote(&next)),
            None => break,
        }
    }
    if args.remote.output == Output::Json {
        return Ok(());
    }
    if models.is_empty() {
        console::note("nothing is served");
        return Ok(());
    }
    console::print(&table(&models));
    let shown = models.len() as u64;
    if shown < total {
        console::note(&format!("{shown} of {}", show::count(total, "name")));
    }
    Ok(())
}

fn table(models: &[ModelInfo]) -> String {
    let rows = models
        .iter()
        .flat_map(|model| model.versions.iter().map(|version| row(model, version)));
    let header = [
        "name",
        "version",
        "labels",
        "condition",
        "digest",
        "answered",
        "failed",
        "p50",
        "p99",
        "instances",
    ];
    show::table(header, rows)
}

fn row(model: &ModelInfo, about: &VersionInfo) -> [String; 10] {
    let is_default = model.answers.as_ref() == Some(&about.version);
    // The star marks the version that answers by default. In a route, each version has a share
    // instead.
    let share = model
        .route
        .iter()
        .flat_map(|route| &route.split)
        .find(|share| share.version == about.version);
    let mark = match share {
        Some(share) => format!(" {}%", (share.percent * 100.0).round() / 100.0),
        None if is_default => " *".to_owned(),
        None => String::new(),
    };
    let version = format!("{}{mark}", about.version);
    let labels = model
        .labels
        .iter()
        .filter(|label| label.version == about.version);
    [
        model.name.clone(),
        version,
        labels
            .map(|label| label.label.as_str())
            .collect::<Vec<_>>()
            .join(" "),
        condition(about.condition).to_owned(),
        show::short(&about.digest),
        about.answered.to_string(),
        about.failed.to_string(),
        show::latency(about.p50_ms),
        show::latency(about.p99_ms),
        about.instances.to_string(),
    ]
}

/// A condition as one word.
pub(super) fn condition(condition: Condition) -> &'static str {
    match condition {
        Condition::Ready => "ready",
        Condition::Loading => "loading",
        Condition::Failed => "failed",
        Condition::Kept => "kept",
        Condition::Draining => "draining",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hotstage_client::{LabelInfo, RouteInfo, ShareInfo};

    #[test]
    fn a_version_is_a_line_with_its_labels() {
        let version = |version: &str| VersionInfo {
            version: version.to_owned(),
            ..VersionInfo::default()
        };
        let model = ModelInfo {
            name: "tumor".to_owned(),
            answers: Some("2".to_owned()),
            route: None,
            versions: vec![version("1"), version("2")],
            labels: vec![LabelInfo {
                label: "stable".to_owned(),
                version: "1".to_owned(),
            }],
        };
        let text = table(std::slice::from_ref(&model));
        let lines: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert_eq!(lines[1][..4], ["tumor", "1", "stable", "ready"]);
        assert_eq!(lines[2][..4], ["tumor", "2", "*", "ready"]);
        let share = |version: &str, percent| ShareInfo {
            version: version.to_owned(),
            weight: 1.0,
            percent,
        };
        let split = vec![share("1", 100.0 / 3.0), share("2", 200.0 / 3.0)];
        let routed = ModelInfo {
            answers: None,
            route: Some(RouteInfo {
                split,
                ..RouteInfo::default()
            }),
            ..model
        };
        let text = table(&[routed]);
        assert!(
            text.contains("1 33.33%") && text.contains("2 66.67%"),
            "{text}"
        );
    }
}
