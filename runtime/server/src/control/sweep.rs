//! `gc`: frees what no kept revision references, no loaded pipeline uses, and no client uploaded
//! recently.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use hotstage_core::digest::Digest;
use hotstage_core::graph::ResolvedGraph;
use hotstage_core::journal::Change;
use hotstage_core::manifest::{Resolved, WrittenRollout, WrittenRoute};

use super::{Control, ControlError, ErrorKind, locked};
use crate::state::journal::JournalError;
use crate::state::store::Store;
use hotstage_client::{Gc, GcRequest};

impl Control {
    /// Frees unneeded data; with `dry_run` only reports it.
    pub async fn gc(&self, request: &GcRequest) -> Result<Gc, ControlError> {
        // The permit keeps changes from being recorded, so the needed set does not grow.
        let _permit = self.turn.lock().await;
        let oldest = self
            .head()
            .saturating_sub(request.keep_revisions.saturating_sub(1))
            .max(1);
        let manifests = self.with_journal(move |journal| {
            let kept = journal.replay(Some(oldest))?.state;
            let mut manifests: HashSet<Digest> = kept.documents().collect();
            journal.walk(|revision, _| {
                if revision.number > oldest {
                    manifests.extend(revision.changes.iter().filter_map(Change::serves));
                }
                true
            })?;
            Ok::<_, JournalError>(manifests)
        });
        let mut manifests = manifests.await??;
        manifests.extend(
            locked(&self.retired)
                .kept
                .iter()
                .map(|pipeline| pipeline.digest),
        );
        let (store, request) = (Arc::clone(self.store()), request.clone());
        let swept = tokio::task::spawn_blocking(move || {
            let mut problems = Vec::new();
            let needed = needed(&store, manifests.into_iter(), &mut problems);
            if let Some(problem) = problems.into_iter().next() {
                // An unreadable manifest could reference anything.
                let message = format!("nothing was freed: {problem}");
                return Err(ControlError::new(ErrorKind::Defect, message));
            }
            let min_age = Duration::from_secs(request.min_age_seconds);
            let freed = store.sweep(&needed, min_age, request.dry_run)?;
            Ok(Gc {
                dry_run: request.dry_run,
                blobs: freed.blobs,
                blob_bytes: freed.blob_bytes,
                compiled: freed.compiled,
                compiled_bytes: freed.compiled_bytes,
                abandoned: freed.abandoned,
                abandoned_bytes: freed.abandoned_bytes,
                kept: freed.kept,
                oldest_revision: oldest,
            })
        });
        let lost = || {
            ControlError::new(
                ErrorKind::Defect,
                "the sweep failed; this is a defect of the server",
            )
        };
        swept.await.map_err(|_| lost())?
    }
}

/// Everything that these manifests reference, and the manifests themselves.
pub(super) fn needed(
    store: &Store,
    manifests: impl Iterator<Item = Digest>,
    problems: &mut Vec<String>,
) -> HashSet<Digest> {
    let mut needed = HashSet::new();
    for manifest in manifests {
        needed.insert(manifest);
        let text = match store.get(&manifest) {
            Ok(Some(text)) => text,
            // An old revision whose bytes were freed before.
            Ok(None) => continue,
            Err(error) => {
                problems.push(error.to_string());
                continue;
            }
        };
        let text = String::from_utf8_lossy(&text);
        let not_a_pipeline = match Resolved::parse(&text) {
            Ok(resolved) => {
                for stage in &resolved.stages {
                    needed.insert(stage.component);
                    needed.extend(stage.files.values());
                }
                needed.extend(
                    resolved
                        .tests
                        .iter()
                        .flat_map(|test| [test.request, test.expect]),
                );
                continue;
            }
            Err(error) => error,
        };
        // A graph's members are served in their own right; routes and rollouts reference nothing.
        match ResolvedGraph::parse(&text) {
            Ok(graph) => needed.extend(
                graph
                    .tests
                    .iter()
                    .flat_map(|test| [test.request, test.expect]),
            ),
            Err(_)
                if WrittenRoute::parse(&text).is_ok() || WrittenRollout::parse(&text).is_ok() => {}
            Err(_) => problems.push(format!("the manifest {manifest} is {not_a_pipeline}")),
        }
    }
    needed
}
