//! A pipeline as used, its canonical text, and its digest.
//!
//! The canonical text is a manifest too, in JSON: `hotstage apply` accepts it. It holds what
//! changes an answer and nothing else. So descriptions, labels, annotations and paths are not in
//! it, but every limit, every tolerance and the settings are, whether written or defaulted: a later
//! change of a default can't change the meaning of an old digest. `spec.outputs` is left out where
//! the last stage's outputs are answered, since the components determine those.

use serde_json::{Map, Value, json};

use super::canonical::canonical_text;
use super::node::Node;
use super::{
    API_VERSION, ComponentRef, DocumentRef, FileRef, Resolve, Resolved, Stage, Test, Written,
};
use crate::batch::Batching;
use crate::digest::Digest;
use crate::limits::{HELD_BYTES, Instances, Reuse, StageLimits};

/// Text that is not a pipeline's canonical text: another text was stored, or it was damaged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a canonical manifest: {0}")]
pub struct NotCanonical(String);

impl NotCanonical {
    pub(super) fn because(why: &impl ToString) -> Self {
        Self(why.to_string())
    }
}

impl Resolved {
    /// The text that the blob store keeps.
    pub fn canonical(&self) -> String {
        canonical_text(&self.to_json())
    }

    /// The pipeline's digest: the SHA-256 of its canonical text.
    pub fn digest(&self) -> Digest {
        Digest::of(self.canonical().as_bytes())
    }

    /// Parses a canonical text. Refuses every other text, even one with the same meaning.
    pub fn parse(text: &str) -> Result<Self, NotCanonical> {
        Self::read("canonical", text).map(|(_, resolved)| resolved)
    }

    /// The same, with the document, so that later problems can be reported as for any other
    /// document. `file` is its name in messages.
    pub fn read(file: &str, text: &str) -> Result<(Written, Self), NotCanonical> {
        let value: Value =
            serde_json::from_str(text).map_err(|error| NotCanonical(error.to_string()))?;
        let (written, problems) = super::read::decode(&file.into(), Node::from_json(&value));
        let written = match written {
            Some(written) if problems.is_empty() => written,
            _ => return Err(NotCanonical(problems.to_string())),
        };
        let resolved = written
            .resolve(&mut DigestsOnly)
            .map_err(|problems| NotCanonical(problems.to_string()))?;
        if resolved.canonical() == text {
            Ok((written, resolved))
        } else {
            Err(NotCanonical(
                "the text differs from its canonical form".to_owned(),
            ))
        }
    }

    fn to_json(&self) -> Value {
        let mut spec = Map::new();
        spec.insert("stages".to_owned(), self.stages.iter().map(stage).collect());
        spec.insert("tests".to_owned(), self.tests.iter().map(test).collect());
        if let Some(outputs) = &self.outputs {
            spec.insert("outputs".to_owned(), json!(outputs));
        }
        if self.cache {
            spec.insert("cache".to_owned(), json!(true));
        }
        json!({
            "apiVersion": API_VERSION,
            "kind": "Pipeline",
            "metadata": { "name": self.name.as_str(), "version": self.version.as_str() },
            "spec": spec,
        })
    }
}

fn stage(stage: &Stage<Digest, Digest>) -> Value {
    let files: Map<String, Value> = stage
        .files
        .iter()
        .map(|(name, digest)| (name.to_string(), json!(digest.to_string())))
        .collect();
    let mut written = json!({
        "name": stage.name.as_str(),
        "role": stage.role.name(),
        "component": stage.component.to_string(),
        "settings": stage.settings,
        "files": files,
        "inputs": stage.inputs,
        "outputs": stage.outputs,
        "limits": limits(&stage.limits),
    });
    // Left out where there is none, so that older manifests keep their digest.
    if let Some(batch) = &stage.batch {
        written["batch"] = batching(batch);
    }
    if let Some(isolation) = stage.isolation {
        written["isolation"] = json!(isolation.name());
    }
    written
}

fn batching(batching: &Batching) -> Value {
    let Batching {
        max_rows,
        max_delay,
        timeout,
    } = batching;
    json!({
        "max_rows": max_rows,
        "max_delay": format!("{}us", max_delay.as_micros()),
        "timeout": format!("{}us", timeout.as_micros()),
    })
}

/// Every limit by name, so that a new one can't be forgotten here.
fn limits(limits: &StageLimits) -> Value {
    let StageLimits {
        memory,
        time,
        output_bytes,
        handles,
        held_bytes,
        log_bytes,
        instances,
    } = limits;
    let mut written = json!({
        "memory": memory,
        "time": format!("{}us", time.as_micros()),
        "output_bytes": output_bytes,
        "handles": handles,
        "log_bytes": log_bytes,
        "instances": instances_of(instances),
    });
    // Left out where it is the default, so that older manifests keep their digest.
    if *held_bytes != HELD_BYTES {
        written["held_bytes"] = json!(held_bytes);
    }
    written
}

/// A number where only `max` is set, so that older manifests keep their digest.
fn instances_of(instances: &Instances) -> Value {
    let Instances {
        min,
        max,
        idle,
        reuse,
    } = instances;
    if *instances
        == (Instances {
            max: *max,
            ..Instances::default()
        })
    {
        return json!(max);
    }
    let mut written = json!({ "max": max, "idle": format!("{}us", idle.as_micros()) });
    if let Some(min) = min {
        written["min"] = json!(min);
    }
    if *reuse == Reuse::Never {
        written["reuse"] = json!("never");
    }
    written
}

pub(super) fn test(test: &Test<Digest>) -> Value {
    json!({
        "name": test.name,
        "request": test.request.to_string(),
        "expect": test.expect.to_string(),
        "tolerance": test.tolerance,
    })
}

/// In a canonical text every reference is a digest.
pub(super) struct DigestsOnly;

const ONLY_DIGESTS: &str = "is not a digest";

impl Resolve for DigestsOnly {
    fn component(&mut self, reference: &ComponentRef) -> Result<Digest, String> {
        match reference {
            ComponentRef::Digest(digest) => Ok(*digest),
            _ => Err(ONLY_DIGESTS.to_owned()),
        }
    }

    fn file(&mut self, reference: &FileRef) -> Result<Digest, String> {
        match reference {
            FileRef::Digest(digest) => Ok(*digest),
            FileRef::Path(_) => Err(ONLY_DIGESTS.to_owned()),
        }
    }

    fn document(&mut self, reference: &DocumentRef) -> Result<Digest, String> {
        match reference {
            DocumentRef::Digest(digest) => Ok(*digest),
            _ => Err(ONLY_DIGESTS.to_owned()),
        }
    }
}
