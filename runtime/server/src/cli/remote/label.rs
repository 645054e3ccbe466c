//! `hotstage label`: point labels at versions, or remove them: all of them in one revision, or
//! none.

use std::collections::BTreeMap;

use http::Method;

use super::client::quote;
use super::{Change, CliError, Exit, Remote, show};
use crate::api::{Applied, LabelsRequest};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The name that clients call.
    name: String,
    /// A label and the version that it shall point at, or a label and a minus, which removes it.
    #[arg(value_name = "LABEL=VERSION|LABEL-", required = true, value_parser = wish)]
    labels: Vec<RequestedOutput>,
    /// Say what would change; change nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    change: Change,
    #[command(flatten)]
    remote: Remote,
}

/// What shall become of a label: a version that it points at, or none, which removes it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct RequestedOutput {
    label: String,
    version: Option<String>,
}

fn wish(text: &str) -> Result<RequestedOutput, String> {
    match (text.split_once('='), text.strip_suffix('-')) {
        (Some((label, version)), _) if !label.is_empty() && !version.is_empty() => {
            Ok(RequestedOutput {
                label: label.to_owned(),
                version: Some(version.to_owned()),
            })
        }
        (None, Some(label)) if !label.is_empty() => Ok(RequestedOutput {
            label: label.to_owned(),
            version: None,
        }),
        _ => {
            Err("write `stable=2` to point a label at a version, `stable-` to remove it".to_owned())
        }
    }
}

pub(super) async fn run(args: &Args) -> Result<(), CliError> {
    let Change {
        if_revision,
        reason,
        ..
    } = &args.change;
    let labels = labels(&args.labels).map_err(|message| CliError::new(Exit::Usage, message))?;
    let request = LabelsRequest {
        labels,
        reason: reason.clone(),
        if_revision: *if_revision,
        dry_run: args.dry_run,
    };
    let path = format!("/v1/models/{}/labels", quote(&args.name));
    let got = args
        .change
        .client(&args.remote)?
        .call::<Applied>(Method::PUT, &path, &request)
        .await?;
    show::tell(args.remote.output, &got, show::applied);
    Ok(())
}

fn labels(requested: &[RequestedOutput]) -> Result<BTreeMap<String, Option<String>>, String> {
    let mut labels = BTreeMap::new();
    for RequestedOutput { label, version } in requested {
        if labels.insert(label.clone(), version.clone()).is_some() {
            return Err(format!(
                "the label `{label}` is there twice; say once where it shall point"
            ));
        }
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minus_at_the_end_removes() {
        let point = |label: &str, version: &str| RequestedOutput {
            label: label.to_owned(),
            version: Some(version.to_owned()),
        };
        assert_eq!(wish("stable=2"), Ok(point("stable", "2")));
        assert_eq!(wish("stable=2-"), Ok(point("stable", "2-")));
        assert_eq!(
            wish("stable-"),
            Ok(RequestedOutput {
                label: "stable".to_owned(),
                version: None
            })
        );
        for text in ["stable", "-", "=2", "stable=", ""] {
            assert!(wish(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_label_is_moved_once() {
        let requested = |texts: &[&str]| {
            texts
                .iter()
                .map(|text| wish(text).unwrap())
                .collect::<Vec<RequestedOutput>>()
        };
        assert_eq!(labels(&requested(&["a=1", "b-"])).unwrap().len(), 2);
        assert!(
            labels(&requested(&["a=1", "a-"]))
                .unwrap_err()
                .contains("`a` is there twice")
        );
    }
}
