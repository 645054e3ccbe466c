//! Commits a change: record the revision, then swap the snapshot. The only place where what is
//! served changes.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use hotstage_core::digest::Digest;
use hotstage_core::journal::{Change, Outcome, Revision, State, Verb};
use hotstage_core::name::{ModelName, Version};

use super::describe::change_made;
use super::models::{Found, Versions};
use super::prepare::Prepared;
use super::{ChangeOptions, Control, ControlError, ErrorKind, Ledger, WARM_MAX};
use crate::executors::compute::yield_to_requests;
use crate::serving::pipeline::Pipeline;
use crate::serving::registry::{Model, Snapshot};
use crate::state::journal::Head;
use crate::state::store::Store;
use hotstage_client::{Applied, What};

/// Actor, request and start time of a change.
pub(super) struct Intent<'a> {
    pub(super) actor: &'a str,
    pub(super) ask: &'a ChangeOptions,
    pub(super) verb: Verb,
    /// Only for a rollback.
    pub(super) to: Option<RollbackTarget>,
    pub(super) began: Instant,
}

/// Target of a rollback.
pub(super) struct RollbackTarget {
    /// The state after this revision is restored.
    pub(super) revision: u64,
    /// Only this name is rolled back.
    pub(super) name: Option<ModelName>,
}

impl Control {
    /// Makes the change, if it still fits what is served once it holds the lock.
    pub(super) async fn commit(
        &self,
        intent: Intent<'_>,
        prepared: Prepared,
        changes: impl Fn(&State, &Prepared) -> Result<Vec<Change>, ControlError>,
    ) -> Result<Applied, ControlError> {
        let done = self.commit_in_turn(intent, &prepared, changes).await;
        if done.is_err() {
            self.serving.counts.swaps.refused.fetch_add(1, Relaxed);
        }
        drop(prepared);
        yield_to_requests();
        // After a refusal or a dry run nothing uses what was loaded; nor are component bytes needed
        // once the components are compiled.
        self.deployer.sweep();
        done
    }

    async fn commit_in_turn(
        &self,
        intent: Intent<'_>,
        prepared: &Prepared,
        changes: impl Fn(&State, &Prepared) -> Result<Vec<Change>, ControlError>,
    ) -> Result<Applied, ControlError> {
        let permit = self.turn.lock().await;
        self.check_head(intent.ask)?;
        let ledger = self.ledger.load_full();
        let changes = self.with_evidence(changes(&ledger.state, prepared)?);
        let state = self.state_after(&intent, &ledger.state, &changes, prepared)?;
        let models = self.models(&ledger.state, &state, &changes, prepared)?;
        let outcome = outcome(prepared, intent.began);
        let mut applied = Applied {
            revision: None,
            head: ledger.head.number,
            dry_run: intent.ask.dry_run,
            changes: changes.iter().map(change_made).collect(),
            unchanged: prepared.unchanged(&ledger.state),
            restored: prepared.restored.clone(),
            loaded: outcome.loaded,
            compiled: outcome.compiled,
            tests: outcome.tests,
            took_ms: outcome.took_ms,
        };
        if changes.is_empty() || intent.ask.dry_run {
            return Ok(applied);
        }
        let rollouts = super::rollout::counted(&ledger.state, &changes);
        let revision = self.revision_of(&intent, &ledger.head, changes, outcome);
        let (number, time_ms) = (revision.number, revision.time_ms);
        self.serving.counts.swaps.took_us[0]
            .fetch_add(microseconds(intent.began.elapsed()), Relaxed);
        let recording = Instant::now();
        let hash = self.record(revision).await?;
        self.serving.counts.swaps.took_us[1].fetch_add(microseconds(recording.elapsed()), Relaxed);
        let head = Head {
            number,
            hash,
            time_ms,
        };
        let before = self.swap(models, Ledger { state, head }, prepared);
        for rollout in rollouts {
            self.serving.counts.rollouts[rollout].fetch_add(1, Relaxed);
        }
        drop(permit);
        if applied
            .changes
            .iter()
            .any(|change| change.what == What::Rollout)
        {
            self.rollout_moved.notify_one();
        }
        yield_to_requests();
        self.retire(&before, &applied.changes);
        (applied.revision, applied.head) = (Some(number), number);
        applied.took_ms = u64::try_from(intent.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(applied)
    }

    /// The state after the changes, or why they don't fit.
    fn state_after(
        &self,
        intent: &Intent<'_>,
        before: &State,
        changes: &[Change],
        prepared: &Prepared,
    ) -> Result<State, ControlError> {
        // A rollback of one name also ends its rollout.
        let of_name = intent.to.as_ref().is_some_and(|back| back.name.is_some());
        if intent.verb != Verb::Rollout && !of_name {
            Self::check_rollouts(before, changes)?;
        }
        let mut state = before.clone();
        for change in changes {
            state.make(change)?;
        }
        self.check_graphs(&state, prepared)?;
        Ok(state)
    }

    /// Publishes these models; returns the previous snapshot.
    fn swap(
        &self,
        models: Vec<(String, Option<Model>)>,
        ledger: Ledger,
        prepared: &Prepared,
    ) -> Arc<Snapshot> {
        let began = Instant::now();
        let before = Arc::clone(&self.serving.registry.read());
        if ledger.state.pipelines().count() > WARM_MAX {
            let is_new = |pipeline: &&Arc<Pipeline>| before.model(&pipeline.name).is_none();
            prepared
                .pipelines
                .values()
                .filter(is_new)
                .for_each(|pipeline| pipeline.rest());
        }
        self.serving.registry.replace(before.with(models));
        self.ledger.store(Arc::new(ledger));
        let swaps = &self.serving.counts.swaps;
        swaps.took_us[2].fetch_add(microseconds(began.elapsed()), Relaxed);
        swaps.made.fetch_add(1, Relaxed);
        before
    }

    /// Returns once the revision and everything it references are on disk.
    async fn record(&self, revision: Revision) -> Result<Digest, ControlError> {
        let store = Arc::clone(self.store());
        let recorded = self.with_journal(move |journal| {
            let needed = stored(&store, &revision.changes)?;
            yield_to_requests();
            store.sync(&needed)?;
            yield_to_requests();
            Ok::<_, ControlError>(journal.append(&revision)?)
        });
        recorded.await?
    }

    fn revision_of(
        &self,
        intent: &Intent<'_>,
        head: &Head,
        changes: Vec<Change>,
        outcome: Outcome,
    ) -> Revision {
        Revision {
            number: head.number + 1,
            // Revision times never decrease, even when the clock is set back.
            time_ms: jiff::Timestamp::now().as_millisecond().max(head.time_ms),
            actor: intent.actor.to_owned(),
            reason: intent.ask.reason.clone(),
            verb: intent.verb,
            to: intent.to.as_ref().map(|back| back.revision),
            name: intent.to.as_ref().and_then(|back| back.name.clone()),
            changes,
            outcome,
            previous: head.hash,
        }
    }

    /// The changed names as they will be served.
    fn models(
        &self,
        before: &State,
        after: &State,
        changes: &[Change],
        prepared: &Prepared,
    ) -> Result<Vec<(String, Option<Model>)>, ControlError> {
        let names: BTreeSet<&ModelName> = changes.iter().map(Change::pipeline).collect();
        let snapshot = self.serving.registry.read();
        names
            .into_iter()
            .map(|name| {
                let Some(entry) = after.model(name.as_str()) else {
                    return Ok((name.to_string(), None));
                };
                let find = |version: &Version, digest: &Digest| {
                    find(
                        &snapshot,
                        before,
                        name,
                        version,
                        digest,
                        &prepared.pipelines,
                    )
                };
                let versions = Versions::of(entry, find).ok_or_else(|| {
                    let message =
                        format!("what is served under `{name}` has changed meanwhile; try again");
                    ControlError::new(ErrorKind::Conflict, message)
                })?;
                let default_target = self.default_target(entry, &versions, &prepared.routes)?;
                Ok((name.to_string(), versions.model(entry, default_target)))
            })
            .collect()
    }
}

/// The blobs that the changes need. They must exist at the next start, and a concurrent `gc` may
/// have deleted some that a manifest names and the client did not upload again. `gc` holds the same
/// lock, so it runs before or after this check.
fn stored(store: &Store, changes: &[Change]) -> Result<HashSet<Digest>, ControlError> {
    let mut problems = Vec::new();
    let needed = super::sweep::needed(
        store,
        changes.iter().filter_map(Change::serves),
        &mut problems,
    );
    let missing = needed.iter().find(|digest| !store.has(digest));
    let message = problems
        .pop()
        .or(missing.map(|digest| format!("{digest} was freed meanwhile; try again")));
    message.map_or(Ok(needed), |message| {
        Err(ControlError::new(ErrorKind::Conflict, message))
    })
}

/// A version after the change. None when it is new and was not prepared.
fn find(
    snapshot: &Snapshot,
    before: &State,
    name: &ModelName,
    version: &Version,
    digest: &Digest,
    new: &HashMap<Digest, Arc<Pipeline>>,
) -> Option<Found> {
    let model = snapshot.model(name.as_str());
    let served = || {
        model?
            .versions()
            .iter()
            .find(|pipeline| pipeline.digest == *digest)
            .map(Arc::clone)
    };
    if let Some(pipeline) = new.get(digest).cloned().or_else(served) {
        return Some(Found::Serves(pipeline));
    }
    // A version that could not be opened at the start stays out of service.
    let absent = model.and_then(|model| {
        model
            .absent()
            .iter()
            .find(|absent| absent.digest == *digest)
    });
    let is_recorded = before.digest(name.as_str(), version.as_str()) == Some(*digest);
    absent
        .filter(|_| is_recorded)
        .map(|absent| Found::Absent(absent.why.clone()))
}

fn outcome(prepared: &Prepared, began: Instant) -> Outcome {
    Outcome {
        loaded: prepared.loaded,
        compiled: prepared.made.compiled,
        tests: prepared.made.tests,
        took_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
    }
}

pub(super) fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
