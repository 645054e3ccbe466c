//! `hotstage delete`: takes a version, a route, or a name with all its versions out of service.

use super::client::quote;
use super::{Change, CliError, Remote, show};
use hotstage_client::Applied;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Name of the pipeline, graph or route.
    name: String,
    /// Delete only this version [default: all versions].
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// Delete only the name's route; its newest version then answers.
    #[arg(long, conflicts_with = "version")]
    route: bool,
    /// Show what would be removed, and remove nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    change: Change,
    #[command(flatten)]
    remote: Remote,
}

pub(super) async fn run(args: &Args) -> Result<(), CliError> {
    let version = args
        .version
        .as_deref()
        .map(|version| format!("/versions/{}", quote(version)))
        .unwrap_or_default();
    let version = if args.route { "/route" } else { &version };
    let path = format!(
        "/v1/models/{}{version}{}",
        quote(&args.name),
        args.change.query(args.dry_run)
    );
    let got = args
        .change
        .client(&args.remote)?
        .delete::<Applied>(&path)
        .await?;
    show::tell(args.remote.output, &got, show::applied);
    Ok(())
}

impl Change {
    /// The query of a request that has no body.
    pub(super) fn query(&self, dry_run: bool) -> String {
        let mut parts = Vec::new();
        if !self.reason.is_empty() {
            parts.push(format!("reason={}", quote(&self.reason)));
        }
        parts.extend(
            self.if_revision
                .map(|revision| format!("if_revision={revision}")),
        );
        if dry_run {
            parts.push("dry_run=true".to_owned());
        }
        if parts.is_empty() {
            String::new()
        } else {
            format!("?{}", parts.join("&"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_holds_the_given_options() {
        let change = Change::default();
        assert_eq!(change.query(false), "");
        let change = Change {
            if_revision: Some(7),
            reason: "too slow & old".to_owned(),
            actor: None,
        };
        assert_eq!(
            change.query(true),
            "?reason=too%20slow%20%26%20old&if_revision=7&dry_run=true"
        );
    }
}
