//! `hotstage gc`: frees the bytes that are needed neither for what is served nor for a rollback.

use std::time::Duration;

use http::Method;

use super::duration::duration;
use super::{CliError, Remote, show};
use hotstage_client::{Gc, GcRequest};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Show what would be freed, and free nothing.
    #[arg(long)]
    dry_run: bool,
    /// Newest revisions that stay available for a rollback.
    #[arg(long, value_name = "N", default_value_t = GcRequest::default().keep_revisions)]
    keep_revisions: u64,
    /// Keep bytes younger than this: an upload may be about to use them.
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration)]
    min_age: Duration,
    #[command(flatten)]
    remote: Remote,
}

pub(super) async fn run(args: &Args) -> Result<(), CliError> {
    let request = GcRequest {
        dry_run: args.dry_run,
        keep_revisions: args.keep_revisions,
        // Rounded up, so that no byte is freed too early.
        min_age_seconds: args
            .min_age
            .as_millis()
            .div_ceil(1000)
            .try_into()
            .unwrap_or(u64::MAX),
    };
    let got = args
        .remote
        .client()?
        .call::<Gc>(Method::POST, "/v1/gc", &request)
        .await?;
    show::tell(args.remote.output, &got, text);
    Ok(())
}

fn text(gc: &Gc) -> String {
    let line = |number: u64, bytes: u64| format!("{number} ({})", show::bytes(bytes));
    let freed = show::fields([
        ("blobs", line(gc.blobs, gc.blob_bytes)),
        ("compiled components", line(gc.compiled, gc.compiled_bytes)),
        ("abandoned uploads", line(gc.abandoned, gc.abandoned_bytes)),
    ]);
    let head = if gc.dry_run {
        "dry run: nothing was freed; this would be"
    } else {
        "freed"
    };
    let oldest = gc.oldest_revision;
    format!(
        "{head}\n{freed}\n{} kept; the oldest that can be rolled back to is revision {oldest}",
        blobs(gc.kept)
    )
}

fn blobs(kept: u64) -> String {
    format!(
        "{} {}",
        show::count(kept, "blob"),
        if kept == 1 { "is" } else { "are" }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dry_run_says_so_first() {
        let gc = Gc {
            dry_run: true,
            blobs: 2,
            blob_bytes: 2048,
            kept: 1,
            oldest_revision: 3,
            ..Gc::default()
        };
        let text = text(&gc);
        assert!(text.starts_with("dry run: nothing was freed"), "{text}");
        assert!(
            text.contains("2 (2.0 KiB)") && text.contains("0 (0 bytes)"),
            "{text}"
        );
        assert!(
            text.ends_with("1 blob is kept; the oldest that can be rolled back to is revision 3"),
            "{text}"
        );
    }
}
