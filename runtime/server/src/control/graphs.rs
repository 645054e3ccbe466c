//! Prepares graphs, and rebuilds served graphs when a member changes.
//!
//! A graph is checked after the pipelines of the same change are ready. When a member gets another
//! digest, the graphs that name it are rebuilt in the same change. If one no longer fits, or its
//! inputs or outputs would change, nothing changes. A version that a graph names can't be removed.

use std::collections::BTreeMap;
use std::sync::Arc;

use hotstage_core::digest::Digest;
use hotstage_core::graph::{Branch, ResolvedGraph};
use hotstage_core::journal::{State, Verdict};
use hotstage_core::manifest::{KeyPath, Problem, Problems, WrittenGraph};
use hotstage_core::name::{ModelName, Version};
use hotstage_core::signature::{Port, Signature};
use hotstage_core::suggest::hint;

use super::prepare::{Prepared, Wanted, conflict};
use super::{Control, ControlError, ErrorKind};
use crate::control::deploy::{DeployError, Progress, Tests, in_order, pinned};
use crate::serving::pipeline::Pipeline;

/// A graph to build.
struct Job {
    document: WrittenGraph,
    /// For a rebuilt graph: the position of the changed member's document.
    moved_by: Option<Problem>,
}

impl Job {
    fn names(&self, name: &ModelName, version: &Version) -> bool {
        self.document
            .graph()
            .branches()
            .any(|(_, branch)| branch.pipeline == *name && branch.version == *version)
    }

    fn is(&self, pipeline: &Pipeline) -> bool {
        let graph = self.document.graph();
        graph.name.as_str() == pipeline.name && graph.version.as_str() == pipeline.version
    }
}

impl Control {
    /// Builds the documents' graphs, and rebuilds served graphs whose members change.
    pub(super) async fn prepare_graphs(
        &self,
        wanted: &Wanted<'_>,
        prepared: &mut Prepared,
        progress: &dyn Progress,
    ) -> Result<(), ControlError> {
        let given = wanted.documents.graphs.iter();
        let mut jobs: Vec<Job> = given
            .map(|document| Job {
                document: document.clone(),
                moved_by: None,
            })
            .collect();
        self.add_followers(wanted, prepared, &mut jobs)?;
        let documents: Vec<WrittenGraph> = jobs.iter().map(|job| job.document.clone()).collect();
        let order = in_order(&documents).map_err(Problems::from)?;
        let mut problems = Problems::default();
        let mut failed: Vec<(ModelName, Version)> = Vec::new();
        for index in order {
            let (job, graph) = (&jobs[index], documents[index].graph());
            let waits = failed
                .iter()
                .any(|(name, version)| job.names(name, version));
            let made = if waits {
                Ok(())
            } else {
                self.prepare_graph(job, wanted, prepared, progress).await
            };
            match made {
                Ok(()) if !waits => {}
                // A member was refused, which is already reported.
                Ok(()) => failed.push((graph.name.clone(), graph.version.clone())),
                Err(DeployError::Refused(found)) => {
                    problems.append(moved_member_problems(job, found));
                    failed.push((graph.name.clone(), graph.version.clone()));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(problems.or(())?)
    }

    /// Adds served graphs whose members are about to change and which the documents do not
    /// describe.
    fn add_followers(
        &self,
        wanted: &Wanted<'_>,
        prepared: &Prepared,
        jobs: &mut Vec<Job>,
    ) -> Result<(), ControlError> {
        let snapshot = Arc::clone(&self.serving.registry.read());
        let goes = |pipeline: &Pipeline| {
            let mut gone = wanted.gone.versions.iter();
            gone.any(|(name, version)| {
                name.as_str() == pipeline.name && version.as_str() == pipeline.version
            })
        };
        let mut graphs: Vec<(&Arc<Pipeline>, &ResolvedGraph)> = snapshot
            .pipelines()
            .filter_map(|pipeline| Some((pipeline, &pipeline.graph()?.written)))
            .filter(|(pipeline, _)| !goes(pipeline) && jobs.iter().all(|job| !job.is(pipeline)))
            .collect();
        loop {
            let before = graphs.len();
            let mut left = Vec::new();
            for (pipeline, graph) in graphs {
                let Some(moved_by) = moved_by(graph, prepared, jobs) else {
                    left.push((pipeline, graph));
                    continue;
                };
                let called = format!("the graph {}/{}", pipeline.name, pipeline.version);
                let (document, _) =
                    ResolvedGraph::read(&called, &graph.canonical()).map_err(|error| {
                        ControlError::new(ErrorKind::Defect, format!("{called} is {error}"))
                    })?;
                jobs.push(Job {
                    document,
                    moved_by: Some(moved_by),
                });
            }
            if left.len() == before {
                return Ok(());
            }
            graphs = left;
        }
    }

    async fn prepare_graph(
        &self,
        job: &Job,
        wanted: &Wanted<'_>,
        prepared: &mut Prepared,
        progress: &dyn Progress,
    ) -> Result<(), DeployError> {
        let document = &job.document;
        let none = BTreeMap::new();
        let digest = |branch: &Branch<Option<Digest>>| self.member_digest(job, prepared, branch);
        let paths = wanted.paths(document.file(), &none);
        let material = self.deployer.resolve_graph(document, paths, digest)?;
        let graph = &material.manifest;
        let (name, version, digest) = (graph.name.clone(), graph.version.clone(), graph.digest());
        let at =
            |message| document.problem(&KeyPath::default().key("metadata").key("version"), message);
        let verdict = self
            .ledger
            .load()
            .state
            .verdict(name.as_str(), version.as_str(), digest);
        if let Some(message) = conflict(verdict, &name, &version, wanted.replace) {
            return Err(at(message).into());
        }
        if verdict == Verdict::Unchanged && job.moved_by.is_some() {
            return Ok(());
        }
        if verdict != Verdict::Unchanged && !prepared.pipelines.contains_key(&digest) {
            let member = |branch: &Branch<Digest>| {
                self.about_to_serve(prepared, &branch.pipeline, branch.version.as_str())
            };
            let made = self
                .deployer
                .make_graph(document, &material, member, Tests::Run, progress)
                .await?;
            if job.moved_by.is_some() {
                self.check_same(&made).map_err(|message| {
                    document.problem(&KeyPath::default().key("spec"), message)
                })?;
            }
            let made = prepared.opened(made);
            prepared.pipelines.insert(digest, made);
        }
        if verdict == Verdict::Unchanged && self.has_failed(&name, &digest) {
            self.store().put(graph.canonical().as_bytes())?;
        }
        prepared
            .places
            .push(job.moved_by.clone().unwrap_or_else(|| at(String::new())));
        prepared.wanted.push((name, version, digest));
        Ok(())
    }

    /// The digest of a member as it will be served.
    fn member_digest(
        &self,
        job: &Job,
        prepared: &Prepared,
        branch: &Branch<Option<Digest>>,
    ) -> Result<Digest, String> {
        let (name, version) = (&branch.pipeline, branch.version.as_str());
        let served = self
            .about_to_serve(prepared, name, version)
            .map(|member| member.digest);
        // A recorded graph over a member that is out of service is unchanged.
        let recorded = || self.ledger.load().state.digest(name.as_str(), version);
        let member = served
            .or_else(recorded)
            .ok_or_else(|| self.absent(branch))?;
        // A rebuilt graph keeps the digests of its unchanged members.
        if job.moved_by.is_some() {
            Ok(member)
        } else {
            pinned(branch, member)
        }
    }

    /// A rebuilt graph must keep its signature, because its clients did not ask for a change.
    fn check_same(&self, made: &Pipeline) -> Result<(), String> {
        let snapshot = self.serving.registry.read();
        let versions = snapshot
            .model(&made.name)
            .map_or(&[][..], |model| model.versions());
        let served = versions
            .iter()
            .find(|served| served.version == made.version);
        let Some(served) = served.filter(|served| served.signature() != made.signature()) else {
            return Ok(());
        };
        let list = |ports: &[Port]| {
            ports
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", ")
        };
        let shown = |Signature { inputs, outputs }: &Signature| {
            format!("{} -> {}", list(inputs), list(outputs))
        };
        let (now, then) = (shown(served.signature()), shown(made.signature()));
        Err(format!(
            "its inputs and outputs would change: {then} instead of {now}"
        ))
    }

    /// Why the member does not exist.
    fn absent(&self, branch: &Branch<Option<Digest>>) -> String {
        let ledger = self.ledger.load();
        let (name, version) = (branch.pipeline.as_str(), branch.version.as_str());
        let Some(entry) = ledger.state.model(name) else {
            let names: Vec<&str> = ledger
                .state
                .models()
                .take(1000)
                .map(|(name, _)| name.as_str())
                .collect();
            let hint = hint(name, names.iter().copied());
            return format!("there is no pipeline `{name}`; {hint}; apply it first, or together");
        };
        if entry.labels.contains_key(version) {
            format!(
                "`{version}` is a label; a graph names versions, so that each change of it is a revision"
            )
        } else if entry.versions.contains_key(version) {
            format!(
                "{} is not in service; `hotstage status` says why",
                branch.shown()
            )
        } else {
            let hint = hint(version, entry.versions.keys().map(Version::as_str));
            format!(
                "there is no version `{version}` of `{name}`; {hint}; apply it first, or together"
            )
        }
    }

    /// Checks that every graph's members are served with the digests that the graph was checked
    /// with.
    pub(super) fn check_graphs(
        &self,
        after: &State,
        prepared: &Prepared,
    ) -> Result<(), ControlError> {
        let snapshot = self.serving.registry.read();
        for (name, version, digest) in after.pipelines() {
            let of_name = || {
                snapshot
                    .model(name.as_str())
                    .map_or(&[][..], |model| model.versions())
            };
            let served = || of_name().iter().find(|pipeline| pipeline.digest == digest);
            let stored;
            let graph = match prepared.pipelines.get(&digest).or_else(served) {
                Some(pipeline) => pipeline.graph().map(|graph| &graph.written),
                // A graph that could not be loaded at the start counts as well.
                None => {
                    let text = self.store().get(&digest).ok().flatten().unwrap_or_default();
                    stored = ResolvedGraph::parse(&String::from_utf8_lossy(&text)).ok();
                    stored.as_ref()
                }
            };
            for (_, branch) in graph.into_iter().flat_map(ResolvedGraph::branches) {
                let member = branch.shown();
                let message = match after.digest(branch.pipeline.as_str(), branch.version.as_str())
                {
                    Some(served) if served == branch.digest => continue,
                    Some(_) => format!(
                        "the graph {name}/{version} uses {member} with another digest, {}; change both in one \
                         revision, or try again if another change came first",
                        branch.digest
                    ),
                    None => format!(
                        "{member} can't go: the graph {name}/{version} names it; change or delete the graph first"
                    ),
                };
                return Err(ControlError::new(ErrorKind::Conflict, message));
            }
        }
        Ok(())
    }

    /// A served member, as named by a graph from the store.
    pub(super) fn served_member(&self, branch: &Branch<Digest>) -> Option<Arc<Pipeline>> {
        let snapshot = self.serving.registry.read();
        let versions = snapshot.model(branch.pipeline.as_str())?.versions();
        versions
            .iter()
            .find(|pipeline| pipeline.digest == branch.digest)
            .map(Arc::clone)
    }
}

/// Position of the document of the first member that gets another digest, if any.
fn moved_by(graph: &ResolvedGraph, prepared: &Prepared, jobs: &[Job]) -> Option<Problem> {
    graph.branches().find_map(|(_, branch)| {
        let is_meant = |name: &ModelName, version: &Version| {
            *name == branch.pipeline && *version == branch.version
        };
        let wanted = prepared.wanted.iter().zip(&prepared.places);
        let moved = wanted.into_iter().find(|((name, version, digest), _)| {
            is_meant(name, version) && *digest != branch.digest
        });
        let by_graph = || {
            let job = jobs
                .iter()
                .find(|job| is_meant(&job.document.graph().name, &job.document.graph().version))?;
            let path = KeyPath::default().key("metadata").key("version");
            Some(
                job.moved_by
                    .clone()
                    .unwrap_or_else(|| job.document.problem(&path, String::new())),
            )
        };
        moved.map(|(_, place)| place.clone()).or_else(by_graph)
    })
}

/// Reports the problems of a rebuilt graph at the document of the member that caused them.
fn moved_member_problems(job: &Job, found: Problems) -> Problems {
    let Some(place) = &job.moved_by else {
        return found;
    };
    let graph = job.document.graph();
    let why: Vec<String> = found
        .list()
        .iter()
        .map(|problem| format!("{}: {}", problem.path, problem.message))
        .collect();
    let message = format!(
        "the graph {}/{} names this version and does not fit it any more: {}; apply the graph changed together with \
         it, or delete it first",
        graph.name,
        graph.version,
        why.join("; ")
    );
    Problem {
        message,
        ..place.clone()
    }
    .into()
}
