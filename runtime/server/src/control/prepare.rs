//! From documents to pipelines that are ready to serve, while the old ones serve.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use hotstage_core::digest::Digest;
use hotstage_core::graph::Branch;
use hotstage_core::journal::{Change, State, Verdict};
use hotstage_core::manifest::{Documents, KeyPath, Problem, Problems, Written, WrittenRoute};
use hotstage_core::name::{ModelName, Version};

use super::{ChangeOptions, Control, ControlError, ErrorKind, Removals, locked};
use crate::control::deploy::{DeployError, Paths, Progress, Restored, Tests, sent};
use crate::serving::pipeline::{Made, Pipeline};
use crate::serving::registry::Phase;
use hotstage_client::Document;

/// The parts of a change.
#[derive(Default)]
pub(super) struct Prepared {
    /// The versions that the documents describe.
    pub(super) wanted: Vec<(ModelName, Version, Digest)>,
    /// The position of each document, for problems found later.
    pub(super) places: Vec<Problem>,
    /// Those that are not served yet, ready to serve.
    pub(super) pipelines: HashMap<Digest, Arc<Pipeline>>,
    /// The routes that the documents describe.
    pub(super) routes: Vec<WrittenRoute>,
    /// The rollouts that the documents describe, by name and digest.
    pub(super) rollouts: Vec<(ModelName, Digest)>,
    /// Versions that could not be opened before and are in service again.
    pub(super) restored: Vec<String>,
    /// Number of pipelines opened for the change.
    pub(super) loaded: u32,
    /// Total time of opening them.
    pub(super) made: Made,
}

/// The wanted state.
pub(super) struct Wanted<'a> {
    pub(super) documents: &'a Documents,
    pub(super) sent: Option<&'a Sent>,
    /// Whether a served version may be replaced by different content.
    pub(super) replace: bool,
    /// What the change removes.
    pub(super) gone: &'a Removals,
}

impl Wanted<'_> {
    /// How paths in a file are resolved.
    pub(super) fn paths<'p>(&'p self, file: &str, none: &'p BTreeMap<String, Digest>) -> Paths<'p> {
        match self.sent {
            Some(sent) => Paths::Sent(sent.paths.get(file).unwrap_or(none)),
            None => Paths::Disk,
        }
    }
}

/// Uploaded documents, and the bytes their paths stand for.
pub(super) struct Sent {
    pub(super) documents: Documents,
    paths: HashMap<String, BTreeMap<String, Digest>>,
}

impl Sent {
    /// Parses them.
    pub(super) fn read(documents: &[Document]) -> Result<Self, ControlError> {
        if documents.is_empty() {
            return Err(ControlError::new(
                ErrorKind::Invalid,
                "documents: is empty; there is nothing to apply",
            ));
        }
        let mut paths = HashMap::new();
        for Document {
            file, paths: given, ..
        } in documents
        {
            let mut digests = BTreeMap::new();
            for (path, digest) in given {
                let digest = digest.parse().map_err(|error| {
                    ControlError::new(
                        ErrorKind::Invalid,
                        format!("documents: {file}: paths: {path}: {error}"),
                    )
                })?;
                digests.insert(path.clone(), digest);
            }
            if paths.insert(file.clone(), digests).is_some() {
                return Err(ControlError::new(
                    ErrorKind::Invalid,
                    format!("documents: {file} is there twice"),
                ));
            }
        }
        let documents = sent(
            documents
                .iter()
                .map(|document| (document.file.as_str(), document.text.as_str())),
        )?;
        Ok(Self { documents, paths })
    }
}

impl Prepared {
    /// The changes that lead from the current state to the wanted one.
    pub(super) fn changes(
        &self,
        state: &State,
        replace: bool,
    ) -> Result<Vec<Change>, ControlError> {
        let mut problems = Problems::default();
        let mut changes = Vec::new();
        for ((pipeline, version, digest), place) in self.wanted.iter().zip(&self.places) {
            let verdict = state.verdict(pipeline.as_str(), version.as_str(), *digest);
            if let Some(message) = conflict(verdict, pipeline, version, replace) {
                problems.push(Problem {
                    message,
                    ..place.clone()
                });
                continue;
            }
            let replaces = match verdict {
                Verdict::Unchanged => continue,
                Verdict::Differs(served) => Some(served),
                _ => None,
            };
            let (pipeline, version, digest) = (pipeline.clone(), version.clone(), *digest);
            changes.push(Change::Serve {
                pipeline,
                version,
                digest,
                replaces,
            });
        }
        Ok(problems.or(changes)?)
    }

    /// Records a pipeline that was opened for the change.
    pub(super) fn opened(&mut self, pipeline: Pipeline) -> Arc<Pipeline> {
        self.loaded += 1;
        self.made.compiled += pipeline.made.compiled;
        self.made.tests += pipeline.made.tests;
        for warning in &pipeline.warnings {
            tracing::warn!(pipeline = pipeline.name, version = pipeline.version, %warning, "served despite a warning");
        }
        Arc::new(pipeline)
    }

    /// Versions that are already served with the same digest.
    pub(super) fn unchanged(&self, state: &State) -> Vec<String> {
        let same = self.wanted.iter().filter(|(name, version, digest)| {
            state.verdict(name.as_str(), version.as_str(), *digest) == Verdict::Unchanged
        });
        let same = same.map(|(name, version, _)| format!("{name}/{version}"));
        let tried = self.rollouts.iter().filter(|(name, digest)| {
            let known = state
                .model(name.as_str())
                .and_then(|entry| entry.rollout.as_ref());
            known.is_some_and(|known| known.digest == *digest)
        });
        let tried = tried.map(|(name, _)| format!("rollout {name}"));
        same.chain(self.unchanged_routes(state))
            .chain(tried)
            .collect()
    }

    /// A version that the documents describe, if it is ready.
    pub(super) fn pipeline(&self, name: &ModelName, version: &str) -> Option<Arc<Pipeline>> {
        let wanted = self
            .wanted
            .iter()
            .find(|(other, wanted, _)| other == name && wanted.as_str() == version)?;
        self.pipelines.get(&wanted.2).map(Arc::clone)
    }
}

pub(super) fn conflict(
    verdict: Verdict,
    pipeline: &ModelName,
    version: &Version,
    replace: bool,
) -> Option<String> {
    match verdict {
        Verdict::Differs(served) if !replace => Some(format!(
            "{pipeline}/{version} is served with another digest ({served}); a version never changes: give this one \
             another version, or say --replace"
        )),
        Verdict::IsLabel => Some(format!(
            "`{version}` is a label of `{pipeline}`; call the version something else"
        )),
        _ => None,
    }
}

impl Control {
    /// Runs every check of the documents and opens the pipelines that are not loaded.
    pub(super) async fn prepare(
        &self,
        wanted: &Wanted<'_>,
        ask: &ChangeOptions,
        progress: &dyn Progress,
    ) -> Result<Prepared, ControlError> {
        let mut problems = Problems::default();
        let mut prepared = Prepared::default();
        for document in &wanted.documents.pipelines {
            match self
                .prepare_one(document, wanted, &mut prepared, progress)
                .await
            {
                Ok(()) => {}
                Err(DeployError::Refused(found)) => problems.append(found),
                Err(error) => return Err(error.into()),
            }
        }
        // Graphs and routes are checked once the pipelines they name are ready. After a refused
        // pipeline they would only report it again as missing.
        let mut prepared = problems.or(prepared)?;
        // A start has just tried this.
        if !ask.dry_run && self.serving.registry.phase() != Phase::Starting {
            self.restore(&mut prepared).await?;
        }
        self.prepare_graphs(wanted, &mut prepared, progress).await?;
        self.prepare_routes(wanted.documents, &mut prepared)?;
        let rollouts = wanted.documents.rollouts.iter();
        prepared.rollouts = rollouts
            .map(|rollout| (rollout.name().clone(), rollout.digest()))
            .collect();
        Ok(prepared)
    }

    /// Retries recorded versions that could not be opened; what they need is in the store now.
    async fn restore(&self, prepared: &mut Prepared) -> Result<(), ControlError> {
        let failed = prepared
            .wanted
            .iter()
            .filter(|(name, _, digest)| self.has_failed(name, digest));
        let asked: Vec<(ModelName, Version)> = failed
            .map(|(name, version, _)| (name.clone(), version.clone()))
            .collect();
        if asked.is_empty() {
            return Ok(());
        }
        let (restored, failure) = self.open_again(&asked).await;
        prepared.restored = restored;
        let Some((name, version, error)) = failure else {
            return Ok(());
        };
        let wanted = prepared.wanted.iter().zip(&prepared.places);
        let place = wanted
            .into_iter()
            .find(|((known, other, _), _)| *known == name && *other == version);
        match place {
            Some((_, place)) => {
                let message =
                    format!("{name}/{version} is recorded as served and can't be opened: {error}");
                Err(Problems::from(Problem {
                    message,
                    ..place.clone()
                })
                .into())
            }
            None => Err(error.into()),
        }
    }

    async fn prepare_one(
        &self,
        document: &Written,
        wanted: &Wanted<'_>,
        prepared: &mut Prepared,
        progress: &dyn Progress,
    ) -> Result<(), DeployError> {
        let none = BTreeMap::new();
        let paths = wanted.paths(document.file(), &none);
        let material = self
            .deployer
            .resolve_or_explain(document, paths, progress)
            .await?;
        let (name, version) = (
            material.manifest.name.clone(),
            material.manifest.version.clone(),
        );
        let digest = material.manifest.digest();
        let at =
            |message| document.problem(&KeyPath::default().key("metadata").key("version"), message);
        let verdict = self
            .ledger
            .load()
            .state
            .verdict(name.as_str(), version.as_str(), digest);
        // Skip compiling what can't be served. The commit checks this again.
        if let Some(message) = conflict(verdict, &name, &version, wanted.replace) {
            return Err(at(message).into());
        }
        if verdict != Verdict::Unchanged && !prepared.pipelines.contains_key(&digest) {
            let pipeline = match self.loaded(&digest) {
                Some(loaded) => loaded,
                None => prepared.opened(
                    self.deployer
                        .make(document, &material, Tests::Run, progress)
                        .await?,
                ),
            };
            prepared.pipelines.insert(digest, pipeline);
        }
        if verdict == Verdict::Unchanged && self.has_failed(&name, &digest) {
            // All other damaged bytes are repaired by now; this restores the canonical manifest.
            self.store().put(material.manifest.canonical().as_bytes())?;
        }
        prepared.places.push(at(String::new()));
        prepared.wanted.push((name, version, digest));
        Ok(())
    }

    /// Opens served pipelines that are no longer loaded.
    pub(super) async fn prepare_again(&self, changes: &[Change]) -> Result<Prepared, ControlError> {
        let mut prepared = Prepared::default();
        let mut asleep = Vec::new();
        for change in changes {
            let Change::Serve {
                pipeline,
                version,
                digest,
                ..
            } = change
            else {
                continue;
            };
            let loaded = match self.loaded(digest) {
                // Everything that is served must also be in the store, or the next start would
                // fail.
                Some(loaded) if matches!(self.store().get(digest), Ok(Some(_))) => loaded,
                _ => {
                    let called = format!("{pipeline}/{version}");
                    match self.deployer.restore(&called, digest).await? {
                        Restored::Pipeline(pipeline) => prepared.opened(*pipeline),
                        Restored::Graph(graph) => {
                            asleep.push(*graph);
                            continue;
                        }
                    }
                }
            };
            prepared.pipelines.insert(*digest, loaded);
        }
        let served = |branch: &Branch<Digest>| self.served_member(branch);
        let (made, failures) = self
            .deployer
            .link(asleep, &mut prepared.pipelines, served)
            .await;
        if let Some((_, error)) = failures.into_iter().next() {
            return Err(error.into());
        }
        prepared.loaded += u32::try_from(made.len()).unwrap_or(u32::MAX);
        Ok(prepared)
    }

    /// A pipeline that is out of service and still loaded.
    fn loaded(&self, digest: &Digest) -> Option<Arc<Pipeline>> {
        locked(&self.retired).find(digest)
    }
}
