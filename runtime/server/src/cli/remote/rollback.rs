//! `hotstage rollback`: serve again what was served before, under one name or under all. What was
//! changed since stays in the record.
//!
//! Default: one step back, for the whole server. A rollback that would leave a served name without
//! any version is refused unless it says `--to 0`.

use http::Method;

use super::{Change, CliError, Remote, show};
use crate::api::{Applied, RollbackRequest};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Roll back this name alone: its versions, labels, route and rollout; all others stay
    /// [default: all names].
    name: Option<String>,
    /// The revision after which things were as they shall be; 0 is before the first, when nothing
    /// was served [default: the one before the newest, or before the last change of NAME; a rollout
    /// is one change].
    #[arg(long, value_name = "REVISION")]
    to: Option<u64>,
    /// Say what would change; change nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    change: Change,
    #[command(flatten)]
    remote: Remote,
}

pub(super) async fn run(args: &Args) -> Result<(), CliError> {
    let request = RollbackRequest {
        name: args.name.clone(),
        to: args.to,
        reason: args.change.reason.clone(),
        if_revision: args.change.if_revision,
        dry_run: args.dry_run,
    };
    let got = args
        .change
        .client(&args.remote)?
        .call::<Applied>(Method::POST, "/v1/rollback", &request)
        .await?;
    show::tell(args.remote.output, &got, show::applied);
    Ok(())
}
