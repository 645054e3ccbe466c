//! Retries versions that could not be opened at the start.
//!
//! A version is retried when its manifest is applied again, which restores damaged bytes, and when
//! its name is loaded. It is already recorded as served, so a retry makes no revision.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use hotstage_core::digest::Digest;
use hotstage_core::graph::Branch;
use hotstage_core::name::{ModelName, Version};

use super::models::{Found, Versions};
use super::{Control, ControlError};
use crate::control::deploy::{DeployError, Restored};
use crate::serving::pipeline::Pipeline;
use crate::serving::registry::{Absent, Why};

impl Control {
    /// Whether a version is recorded as served and could not be opened.
    pub(super) fn has_failed(&self, name: &ModelName, digest: &Digest) -> bool {
        let snapshot = self.serving.registry.read();
        let absent = snapshot
            .model(name.as_str())
            .map_or(&[][..], |model| model.absent());
        absent
            .iter()
            .any(|absent| absent.digest == *digest && absent.why != Why::Loading)
    }

    /// Opens the failed ones of these versions again, then the graphs that use them. Returns the
    /// versions that are in service again, and the first failure.
    pub(super) async fn open_again(
        &self,
        asked: &[(ModelName, Version)],
    ) -> (Vec<String>, Option<(ModelName, Version, DeployError)>) {
        let (mut opened, mut failure, mut asleep) = (HashMap::new(), None, Vec::new());
        for (name, version) in asked {
            let Some(absent) = self.failed_version(name, version) else {
                continue;
            };
            match self
                .deployer
                .restore(&format!("{name}/{version}"), &absent.digest)
                .await
            {
                Ok(Restored::Pipeline(pipeline)) => {
                    drop(opened.insert(absent.digest, Arc::new(*pipeline)));
                }
                Ok(Restored::Graph(graph)) => asleep.push(*graph),
                Err(error) => failure = failure.or(Some((name.clone(), version.clone(), error))),
            }
        }
        if opened.is_empty() && asleep.is_empty() {
            return (Vec::new(), failure);
        }
        asleep.extend(self.failed_graphs(asked));
        let served = |branch: &Branch<Digest>| self.served_member(branch);
        // A graph that still lacks a member stays out of service, with its previous reason.
        self.deployer.link(asleep, &mut opened, served).await;
        (self.put_back(&opened).await, failure)
    }

    fn failed_version(&self, name: &ModelName, version: &Version) -> Option<Absent> {
        let snapshot = self.serving.registry.read();
        let absent = snapshot.model(name.as_str())?.absent();
        absent
            .iter()
            .find(|absent| absent.version == version.as_str() && absent.why != Why::Loading)
            .cloned()
    }

    /// Graphs out of service, in addition to the requested versions.
    fn failed_graphs(
        &self,
        asked: &[(ModelName, Version)],
    ) -> Vec<crate::control::deploy::PendingGraph> {
        let snapshot = self.serving.registry.read();
        let is_asked = |name: &str, absent: &Absent| {
            asked.iter().any(|(asked, version)| {
                asked.as_str() == name && version.as_str() == absent.version
            })
        };
        let failed = snapshot
            .absent()
            .filter(|(name, absent)| absent.why != Why::Loading && !is_asked(name, absent));
        let graphs = failed.filter_map(|(name, absent)| {
            let called = format!("{name}/{}", absent.version);
            match self.deployer.recorded(&called, &absent.digest).ok()? {
                crate::control::deploy::Recorded::Graph(graph) => Some(*graph),
                crate::control::deploy::Recorded::Pipeline(_) => None,
            }
        });
        graphs.collect()
    }

    /// Puts these versions into service, if they are still recorded.
    async fn put_back(&self, opened: &HashMap<Digest, Arc<Pipeline>>) -> Vec<String> {
        let _permit = self.turn.lock().await;
        let ledger = self.ledger.load_full();
        let snapshot = Arc::clone(&self.serving.registry.read());
        let names: BTreeSet<&str> = opened
            .values()
            .map(|pipeline| pipeline.name.as_str())
            .collect();
        let (mut models, mut restored) = (Vec::new(), Vec::new());
        for name in names {
            let Some((entry, model)) = ledger.state.model(name).zip(snapshot.model(name)) else {
                continue;
            };
            let find = |_: &Version, digest: &Digest| {
                let served = || {
                    model
                        .versions()
                        .iter()
                        .find(|pipeline| pipeline.digest == *digest)
                };
                let absent = || {
                    model
                        .absent()
                        .iter()
                        .find(|absent| absent.digest == *digest)
                };
                let there = opened
                    .get(digest)
                    .or_else(served)
                    .map(|pipeline| Found::Serves(Arc::clone(pipeline)));
                there.or_else(|| absent().map(|absent| Found::Absent(absent.why.clone())))
            };
            let Some(versions) = Versions::of(entry, find) else {
                continue;
            };
            let Ok(default_target) = self.default_target(entry, &versions, &[]) else {
                continue;
            };
            let back = versions
                .in_service
                .values()
                .filter(|pipeline| opened.contains_key(&pipeline.digest));
            restored.extend(back.map(|pipeline| format!("{}/{}", pipeline.name, pipeline.version)));
            models.push((name.to_owned(), versions.model(entry, default_target)));
        }
        self.serving.registry.replace(snapshot.with(models));
        restored
    }

    /// Retries all versions of a name that could not be opened.
    pub(super) async fn open_name_again(&self, name: &ModelName) -> Result<(), ControlError> {
        let asked: Vec<(ModelName, Version)> = {
            let snapshot = self.serving.registry.read();
            let absent = snapshot
                .model(name.as_str())
                .map_or(&[][..], |model| model.absent());
            absent
                .iter()
                .filter_map(|absent| Some((name.clone(), absent.version.parse().ok()?)))
                .collect()
        };
        match self.open_again(&asked).await.1 {
            Some((_, _, error)) => Err(error.into()),
            None => Ok(()),
        }
    }
}
