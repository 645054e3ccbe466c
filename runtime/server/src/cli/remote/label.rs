//! `hotstage label`: point labels at versions, or remove them. Each one is a revision of its own.

use http::Method;

use super::client::quote;
use super::{Change, Ending, Remote, show};
use crate::api::{Applied, LabelRequest};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The name that clients call.
    name: String,
    /// A label and the version that it shall point at, or a label and a minus, which removes it.
    #[arg(value_name = "LABEL=VERSION|LABEL-", required = true, value_parser = wish)]
    labels: Vec<Wish>,
    #[command(flatten)]
    change: Change,
    #[command(flatten)]
    remote: Remote,
}

/// What shall become of a label.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wish {
    Point { label: String, version: String },
    Remove { label: String },
}

fn wish(text: &str) -> Result<Wish, String> {
    let wish = match (text.split_once('='), text.strip_suffix('-')) {
        (Some((label, version)), _) if !label.is_empty() && !version.is_empty() => {
            Wish::Point { label: label.to_owned(), version: version.to_owned() }
        }
        (None, Some(label)) if !label.is_empty() => Wish::Remove { label: label.to_owned() },
        _ => return Err("write `stable=2` to point a label at a version, `stable-` to remove it".to_owned()),
    };
    Ok(wish)
}

pub(super) async fn run(args: &Args) -> Result<(), Ending> {
    let mut client = args.remote.client()?;
    let mut if_revision = args.change.if_revision;
    for wish in &args.labels {
        let path = |label: &str| format!("/v1/models/{}/labels/{}", quote(&args.name), quote(label));
        let reason = args.change.reason.clone();
        let got = match wish {
            Wish::Point { label, version } => {
                let request = LabelRequest { version: version.clone(), reason, if_revision };
                client.call::<Applied>(Method::PUT, &path(label), &request).await?
            }
            Wish::Remove { label } => {
                let query = Change { if_revision, reason }.query(false);
                client.delete::<Applied>(&format!("{}{query}", path(label))).await?
            }
        };
        // What was asked for the first holds for the rest: nobody else changed anything between them.
        if_revision = if_revision.map(|_| got.value.head);
        show::tell(args.remote.output, &got, show::applied);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minus_at_the_end_removes() {
        let point = |label: &str, version: &str| Wish::Point { label: label.to_owned(), version: version.to_owned() };
        assert_eq!(wish("stable=2"), Ok(point("stable", "2")));
        assert_eq!(wish("stable=2-"), Ok(point("stable", "2-")));
        assert_eq!(wish("stable-"), Ok(Wish::Remove { label: "stable".to_owned() }));
        for text in ["stable", "-", "=2", "stable=", ""] {
            assert!(wish(text).is_err(), "{text}");
        }
    }
}
