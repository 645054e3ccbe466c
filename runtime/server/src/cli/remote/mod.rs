//! The verbs that talk to a running server's admin API: what they have in common, and one file for
//! each.
//!
//! Default: the server that runs on the state directory, over loopback, with the token that it left
//! there. `--server` names another one. Results go to stdout, as a table or as the API's answers
//! word by word; the rest goes to stderr.

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
    /// Change what a server serves to what manifests say; nothing else is touched.
    Apply(apply::Args),
    /// Say what `apply` would change: exit code 0 for nothing, 9 for something.
    Diff(diff::Args),
    /// List what is served.
    Get(get::Args),
    /// Say everything about one version, or about a route.
    Describe(describe::Args),
    /// Say what mirrored versions would have answered.
    Mirrors(mirrors::Args),
    /// Take a version, a route, or a name with all its versions, out of service.
    Delete(delete::Args),
    /// Point labels at versions, or remove them.
    Label(label::Args),
    /// Wait until a version can answer.
    Wait(wait::Args),
    /// List what was changed, when and by whom; or verify that record.
    History(history::Args),
    /// Serve again what was served before.
    Rollback(rollback::Args),
    /// Give a version its share step by step, watched by guards.
    Rollout(rollout::Args),
    /// Say what answered calls to a name at some time.
    Answered(answered::Args),
    /// Say which variant of a route earns more.
    Experiment(experiment::Args),
    /// Free the bytes that nothing needs any more.
    Gc(gc::Args),
    /// Say how a server is.
    Status(status::Args),
    /// Watch what a server does, on the whole terminal.
    Top(top::Args),
}

/// Options of every verb here.
#[derive(Debug, clap::Args)]
struct Remote {
    /// The admin API's address, as in http://127.0.0.1:8002
    /// [default: of the server that runs on the state directory].
    #[arg(long, value_name = "URL", env = "HOTSTAGE_SERVER")]
    server: Option<String>,
    /// The file that holds the admin API's token
    /// [default without --server: the one in the state directory].
    #[arg(long, value_name = "FILE", env = "HOTSTAGE_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    /// The state directory of a server on this machine
    /// [default: the user's state folder, ~/.local/state/hotstage].
    #[arg(long, value_name = "DIR", env = "HOTSTAGE_STATE")]
    state: Option<PathBuf>,
    /// How the result is printed. JSON prints each answer of the server as it came, on a line of
    /// its own.
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

/// Options of every verb that changes something.
#[derive(Debug, Default, clap::Args)]
struct Change {
    /// Change nothing unless this is the newest revision.
    #[arg(long, value_name = "N")]
    if_revision: Option<u64>,
    /// Why; the record keeps it.
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    reason: String,
    /// Who changes it, for the record. It is what you say it is: only the token is checked
    /// [default: the login name].
    #[arg(long, value_name = "NAME", env = "HOTSTAGE_ACTOR", value_parser = actor::parse)]
    actor: Option<String>,
}

/// Does what the arguments say.
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
