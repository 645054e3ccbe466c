//! `hotstage history`: lists the revisions, newest first; shows one in full; or verifies the
//! journal.

use hotstage_core::printable::one_line;

use super::client::Client;
use super::{CliError, Exit, Output, Remote, console, show};
use hotstage_client::{History, RevisionInfo, Verified};

/// Revisions per request.
const PAGE: u64 = 100;
/// Bound on the changes that a line names.
const CHANGES: usize = 3;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Show only this revision, in full.
    revision: Option<u64>,
    /// Maximum number of revisions to list.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 20,
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    limit: u64,
    /// Verify every revision against the hash in its successor; exit code 3 if one does not match.
    #[arg(long, conflicts_with = "revision")]
    verify: bool,
    #[command(flatten)]
    remote: Remote,
}

pub(super) async fn run(args: &Args) -> Result<Exit, CliError> {
    let mut client = args.remote.client()?;
    if args.verify {
        let got = client.get::<Verified>("/v1/verify").await?;
        match args.remote.output {
            Output::Table if got.value.ok => console::print_ok(&verified(&got.value)),
            output => show::tell(output, &got, verified),
        }
        return Ok(if got.value.ok {
            Exit::Done
        } else {
            Exit::Refused
        });
    }
    match args.revision {
        Some(number) => {
            let got = client
                .get::<RevisionInfo>(&format!("/v1/revisions/{number}"))
                .await?;
            show::tell(args.remote.output, &got, revision);
        }
        None => list(&mut client, args).await?,
    }
    Ok(Exit::Done)
}

async fn list(client: &mut Client, args: &Args) -> Result<(), CliError> {
    let mut left = args.limit;
    let mut before = String::new();
    let mut revisions = Vec::new();
    while left > 0 {
        let got = client
            .get::<History>(&format!("/v1/revisions?limit={}{before}", left.min(PAGE)))
            .await?;
        if args.remote.output == Output::Json {
            show::json(&got.body);
        }
        left = left.saturating_sub(got.value.revisions.len() as u64);
        revisions.extend(got.value.revisions);
        match got.value.next_before {
            Some(next) => before = format!("&before={next}"),
            None => break,
        }
    }
    match args.remote.output {
        Output::Json => {}
        Output::Table if revisions.is_empty() => console::note("nothing was changed yet"),
        Output::Table => {
            let header = ["revision", "time", "actor", "verb", "changes", "reason"];
            console::print(&show::table(header, revisions.iter().map(row)));
        }
    }
    Ok(())
}

fn row(revision: &RevisionInfo) -> [String; 6] {
    let mut changes: Vec<String> = revision
        .changes
        .iter()
        .take(CHANGES)
        .map(show::change)
        .collect();
    let more = revision.changes.len().saturating_sub(CHANGES);
    if more > 0 {
        changes.push(format!("and {more} more"));
    }
    [
        revision.number.to_string(),
        revision.time.clone(),
        revision.actor.clone(),
        revision.asked(),
        changes.join("\n"),
        // On one line: a line break would look like another row.
        one_line(&revision.reason).into_owned(),
    ]
}

fn revision(revision: &RevisionInfo) -> String {
    let changes: Vec<String> = revision.changes.iter().map(ToString::to_string).collect();
    show::fields([
        ("revision", revision.number.to_string()),
        ("time", revision.time.clone()),
        ("actor", revision.actor.clone()),
        ("verb", revision.asked()),
        ("reason", one_line(&revision.reason).into_owned()),
        ("changes", changes.join("\n")),
        ("evidence", evidence(revision)),
        ("loaded", revision.loaded.to_string()),
        ("compiled", revision.compiled.to_string()),
        ("golden tests", revision.tests.to_string()),
        ("took", show::milliseconds(revision.took_ms)),
        ("hash", revision.hash.clone()),
        ("previous", revision.previous.clone()),
    ])
}

/// The guards' results for the rollout steps that this revision ended.
fn evidence(revision: &RevisionInfo) -> String {
    let found = revision
        .changes
        .iter()
        .filter_map(|change| change.evidence.as_ref())
        .flat_map(|evidence| {
            let baked = show::milliseconds(evidence.baked_ms);
            let step = format!("step {} baked {baked}", evidence.step);
            let guards = evidence.guards.iter().map(|found| {
                let samples = show::count(found.samples, "sample");
                format!(
                    "{}: {} of {samples}, {}",
                    found.name, found.shown, found.state
                )
            });
            std::iter::once(step).chain(guards)
        });
    found.collect::<Vec<_>>().join("\n")
}

/// A summary of what was verified; it starts with `ok` if the journal is intact.
fn verified(verified: &Verified) -> String {
    let Verified {
        ok,
        revisions,
        hash,
        blobs,
        problems,
    } = verified;
    let read = format!(
        "{} and {} read",
        show::count(*revisions, "revision"),
        show::count(*blobs, "blob")
    );
    let mut lines: Vec<String> = problems.clone();
    lines.push(if *ok {
        read
    } else {
        format!("not whole: {read}")
    });
    lines.push(format!("head {hash}"));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use hotstage_client::{ChangeMade, What};

    #[test]
    fn a_revision_with_many_changes_is_a_short_line() {
        let removed = |version: u32| ChangeMade {
            what: What::Removed,
            pipeline: "tumor".to_owned(),
            version: version.to_string(),
            label: None,
            digest: None,
            was: None,
            evidence: None,
        };
        let many = RevisionInfo {
            number: 7,
            time: "2026-03-01T12:00:00Z".to_owned(),
            actor: "anna".to_owned(),
            reason: String::new(),
            verb: "rollback".to_owned(),
            to: Some(5),
            name: Some("tumor".to_owned()),
            changes: (0..10).map(removed).collect(),
            loaded: 0,
            compiled: 0,
            tests: 0,
            took_ms: 3,
            hash: String::new(),
            previous: String::new(),
        };
        let row = row(&many);
        assert_eq!(row[3], "rollback tumor to 5");
        assert_eq!(
            row[4],
            "removed tumor/0\nremoved tumor/1\nremoved tumor/2\nand 7 more"
        );
        assert!(revision(&many).contains("removed tumor/9"));
    }

    #[test]
    fn what_is_wrong_comes_before_the_head() {
        let broken = Verified {
            ok: false,
            revisions: 1,
            hash: "sha256:00".to_owned(),
            blobs: 0,
            problems: vec!["revision 2 is not what was recorded".to_owned()],
        };
        let expect = "revision 2 is not what was recorded\nnot whole: 1 revision and 0 blobs read\nhead sha256:00";
        assert_eq!(verified(&broken), expect);
    }
}
