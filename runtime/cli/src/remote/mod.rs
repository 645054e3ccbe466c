//! The verbs that call a running server's admin API: their shared options, and one file for each
//! verb.
//!
//! Default: the server that runs on the state directory, over loopback, with the token in that
//! directory. `--server` selects another one. Results go to stdout, as a table or as the API's
//! JSON; the rest goes to stderr.

mod actor;
mod answered;
mod apply;
mod client;
mod delete;
mod describe;
mod diff;
mod duration;
mod experiment;
mod gather;
mod gc;
mod get;
mod history;
mod label;
mod lines;
mod mirrors;
mod rollback;
mod rollout;
mod show;
mod status;
mod top;
mod upload;
mod wait;
mod whereabouts;

use std::path::PathBuf;

use super::check::Output;
use super::{CliError, Exit, console};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Verb {
    /// Apply manifests to a running server; nothing else changes.
    Apply(apply::Args),
    /// Show what `apply` would change; exit code 0 if nothing, 9 if something.
    Diff(diff::Args),
    /// List what is served.
    Get(get::Args),
    /// Show all details of one version or of a route.
    Describe(describe::Args),
    /// Compare the answers of mirrored versions with those that clients got.
    Mirrors(mirrors::Args),
    /// Take a version, a route, or a name with all its versions out of service.
    Delete(delete::Args),
    /// Point labels at versions, or remove them.
    Label(label::Args),
    /// Wait until a version is ready.
    Wait(wait::Args),
    /// List the revisions with their time, actor and changes; or verify the journal.
    History(history::Args),
    /// Restore an earlier revision.
    Rollback(rollback::Args),
    /// Shift a route's share to a new version step by step, under guards.
    Rollout(rollout::Args),
    /// Show which versions answered calls to a name at some time.
    Answered(answered::Args),
    /// Show which variant of a route earns more.
    Experiment(experiment::Args),
    /// Delete stored bytes that nothing refers to any more.
    Gc(gc::Args),
    /// Show the state of a server.
    Status(status::Args),
    /// Show a server's live traffic, full screen.
    Top(top::Args),
}

/// Options of all verbs here.
#[derive(Debug, clap::Args)]
struct Remote {
    /// URL of the admin API, such as http://127.0.0.1:8002 [default: the server that runs on the
    /// state directory].
    #[arg(long, value_name = "URL", env = "HOTSTAGE_SERVER")]
    server: Option<String>,
    /// File that holds the admin API's token [default without --server: the one in the state
    /// directory].
    #[arg(long, value_name = "FILE", env = "HOTSTAGE_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    /// State directory of a server on this machine [default: the user's state folder,
    /// ~/.local/state/hotstage].
    #[arg(long, value_name = "DIR", env = "HOTSTAGE_STATE")]
    state: Option<PathBuf>,
    /// Format of the result. JSON prints each answer of the server unchanged, on its own line.
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

/// Options of all verbs that change something.
#[derive(Debug, Default, clap::Args)]
struct Change {
    /// Fail unless this is the newest revision.
    #[arg(long, value_name = "N")]
    if_revision: Option<u64>,
    /// Reason for the change, recorded in the revision.
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    reason: String,
    /// Name of the person or program that makes the change, recorded in the revision. It is not
    /// verified: only the token is checked [default: the login name].
    #[arg(long, value_name = "NAME", env = "HOTSTAGE_ACTOR", value_parser = actor::parse)]
    actor: Option<String>,
}

/// Runs the verb.
pub(super) fn run(verb: &Verb) -> Result<Exit, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| CliError::new(Exit::Defect, error))?;
    runtime.block_on(async {
        let done = match verb {
            Verb::Diff(args) => return Box::pin(diff::run(args)).await,
            Verb::Rollout(args) => return Box::pin(rollout::run(args)).await,
            Verb::History(args) => return Box::pin(history::run(args)).await,
            Verb::Apply(args) => Box::pin(apply::run(args)).await,
            Verb::Get(args) => Box::pin(get::run(args)).await,
            Verb::Describe(args) => Box::pin(describe::run(args)).await,
            Verb::Mirrors(args) => Box::pin(mirrors::run(args)).await,
            Verb::Delete(args) => Box::pin(delete::run(args)).await,
            Verb::Label(args) => Box::pin(label::run(args)).await,
            Verb::Wait(args) => Box::pin(wait::run(args)).await,
            Verb::Rollback(args) => Box::pin(rollback::run(args)).await,
            Verb::Answered(args) => Box::pin(answered::run(args)).await,
            Verb::Experiment(args) => Box::pin(experiment::run(args)).await,
            Verb::Gc(args) => Box::pin(gc::run(args)).await,
            Verb::Status(args) => Box::pin(status::run(args)).await,
            Verb::Top(args) => Box::pin(top::run(args)).await,
        };
        done.map(|()| Exit::Done)
    })
}
