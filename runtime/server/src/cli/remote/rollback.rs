//! `hotstage rollback`: serve again what was served before. What was changed since stays in the record.

use http::Method;

use super::{Change, Ending, Remote, show};
use crate::api::{Applied, RollbackRequest};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The revision after which things were as they shall be [default: the one before the newest].
    #[arg(long, value_name = "REVISION")]
    to: Option<u64>,
    /// Make every check and change nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    change: Change,
    #[command(flatten)]
    remote: Remote,
}

pub(super) async fn run(args: &Args) -> Result<(), Ending> {
    let request = RollbackRequest {
        to: args.to,
        reason: args.change.reason.clone(),
        if_revision: args.change.if_revision,
        dry_run: args.dry_run,
    };
    let got = args.remote.client()?.call::<Applied>(Method::POST, "/v1/rollback", &request).await?;
    show::tell(args.remote.output, &got, show::applied);
    Ok(())
}
