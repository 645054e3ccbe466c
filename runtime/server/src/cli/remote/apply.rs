//! `hotstage apply`: check the manifests here, send what they point at, and have the server serve
//! them all or nothing.

use std::path::PathBuf;

use http::Method;

use super::super::allow::AllowPath;
use super::client::{Client, Got};
use super::gather::{Gathered, gather};
use super::{Change, CliError, Exit, Remote, show, upload};
use crate::api::{Applied, ApplyRequest, Document};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    manifests: Manifests,
    /// Make every check, golden tests included, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Let a version that is served get another digest.
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    change: Change,
    #[command(flatten)]
    remote: Remote,
}

/// What is applied, or compared.
#[derive(Debug, clap::Args)]
pub(super) struct Manifests {
    /// Manifests: files, folders of .yaml files, or - for standard input.
    #[arg(short = 'f', long = "file", value_name = "PATH", num_args = 1.., required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    allow: AllowPath,
}

impl Manifests {
    /// Reads them and what they point at, or says everything that is wrong with any of it.
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

/// What applying the documents would change. A version with another digest is a difference, not an
/// error.
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
