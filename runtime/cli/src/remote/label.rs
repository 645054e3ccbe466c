//! `hotstage label`: moves labels to versions, or removes them. One revision changes all given
//! labels or none.

use std::collections::BTreeMap;

use http::Method;

use super::client::quote;
use super::{Change, CliError, Exit, Remote, show};
use hotstage_client::{Applied, LabelsRequest};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Name of the pipeline or graph.
    name: String,
    /// `LABEL=VERSION` points the label at the version; `LABEL-` removes it.
    #[arg(value_name = "LABEL=VERSION|LABEL-", required = true, value_parser = parse)]
    labels: Vec<LabelChange>,
    /// Show what would change, and change nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    change: Change,
    #[command(flatten)]
    remote: Remote,
}

/// The requested state of a label: the version that it points at, or none to remove it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct LabelChange {
    label: String,
    version: Option<String>,
}

fn parse(text: &str) -> Result<LabelChange, String> {
    match (text.split_once('='), text.strip_suffix('-')) {
        (Some((label, version)), _) if !label.is_empty() && !version.is_empty() => {
            Ok(LabelChange {
                label: label.to_owned(),
                version: Some(version.to_owned()),
            })
        }
        (None, Some(label)) if !label.is_empty() => Ok(LabelChange {
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

fn labels(requested: &[LabelChange]) -> Result<BTreeMap<String, Option<String>>, String> {
    let mut labels = BTreeMap::new();
    for LabelChange { label, version } in requested {
        if labels.insert(label.clone(), version.clone()).is_some() {
            return Err(format!("the label `{label}` is given twice; give it once"));
        }
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minus_at_the_end_removes() {
        let point = |label: &str, version: &str| LabelChange {
            label: label.to_owned(),
            version: Some(version.to_owned()),
        };
        assert_eq!(parse("stable=2"), Ok(point("stable", "2")));
        assert_eq!(parse("stable=2-"), Ok(point("stable", "2-")));
        assert_eq!(
            parse("stable-"),
            Ok(LabelChange {
                label: "stable".to_owned(),
                version: None
            })
        );
        for text in ["stable", "-", "=2", "stable=", ""] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_label_is_moved_once() {
        let requested = |texts: &[&str]| {
            texts
                .iter()
                .map(|text| parse(text).unwrap())
                .collect::<Vec<LabelChange>>()
        };
        assert_eq!(labels(&requested(&["a=1", "b-"])).unwrap().len(), 2);
        assert!(
            labels(&requested(&["a=1", "a-"]))
                .unwrap_err()
                .contains("`a` is given twice")
        );
    }
}
