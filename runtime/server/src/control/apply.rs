//! From documents, local or uploaded, to one revision that serves them. Either all documents are
//! applied or none.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use hotstage_core::digest::Digest;
use hotstage_core::graph::Branch;
use hotstage_core::journal::Verb;
use hotstage_core::manifest::{Documents, Problems, Resolved};
use hotstage_core::name::{ModelName, Version};

use super::commit::Intent;
use super::prepare::{Sent, Wanted};
use super::routes::Draft;
use super::{Cancel, ChangeOptions, Control, ControlError, ErrorKind, Removals};
use crate::control::deploy::{DeployError, Paths, Progress, Quiet, in_order};
use hotstage_client::{Applied, ApplyRequest};

impl Control {
    /// Serves uploaded documents: all of them, or nothing changes. Stops before the revision is
    /// recorded when the client disconnects.
    pub async fn apply(
        &self,
        actor: &str,
        request: &ApplyRequest,
        cancel: &Cancel,
    ) -> Result<Applied, ControlError> {
        let ask = ChangeOptions {
            reason: request.reason.clone(),
            if_revision: request.if_revision,
            dry_run: request.dry_run,
        };
        let sent = Sent::read(&request.documents)?;
        let wanted = Wanted {
            documents: &sent.documents,
            sent: Some(&sent),
            replace: request.replace,
            gone: &Removals::default(),
        };
        self.apply_documents(actor, &ask, &wanted, &Quiet, cancel)
            .await
    }

    /// Serves local documents, and removes what `gone` names in the same revision.
    pub async fn apply_local(
        &self,
        actor: &str,
        ask: &ChangeOptions,
        documents: &Documents,
        replace: bool,
        gone: &Removals,
        progress: &dyn Progress,
    ) -> Result<Applied, ControlError> {
        let wanted = Wanted {
            documents,
            sent: None,
            replace,
            gone,
        };
        self.apply_documents(actor, ask, &wanted, progress, &Cancel::default())
            .await
    }

    /// Reads local manifests and stores the bytes they reference. This also repairs damaged blobs.
    pub fn read(&self, paths: &[PathBuf]) -> Result<Documents, ControlError> {
        let documents = self.deployer.documents(paths)?;
        let mut problems = Problems::default();
        for route in &documents.routes {
            self.store().put(route.canonical().as_bytes())?;
        }
        let mut digests: HashMap<(ModelName, Version), Digest> = HashMap::new();
        for document in &documents.pipelines {
            match self.deployer.resolve(document, Paths::Disk) {
                Ok(material) => {
                    let Resolved { name, version, .. } = material.manifest.clone();
                    digests.insert(
                        (name, version),
                        self.store().put(material.manifest.canonical().as_bytes())?,
                    );
                }
                Err(DeployError::Refused(found)) => problems.append(found),
                Err(error) => return Err(error.into()),
            }
        }
        self.read_graphs(&documents, digests)?;
        Ok(problems.or(documents)?)
    }

    /// The same for graphs, as far as their members are known before anything is served.
    fn read_graphs(
        &self,
        documents: &Documents,
        mut digests: HashMap<(ModelName, Version), Digest>,
    ) -> Result<(), ControlError> {
        let ledger = self.ledger.load();
        for index in in_order(&documents.graphs).map_err(Problems::from)? {
            let document = &documents.graphs[index];
            let find = |branch: &Branch<Option<Digest>>| {
                let given = digests
                    .get(&(branch.pipeline.clone(), branch.version.clone()))
                    .copied();
                let served = || {
                    ledger
                        .state
                        .digest(branch.pipeline.as_str(), branch.version.as_str())
                };
                given.or_else(served).ok_or_else(String::new)
            };
            match self.deployer.resolve_graph(document, Paths::Disk, find) {
                Ok(material) => {
                    let digest = self.store().put(material.manifest.canonical().as_bytes())?;
                    let graph = document.graph();
                    digests.insert((graph.name.clone(), graph.version.clone()), digest);
                }
                // `apply` reports what is wrong with it.
                Err(DeployError::Refused(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    pub(super) async fn apply_documents(
        &self,
        actor: &str,
        ask: &ChangeOptions,
        wanted: &Wanted<'_>,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<Applied, ControlError> {
        self.check(ask)?;
        let began = Instant::now();
        let prepared = tokio::select! {
            prepared = self.prepare(wanted, ask, progress) => prepared,
            () = cancel.cancelled() => {
                let message = "the client left while the change was prepared; nothing changed";
                Err(ControlError::new(ErrorKind::Conflict, message))
            }
        };
        let prepared = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                self.serving.counts.swaps.refused.fetch_add(1, Relaxed);
                // Nothing uses what was loaded for it.
                self.deployer.sweep();
                return Err(error);
            }
        };
        let intent = Intent {
            actor,
            ask,
            verb: Verb::Apply,
            to: None,
            began,
        };
        self.commit(intent, prepared, |state, prepared| {
            let mut draft = Draft::of(state);
            draft.add(prepared.changes(state, wanted.replace)?)?;
            draft.add(prepared.route_changes(&draft.state))?;
            self.begin_rollouts(wanted.documents, prepared, &mut draft)?;
            for name in &wanted.gone.routes {
                if let Ok(change) = draft.state.unroute(name) {
                    draft.add(vec![change])?;
                }
            }
            for (name, version) in &wanted.gone.versions {
                if draft
                    .state
                    .digest(name.as_str(), version.as_str())
                    .is_some()
                {
                    draft.add(draft.state.delete(name, Some(version))?)?;
                }
            }
            Ok(draft.changes)
        })
        .await
    }
}
