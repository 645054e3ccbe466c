//! Changing what is served.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rollout::StepEvidence;

/// Documents to serve. Either all are applied or none.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplyRequest {
    /// Manifest files, in any order.
    pub documents: Vec<Document>,
    /// The reason; recorded in the journal.
    #[serde(default)]
    pub reason: String,
    /// Refuse the change unless this is the newest revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_revision: Option<u64>,
    /// Run every check, golden tests included, without changing anything.
    #[serde(default)]
    pub dry_run: bool,
    /// Allow replacing a served version with different content.
    #[serde(default)]
    pub replace: bool,
}

/// One manifest file and the content of the paths it names.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// The sender's name for the file; error messages use it.
    pub file: String,
    /// Its text.
    pub text: String,
    /// The digest of each path in the text. The bytes must have been uploaded before; the server
    /// opens no path.
    #[serde(default)]
    pub paths: BTreeMap<String, String>,
}

/// The result of a change or of a dry run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Applied {
    /// The revision that records the change. None: nothing changed, or it was a dry run.
    pub revision: Option<u64>,
    /// The newest revision after the change.
    pub head: u64,
    /// Whether this was a dry run.
    pub dry_run: bool,
    /// The changes made, or that would be made.
    pub changes: Vec<ChangeMade>,
    /// Versions that were already served with the same digest.
    pub unchanged: Vec<String>,
    /// Those of `unchanged` that could not be opened before and are in service again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restored: Vec<String>,
    /// Number of pipelines opened for the change.
    pub loaded: u32,
    /// Number of components compiled for the change.
    pub compiled: u32,
    /// Number of golden tests that passed.
    pub tests: u32,
    /// Duration in milliseconds.
    pub took_ms: u64,
}

/// The kind of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A new version is served.
    Added,
    /// A version was replaced by different content.
    Replaced,
    /// A version is no longer served.
    Removed,
    /// A label is new or points to another version.
    Labelled,
    /// A label was removed.
    Unlabelled,
    /// A route takes effect.
    Routed,
    /// A route was removed; the newest version is the default again.
    Unrouted,
    /// A rollout began, moved to another step, or ended.
    Rollout,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChangeMade {
    /// The kind of the change.
    pub what: What,
    /// The pipeline.
    pub pipeline: String,
    /// The version; for labels the version the label points to, or pointed to before it was
    /// removed; for routes the versions the route names.
    pub version: String,
    /// The label; for rollouts their progress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The digest served now; for a removed version, the digest that was served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The previous value: a digest, or a label's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<String>,
    /// For rollouts, the evidence of the step that ended with this change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<StepEvidence>,
}

/// The target of a label.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LabelRequest {
    /// A served version.
    pub version: String,
    /// The reason; recorded in the journal.
    #[serde(default)]
    pub reason: String,
    /// Refuse the change unless this is the newest revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_revision: Option<u64>,
}

/// The targets of several labels of one name. Either all are moved or none.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LabelsRequest {
    /// For each label a served version, or null to remove the label.
    pub labels: BTreeMap<String, Option<String>>,
    /// The reason; recorded in the journal.
    #[serde(default)]
    pub reason: String,
    /// Refuse the change unless this is the newest revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_revision: Option<u64>,
    /// Run every check without changing anything.
    #[serde(default)]
    pub dry_run: bool,
}

/// The state to roll back to.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RollbackRequest {
    /// Roll back only this name: its versions, labels, route and rollout. Other names are
    /// unchanged. None: roll back the whole server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Restore the state after this revision. None: the state before the newest revision, or before
    /// the last change of the name. A rollback that leaves a served name without any version
    /// requires 0 here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
    /// The reason; recorded in the journal.
    #[serde(default)]
    pub reason: String,
    /// Refuse the change unless this is the newest revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_revision: Option<u64>,
    /// Run every check without changing anything.
    #[serde(default)]
    pub dry_run: bool,
}

/// Options of garbage collection.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GcRequest {
    /// Report what would be freed without freeing it.
    #[serde(default)]
    pub dry_run: bool,
    /// Number of newest revisions whose bytes are kept, so that they can be rolled back to.
    #[serde(default = "keep_revisions")]
    pub keep_revisions: u64,
    /// Keep bytes younger than this many seconds; a change in preparation may need them.
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

/// What was freed, or would be freed.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Gc {
    /// Whether this was a dry run.
    pub dry_run: bool,
    /// Number of blobs: components, files, manifests.
    pub blobs: u64,
    /// Size of these blobs in bytes.
    pub blob_bytes: u64,
    /// Number of compiled components.
    pub compiled: u64,
    /// Size of the compiled components in bytes.
    pub compiled_bytes: u64,
    /// Number of abandoned uploads and temporary files.
    pub abandoned: u64,
    /// Size of these files in bytes.
    pub abandoned_bytes: u64,
    /// Number of blobs that are kept.
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
