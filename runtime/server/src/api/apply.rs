//! Changing what is served.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rollout::StepEvidence;

/// Documents to be served: all of them, or nothing changes.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplyRequest {
    /// Manifest files, in any order.
    pub documents: Vec<Document>,
    /// Why; kept in the journal.
    #[serde(default)]
    pub reason: String,
    /// Refuse when the newest revision is not this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_revision: Option<u64>,
    /// Make every check, golden tests included, and change nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// Let a version that is served get another digest.
    #[serde(default)]
    pub replace: bool,
}

/// One manifest file, and the bytes that its paths mean.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// What the sender calls the file; problems name it.
    pub file: String,
    /// Its text.
    pub text: String,
    /// The digest that each path in the text stands for; its bytes were uploaded before. The server
    /// opens no path.
    #[serde(default)]
    pub paths: BTreeMap<String, String>,
}

/// What a change did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Applied {
    /// The revision that records it. None: nothing changed, or it was a dry run.
    pub revision: Option<u64>,
    /// The newest revision now.
    pub head: u64,
    /// Whether nothing was changed because that was asked for.
    pub dry_run: bool,
    /// What changed, or would.
    pub changes: Vec<ChangeMade>,
    /// Versions that were served already, just so.
    pub unchanged: Vec<String>,
    /// Of those, the ones that could not be opened before, and are in service again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restored: Vec<String>,
    /// Pipelines that were opened for it.
    pub loaded: u32,
    /// Components that were compiled for it.
    pub compiled: u32,
    /// Golden tests that passed.
    pub tests: u32,
    /// Milliseconds that it took.
    pub took_ms: u64,
}

/// What happened to something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A version is served that was not.
    Added,
    /// A version has another digest.
    Replaced,
    /// A version is no longer served.
    Removed,
    /// A label points elsewhere, or is new.
    Labelled,
    /// A label is gone.
    Unlabelled,
    /// A route decides from now on.
    Routed,
    /// A route is gone: the newest version answers.
    Unrouted,
    /// A rollout began, is at another step, or is over.
    Rollout,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChangeMade {
    /// What happened.
    pub what: What,
    /// To which pipeline.
    pub pipeline: String,
    /// To which version; the one that the label points at now, or pointed at; those that the route
    /// names.
    pub version: String,
    /// The label, for labels; for rollouts how they go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The digest that is served now; for a version that was removed, the one that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// What was there before: a digest, or a label's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<String>,
    /// For rollouts, what the step came to that ended with this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<StepEvidence>,
}

/// Where a label shall point.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LabelRequest {
    /// A version that is served.
    pub version: String,
    /// Why; kept in the journal.
    #[serde(default)]
    pub reason: String,
    /// Refuse when the newest revision is not this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_revision: Option<u64>,
}

/// Where labels of one name shall point: all of them, or nothing changes.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LabelsRequest {
    /// For each label a version that is served, or null, which takes the label away.
    pub labels: BTreeMap<String, Option<String>>,
    /// Why; kept in the journal.
    #[serde(default)]
    pub reason: String,
    /// Refuse when the newest revision is not this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_revision: Option<u64>,
    /// Make every check and change nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// What shall be served again.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RollbackRequest {
    /// One name: its versions, labels, route and rollout; all other names stay as they are. None:
    /// the whole server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The revision after which things were as they shall be. None: as they were before the newest
    /// revision, or before the last change of the name. A rollback that leaves a served name
    /// without any version needs 0 here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
    /// Why; kept in the journal.
    #[serde(default)]
    pub reason: String,
    /// Refuse when the newest revision is not this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_revision: Option<u64>,
    /// Make every check and change nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// What may be freed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GcRequest {
    /// Say what would be freed; free nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// Revisions, counted from the newest, whose bytes are kept so that they can be rolled back to.
    #[serde(default = "keep_revisions")]
    pub keep_revisions: u64,
    /// Bytes younger than this many seconds stay: somebody may be about to use them.
    #[serde(default = "min_age")]
    pub min_age_seconds: u64,
}

const fn keep_revisions() -> u64 {
    100
}

const fn min_age() -> u64 {
    3600
}

impl Default for GcRequest {
    fn default() -> Self {
        Self {
            dry_run: false,
            keep_revisions: keep_revisions(),
            min_age_seconds: min_age(),
        }
    }
}

/// What was freed, or would be.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Gc {
    /// Whether nothing was freed because that was asked for.
    pub dry_run: bool,
    /// Blobs: components, files, manifests.
    pub blobs: u64,
    /// Their bytes.
    pub blob_bytes: u64,
    /// Compiled components.
    pub compiled: u64,
    /// Their bytes.
    pub compiled_bytes: u64,
    /// Uploads and temporary files that were given up.
    pub abandoned: u64,
    /// Their bytes.
    pub abandoned_bytes: u64,
    /// Blobs that are kept.
    pub kept: u64,
    /// The oldest revision that can still be rolled back to.
    pub oldest_revision: u64,
}

impl std::fmt::Display for ChangeMade {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            what,
            pipeline,
            version,
            label,
            digest,
            was,
            ..
        } = self;
        let label = label.as_deref().unwrap_or_default();
        let digest = digest.as_deref().unwrap_or_default();
        match (what, was) {
            (What::Added, _) => write!(f, "added {pipeline}/{version} {digest}"),
            (What::Replaced, Some(was)) => {
                write!(f, "replaced {pipeline}/{version} {digest} (was {was})")
            }
            (What::Replaced, None) => write!(f, "replaced {pipeline}/{version} {digest}"),
            (What::Removed, _) => write!(f, "removed {pipeline}/{version}"),
            (What::Labelled, Some(was)) => {
                write!(f, "labelled {pipeline} {label} → {version} (was {was})")
            }
            (What::Labelled, None) => write!(f, "labelled {pipeline} {label} → {version}"),
            (What::Unlabelled, _) => write!(f, "unlabelled {pipeline} {label} (was {version})"),
            (What::Routed, Some(was)) => {
                write!(f, "routed {pipeline} → {version} {digest} (was {was})")
            }
            (What::Routed, None) => write!(f, "routed {pipeline} → {version} {digest}"),
            (What::Rollout, _) => write!(f, "rollout {pipeline}: {label}"),
            (What::Unrouted, _) => write!(f, "unrouted {pipeline} (was {digest})"),
        }
    }
}
