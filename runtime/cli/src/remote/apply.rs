//! `hotstage apply`: checks the manifests, uploads the files that they refer to, and has the server
//! apply all of them or none.

use std::path::PathBuf;

use http::Method;

use super::super::allow::AllowPath;
use super::client::{Client, Got};
use super::gather::{Gathered, gather};
use super::{Change, CliError, Exit, Remote, show, upload};
use hotstage_client::{Applied, ApplyRequest, Document};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    manifests: Manifests,
    /// Run every check, golden tests included, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Allow replacing a served version with different content.
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    change: Change,
    #[command(flatten)]
    remote: Remote,
}

/// What is applied or compared.
#[derive(Debug, clap::Args)]
pub(super) struct Manifests {
    /// Manifests: files, folders of .yaml files, or - for standard input.
    #[arg(short = 'f', long = "file", value_name = "PATH", num_args = 1.., required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    allow: AllowPath,
}

impl Manifests {
    /// Reads the manifests and the files that they refer to, or reports everything that is wrong.
    pub(super) fn gather(&self) -> Result<Gathered, CliError> {
        gather(&self.files, &self.allow.allowed())
            .map_err(|problems| CliError::new(Exit::Refused, problems))
    }
}

pub(super) async fn run(args: &Args) -> Result<(), CliError> {
    let mut client = args.change.client(&args.remote)?;
    let gathered = args.manifests.gather()?;
    upload::send(&mut client, &gathered.files).await?;
    let request = ApplyRequest {
        documents: gathered.documents,
        reason: args.change.reason.clone(),
        if_revision: args.change.if_revision,
        dry_run: args.dry_run,
        replace: args.replace,
    };
    let got = post(&mut client, &request).await?;
    show::tell(args.remote.output, &got, show::applied);
    Ok(())
}

/// What applying the documents would change. A served version with another digest counts as a
/// difference, not as an error.
pub(super) async fn try_out(
    client: &mut Client,
    documents: Vec<Document>,
) -> Result<Got<Applied>, CliError> {
    post(
        client,
        &ApplyRequest {
            documents,
            dry_run: true,
            replace: true,
            ..ApplyRequest::default()
        },
    )
    .await
}

async fn post(client: &mut Client, request: &ApplyRequest) -> Result<Got<Applied>, CliError> {
    Ok(client.call(Method::POST, "/v1/apply", request).await?)
}
