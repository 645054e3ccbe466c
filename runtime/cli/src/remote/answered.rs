//! `hotstage answered`: which versions answered calls to a name at some time.

use jiff::Timestamp;

use super::client::quote;
use super::duration::moment;
use super::{CliError, Exit, Remote, show};
use hotstage_client::Answered;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Name of the pipeline, graph or route.
    name: String,
    /// The time: 2026-03-01T12:00:00Z, or `10m ago`.
    #[arg(long, value_name = "TIME", default_value = "now")]
    at: String,
    #[command(flatten)]
    remote: Remote,
}

pub(super) async fn run(args: &Args) -> Result<(), CliError> {
    let at = moment(&args.at, Timestamp::now())
        .map_err(|message| CliError::new(Exit::Usage, message))?;
    let path = format!(
        "/v1/models/{}/answered?time={}",
        quote(&args.name),
        quote(&at.to_string())
    );
    let got = args.remote.client()?.get::<Answered>(&path).await?;
    show::tell(args.remote.output, &got, text);
    Ok(())
}

fn text(answered: &Answered) -> String {
    let Answered {
        pipeline,
        time,
        revision,
        since,
        until,
        version,
        digest,
        route,
        versions,
        labels,
    } = answered;
    if version.is_none() && route.is_none() {
        return format!("{pipeline} was not served at {time}");
    }
    let from = since
        .as_deref()
        .map(|since| format!("from {since} "))
        .unwrap_or_default();
    let until = until.as_deref().map_or_else(
        || "and since then".to_owned(),
        |until| format!("until {until}"),
    );
    let pairs = |pairs: &[(String, String)]| {
        let lines: Vec<String> = pairs
            .iter()
            .map(|(name, value)| format!("{name} {value}"))
            .collect();
        lines.join("\n")
    };
    show::fields([
        ("name", pipeline.clone()),
        ("time", time.clone()),
        ("version", version.clone().unwrap_or_default()),
        ("digest", digest.clone().unwrap_or_default()),
        ("route", route.clone().unwrap_or_default()),
        (
            "revision",
            revision
                .map(|revision| revision.to_string())
                .unwrap_or_default(),
        ),
        ("in force", format!("{from}{until}")),
        ("versions", pairs(versions)),
        ("labels", pairs(labels)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_served_is_said_in_a_sentence() {
        let mut answered = Answered {
            pipeline: "tumor".to_owned(),
            time: "2026-03-01T12:00:00Z".to_owned(),
            revision: Some(3),
            since: Some("2026-02-01T00:00:00Z".to_owned()),
            until: None,
            version: None,
            digest: None,
            route: None,
            versions: Vec::new(),
            labels: vec![("stable".to_owned(), "2".to_owned())],
        };
        assert_eq!(
            text(&answered),
            "tumor was not served at 2026-03-01T12:00:00Z"
        );
        answered.version = Some("2".to_owned());
        let text = text(&answered);
        for part in ["from 2026-02-01T00:00:00Z and since then", "stable 2"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
