//! Read-only queries of what is served.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use hotstage_core::digest::Digest;
use hotstage_core::graph::{Default as Otherwise, Does, Node};
use hotstage_core::journal::{Change, Entry};
use hotstage_core::manifest::{NotCanonical, Resolved, Test};
use hotstage_core::signature::Port;

use super::{Control, ControlError, ErrorKind, locked};
use crate::serving::counts::histogram::quantile_ms;
use crate::serving::pipeline::{Graph, Pipeline, Step};
use crate::serving::registry::{Absent, Model, Why, newer};
use hotstage_client::{
    Condition, InstanceInfo, LabelInfo, MemberInfo, ModelInfo, NodeInfo, Page, PipelineInfo,
    PortInfo, StageInfo, VersionInfo,
};

impl Control {
    /// At most `limit` names after this one, in alphabetical order.
    pub fn page(&self, after: Option<&str>, limit: usize) -> Page {
        let ledger = self.ledger.load();
        let names = ledger
            .state
            .models()
            .filter(|(name, _)| after.is_none_or(|after| name.as_str() > after));
        let mut models: Vec<ModelInfo> = names
            .take(limit.max(1) + 1)
            .map(|(name, entry)| self.about(name.as_str(), entry))
            .collect();
        let more = models.len() > limit.max(1);
        models.truncate(limit.max(1));
        let next_after = models
            .last()
            .filter(|_| more)
            .map(|model| model.name.clone());
        Page {
            head: ledger.head.number,
            total: ledger.state.models().len() as u64,
            models,
            next_after,
        }
    }

    /// One name.
    pub fn model(&self, name: &str) -> Result<ModelInfo, ControlError> {
        let ledger = self.ledger.load();
        let entry = ledger
            .state
            .model(name)
            .ok_or_else(|| self.no_pipeline(name))?;
        Ok(self.about(name, entry))
    }

    pub(super) fn no_pipeline(&self, name: &str) -> ControlError {
        let ledger = self.ledger.load();
        let names: Vec<&str> = ledger
            .state
            .models()
            .take(1000)
            .map(|(name, _)| name.as_str())
            .collect();
        let hint = hotstage_core::suggest::hint(name, names.iter().copied());
        let name = hotstage_core::suggest::shown(name);
        ControlError::new(
            ErrorKind::NotFound,
            format!("there is no pipeline `{name}`; {hint}"),
        )
    }

    fn about(&self, name: &str, entry: &Entry) -> ModelInfo {
        let snapshot = self.serving.registry.read();
        let model = snapshot.model(name);
        let mut versions: Vec<VersionInfo> = entry
            .versions
            .iter()
            .map(|(version, digest)| {
                let loaded = model.and_then(|model| {
                    model
                        .versions()
                        .iter()
                        .find(|loaded| loaded.digest == *digest)
                });
                match loaded {
                    Some(pipeline) => version_info(pipeline, Condition::Ready),
                    None => absent_info(version.as_str(), digest, absent_from(model, digest)),
                }
            })
            .collect();
        versions.sort_by(|a, b| newer(&a.version, &b.version));
        let answers = versions
            .iter()
            .rfind(|version| version.condition == Condition::Ready);
        let answers = answers
            .filter(|_| entry.route.is_none())
            .map(|version| version.version.clone());
        let route = entry
            .route
            .as_ref()
            .map(|routed| self.route_info(routed, model));
        let retired = locked(&self.retired);
        let kept = retired.kept.iter().filter(|kept| kept.name == name);
        versions.extend(kept.map(|kept| version_info(kept, Condition::Kept)));
        let draining = retired
            .draining
            .iter()
            .filter_map(std::sync::Weak::upgrade)
            .filter(|gone| gone.name == name);
        versions.extend(draining.map(|gone| version_info(&gone, Condition::Draining)));
        let labels = entry.labels.iter();
        let labels = labels.map(|(label, to)| LabelInfo {
            label: label.to_string(),
            version: to.to_string(),
        });
        ModelInfo {
            name: name.to_owned(),
            answers,
            route,
            versions,
            labels: labels.collect(),
        }
    }

    /// One version in detail; the default version when none is named.
    pub async fn pipeline(
        &self,
        name: &str,
        version: Option<&str>,
    ) -> Result<PipelineInfo, ControlError> {
        let pipeline = {
            let snapshot = self.serving.registry.read();
            let model = snapshot.model(name).ok_or_else(|| self.no_pipeline(name))?;
            let found = match version {
                Some(version) => model.version(version),
                None => model.newest(),
            };
            let absent = || version.and_then(|version| model.absent_version(version));
            found.map(Arc::clone).ok_or_else(|| {
                if let (Condition::Failed, Some(why)) = absence(absent()) {
                    let version = version.unwrap_or_default();
                    return ControlError::new(
                        ErrorKind::Conflict,
                        format!("{name}/{version} can't be opened: {why}"),
                    );
                }
                let versions: Vec<&str> = model
                    .versions()
                    .iter()
                    .map(|found| found.version.as_str())
                    .collect();
                let version = version.unwrap_or_default();
                let message = format!(
                    "`{name}` has no version or label `{version}`; it has {}",
                    versions.join(", ")
                );
                ControlError::new(ErrorKind::NotFound, message)
            })?
        };
        let text = self.store().get(&pipeline.digest)?.unwrap_or_default();
        let (stages, tests) =
            parts(&pipeline, &String::from_utf8_lossy(&text)).map_err(|error| {
                ControlError::new(ErrorKind::Defect, format!("{} is {error}", pipeline.digest))
            })?;
        let brought = self.brought(&pipeline).await?;
        let ledger = self.ledger.load();
        let labels = ledger
            .state
            .model(name)
            .into_iter()
            .flat_map(|entry| &entry.labels);
        let labels = labels
            .filter(|(_, to)| to.as_str() == pipeline.version)
            .map(|(label, _)| label.to_string());
        let signature = pipeline.signature();
        Ok(PipelineInfo {
            name: pipeline.name.clone(),
            about: version_info(&pipeline, Condition::Ready),
            labels: labels.collect(),
            revision: brought.as_ref().map(|brought| brought.0),
            actor: brought.as_ref().map(|brought| brought.1.clone()),
            since: brought.map(|brought| super::history::shown(brought.2)),
            inputs: signature.inputs.iter().map(port).collect(),
            outputs: signature.outputs.iter().map(port).collect(),
            stages,
            nodes: pipeline.graph().map(node_infos).unwrap_or_default(),
            tests,
            manifest: serde_json::from_slice(&text).unwrap_or_default(),
        })
    }

    /// The revision that last introduced a version, its actor and its time.
    async fn brought(
        &self,
        pipeline: &Pipeline,
    ) -> Result<Option<(u64, String, i64)>, ControlError> {
        let digest = pipeline.digest;
        let found = self.with_journal(move |journal| {
            let mut brought = None;
            journal.walk(|revision, _| {
                if revision
                    .changes
                    .iter()
                    .filter_map(Change::serves)
                    .any(|served| served == digest)
                {
                    brought = Some((revision.number, revision.actor.clone(), revision.time_ms));
                }
                true
            })?;
            Ok::<_, crate::state::journal::JournalError>(brought)
        });
        Ok(found.await??)
    }
}

/// Why a recorded version of this digest is not in service.
pub(super) fn absent_from<'a>(model: Option<&'a Model>, digest: &Digest) -> Option<&'a Absent> {
    model?
        .absent()
        .iter()
        .find(|absent| absent.digest == *digest)
}

/// Condition and reason of a version that is not in service.
pub(super) fn absence(absent: Option<&Absent>) -> (Condition, Option<String>) {
    match absent.map(|absent| &absent.why) {
        Some(Why::Failed(why)) => (Condition::Failed, Some(why.to_string())),
        _ => (Condition::Loading, None),
    }
}

fn absent_info(version: &str, digest: &Digest, absent: Option<&Absent>) -> VersionInfo {
    let (condition, why) = absence(absent);
    let (version, digest) = (version.to_owned(), digest.to_string());
    VersionInfo {
        version,
        digest,
        condition,
        why,
        ..VersionInfo::default()
    }
}

fn version_info(pipeline: &Pipeline, condition: Condition) -> VersionInfo {
    let counts = &pipeline.counts;
    let durations = counts.durations.buckets();
    VersionInfo {
        version: pipeline.version.clone(),
        digest: pipeline.digest.to_string(),
        condition,
        why: None,
        answered: counts.answered.read(),
        failed: counts.failed.iter().map(|count| count.load(Relaxed)).sum(),
        p50_ms: quantile_ms(&durations, 0.5),
        p99_ms: quantile_ms(&durations, 0.99),
        instances: instances(pipeline),
    }
}

/// Number of instances of all its stages.
pub(super) fn instances(pipeline: &Pipeline) -> u64 {
    let counts = pipeline.steps().iter().map(|step| step.stage.counts());
    counts
        .map(|(made, ended, _)| made.saturating_sub(ended))
        .sum()
}

fn port(port: &Port) -> PortInfo {
    PortInfo {
        name: port.name.clone(),
        datatype: port.datatype.name().to_owned(),
        shape: port.protocol_shape(),
    }
}

/// Its stages, and the names of its golden tests.
fn parts(pipeline: &Pipeline, text: &str) -> Result<(Vec<StageInfo>, Vec<String>), NotCanonical> {
    let names = |tests: &[Test<Digest>]| tests.iter().map(|test| test.name.clone()).collect();
    if let Some(graph) = pipeline.graph() {
        return Ok((Vec::new(), names(&graph.written.tests)));
    }
    let manifest = Resolved::parse(text)?;
    let stages = pipeline
        .steps()
        .iter()
        .zip(&manifest.stages)
        .map(|(step, stage)| stage_info(step, stage));
    Ok((stages.collect(), names(&manifest.tests)))
}

fn node_infos(graph: &Graph) -> Vec<NodeInfo> {
    let nodes = graph.written.nodes.iter().enumerate();
    let info = |(index, node): (usize, &Node<Digest>)| NodeInfo {
        name: node.name.to_string(),
        kind: match node.does {
            Does::Call => "pipeline",
            Does::Ensemble { .. } => "ensemble",
            Does::Switch { .. } => "switch",
            Does::Split { .. } => "splitter",
        }
        .to_owned(),
        members: (0..node.branches.len())
            .map(|branch| member_info(node, index, branch))
            .collect(),
        merge: match &node.does {
            Does::Ensemble { merge, .. } => merge
                .iter()
                .map(|(output, method)| (output.clone(), method.word().to_owned()))
                .collect(),
            _ => BTreeMap::new(),
        },
        sticky: match &node.does {
            Does::Split { sticky, .. } => sticky.clone(),
            _ => None,
        },
        default: match &node.does {
            Does::Switch {
                default: Otherwise::Pass,
                ..
            } => Some("pass".to_owned()),
            _ => None,
        },
    };
    nodes.map(info).collect()
}

fn member_info(node: &Node<Digest>, index: usize, branch: usize) -> MemberInfo {
    let asked = &node.branches[branch];
    MemberInfo {
        pipeline: asked.pipeline.to_string(),
        version: asked.version.to_string(),
        digest: asked.digest.to_string(),
        place: node.path(index, branch).to_string(),
        soft: match &node.does {
            Does::Ensemble { soft, .. } => soft.get(branch).copied().unwrap_or_default(),
            _ => false,
        },
        weight: match &node.does {
            Does::Split { weights, .. } => weights.get(branch).copied(),
            _ => None,
        },
        timeout_ms: asked.timeout.map(|timeout| timeout.as_secs_f64() * 1e3),
    }
}

fn stage_info(step: &Step, stage: &hotstage_core::manifest::Stage<Digest, Digest>) -> StageInfo {
    let (created, ended, _) = step.stage.counts();
    let (seconds, calls, _) = step.durations.read();
    let about = step.stage.about();
    StageInfo {
        name: step.name.clone(),
        role: stage.role.name().to_owned(),
        component: stage.component.to_string(),
        describes: format!("{} {}", about.name, about.version),
        engines: step.stage.engines().to_vec(),
        files: stage
            .files
            .iter()
            .map(|(name, digest)| (name.to_string(), digest.to_string()))
            .collect(),
        mean_ms: (calls > 0).then(|| seconds * 1e3 / calls as f64),
        instances: InstanceInfo {
            exist: created.saturating_sub(ended),
            created,
            ended,
            min: step.stage.limits().instances.min.map(u64::from),
            max: u64::from(step.stage.limits().instances.max),
        },
    }
}
