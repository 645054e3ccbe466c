//! `hotstage rollback`: restores an earlier revision for one name or for all. Later revisions stay
//! in the journal.
//!
//! Default: one step back, for the whole server. A rollback that would leave a served name without
//! any version is refused unless `--to 0` is given.

use http::Method;

use super::{Change, CliError, Remote, show};
use hotstage_client::{Applied, RollbackRequest};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Roll back only this name: its versions, labels, route and rollout [default: all names].
    name: Option<String>,
    /// The revision to restore; 0 is the empty state before the first [default: the one before the
    /// newest, or before the last change of NAME; a rollout is one change].
    #[arg(long, value_name = "REVISION")]
    to: Option<u64>,
    /// Show what would change, and change nothing.
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
