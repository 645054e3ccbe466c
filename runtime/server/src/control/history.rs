//! Queries of the past: the changes and their actors, whether the journal is intact, which versions
//! answered when.

use hotstage_core::digest::Digest;
use hotstage_core::journal::{Revision, State};
use jiff::Timestamp;

use super::describe::change_made;
use super::{Control, ControlError, ErrorKind};
use crate::serving::registry::newer;
use crate::state::journal::JournalError;
use hotstage_client::{Answered, History, RevisionInfo, Verified};

/// Maximum number of listed problems.
const PROBLEMS_MAX: usize = 100;

impl Control {
    /// Revisions before this one, newest first. Without one, starts at the newest.
    pub async fn history(
        &self,
        before: Option<u64>,
        limit: usize,
    ) -> Result<History, ControlError> {
        let head = self.head();
        let until = before.unwrap_or(u64::MAX).min(head + 1).max(1);
        let from = until.saturating_sub(limit.max(1) as u64).max(1);
        let mut revisions = self.revisions(from, until).await?;
        revisions.reverse();
        Ok(History {
            head,
            revisions,
            next_before: (from > 1).then_some(from),
        })
    }

    /// One revision.
    pub async fn revision(&self, number: u64) -> Result<RevisionInfo, ControlError> {
        let found = self
            .revisions(number, number.saturating_add(1))
            .await?
            .pop();
        found.ok_or_else(|| {
            let message = format!(
                "there is no revision {number}; the newest is {}",
                self.head()
            );
            ControlError::new(ErrorKind::NotFound, message)
        })
    }

    async fn revisions(&self, from: u64, until: u64) -> Result<Vec<RevisionInfo>, ControlError> {
        let found = self.with_journal(move |journal| {
            let mut found = Vec::new();
            journal.walk(|revision, hash| {
                if (from..until).contains(&revision.number) {
                    found.push(info(revision, hash));
                }
                revision.number + 1 < until
            })?;
            Ok::<_, JournalError>(found)
        });
        Ok(found.await??)
    }

    /// Verifies the whole journal and every blob that is served.
    pub async fn verify(&self) -> Result<Verified, ControlError> {
        let (mut verified, state) = self
            .with_journal(|journal| match journal.replay(None) {
                Ok(replayed) => {
                    let (revisions, hash) = (replayed.head.number, replayed.head.hash.to_string());
                    (
                        Verified {
                            ok: true,
                            revisions,
                            hash,
                            ..Verified::default()
                        },
                        replayed.state,
                    )
                }
                Err(error) => (
                    Verified {
                        problems: vec![error.to_string()],
                        ..Verified::default()
                    },
                    State::default(),
                ),
            })
            .await?;
        let store = std::sync::Arc::clone(self.store());
        let checked = tokio::task::spawn_blocking(move || {
            let (mut blobs, mut problems) = (0, Vec::new());
            for digest in super::sweep::needed(&store, state.documents(), &mut problems) {
                match store.check(&digest) {
                    Ok(Some(_)) => blobs += 1,
                    Ok(None) => {
                        problems.push(format!("{digest} is needed and is not in the store"));
                    }
                    Err(error) => problems.push(error.to_string()),
                }
            }
            (blobs, problems)
        });
        let (blobs, problems) = checked.await.map_err(|_| {
            ControlError::new(
                ErrorKind::Defect,
                "the check of the store failed; this is a defect of the server",
            )
        })?;
        verified.blobs = blobs;
        verified
            .problems
            .extend(problems.into_iter().take(PROBLEMS_MAX));
        verified.ok = verified.problems.is_empty();
        Ok(verified)
    }

    /// The versions that answered calls to a name at a given time.
    pub async fn answered(&self, name: &str, time: &str) -> Result<Answered, ControlError> {
        let asked: Timestamp = time.parse().map_err(|error| {
            ControlError::new(
                ErrorKind::Invalid,
                format!("`{time}` is no time like 2026-01-31T12:00:00Z: {error}"),
            )
        })?;
        let (name, asked_ms) = (name.to_owned(), asked.as_millisecond());
        let found = self.with_journal(move |journal| {
            let mut state = State::default();
            let (mut in_force, mut until) = (None, None);
            let mut known = false;
            let touches = |revision: &Revision| {
                revision
                    .changes
                    .iter()
                    .any(|change| change.pipeline().as_str() == name)
            };
            journal.walk(|revision, _| {
                if revision.time_ms > asked_ms {
                    if touches(revision) {
                        (until, known) = (Some(revision.time_ms), true);
                    }
                    return until.is_none();
                }
                known |= touches(revision);
                let fits = revision
                    .changes
                    .iter()
                    .all(|change| state.make(change).is_ok());
                if touches(revision) || in_force.is_none() {
                    in_force = Some((revision.number, revision.time_ms));
                }
                fits
            })?;
            Ok::<_, JournalError>((name, state, in_force, until, known))
        });
        let (name, state, in_force, until, known) = found.await??;
        if !known {
            return Err(ControlError::new(
                ErrorKind::NotFound,
                format!("`{name}` was never served"),
            ));
        }
        let entry = state.model(&name).cloned().unwrap_or_default();
        let mut versions: Vec<(String, String)> = entry
            .versions
            .iter()
            .map(|(version, digest)| (version.to_string(), digest.to_string()))
            .collect();
        versions.sort_by(|a, b| newer(&a.0, &b.0));
        // Behind a route the version differs per request; each response names its version.
        let newest = versions.last().cloned().filter(|_| entry.route.is_none());
        Ok(Answered {
            pipeline: name,
            time: asked.to_string(),
            revision: in_force.map(|(number, _)| number),
            since: in_force.map(|(_, time_ms)| shown(time_ms)),
            until: until.map(shown),
            version: newest.as_ref().map(|(version, _)| version.clone()),
            digest: newest.map(|(_, digest)| digest),
            route: entry.route.as_ref().map(|routed| routed.digest.to_string()),
            versions,
            labels: entry
                .labels
                .iter()
                .map(|(label, to)| (label.to_string(), to.to_string()))
                .collect(),
        })
    }
}

/// RFC 3339.
pub(super) fn shown(time_ms: i64) -> String {
    Timestamp::from_millisecond(time_ms)
        .map(|time| time.to_string())
        .unwrap_or_default()
}

fn info(revision: &Revision, hash: Digest) -> RevisionInfo {
    RevisionInfo {
        number: revision.number,
        time: shown(revision.time_ms),
        actor: revision.actor.clone(),
        reason: revision.reason.clone(),
        verb: revision.verb.name().to_owned(),
        to: revision.to,
        name: revision.name.as_ref().map(ToString::to_string),
        changes: revision.changes.iter().map(change_made).collect(),
        loaded: revision.outcome.loaded,
        compiled: revision.outcome.compiled,
        tests: revision.outcome.tests,
        took_ms: revision.outcome.took_ms,
        hash: hash.to_string(),
        previous: revision.previous.to_string(),
    }
}
