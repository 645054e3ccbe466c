//! The history: what was changed and by which actor, and which version answered at a given time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::apply::ChangeMade;

/// Revisions, newest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct History {
    /// The newest revision.
    pub head: u64,
    /// One page of revisions.
    pub revisions: Vec<RevisionInfo>,
    /// Pass this as `before` to get the next page; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_before: Option<u64>,
}

/// One revision.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RevisionInfo {
    /// The revision number, starting at 1.
    pub number: u64,
    /// Time, RFC 3339.
    pub time: String,
    /// The actor.
    pub actor: String,
    /// The reason.
    #[serde(default)]
    pub reason: String,
    /// The kind of change: `apply`, `delete`, `label`, `rollback`, `load`, `unload`, `rollout`.
    pub verb: String,
    /// For a rollback: the revision that was restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
    /// For a rollback of one name: that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The changes of this revision.
    pub changes: Vec<ChangeMade>,
    /// Number of pipelines opened for it.
    pub loaded: u32,
    /// Number of components compiled for it.
    pub compiled: u32,
    /// Number of golden tests that passed.
    pub tests: u32,
    /// Duration in milliseconds.
    pub took_ms: u64,
    /// SHA-256 of the canonical body.
    pub hash: String,
    /// Hash of the previous revision.
    pub previous: String,
}

impl RevisionInfo {
    /// The kind of change in a few words: `apply`, `rollback to 3`, `rollback tumor to 3`.
    pub fn asked(&self) -> String {
        let name = self
            .name
            .as_ref()
            .map(|name| format!(" {name}"))
            .unwrap_or_default();
        let to = self.to.map(|to| format!(" to {to}")).unwrap_or_default();
        format!("{}{name}{to}", self.verb)
    }
}

/// Result of verifying the journal and the blob store.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Verified {
    /// Whether every revision matches its hash and follows the previous one.
    pub ok: bool,
    /// Number of revisions read.
    pub revisions: u64,
    /// Hash of the newest intact revision. Record it elsewhere: no earlier revision can then be
    /// altered undetected.
    pub hash: String,
    /// Number of served blobs that were read and match their digest.
    pub blobs: u64,
    /// Problems found, one sentence each.
    pub problems: Vec<String>,
}

/// Which versions answered calls to a name at a given time.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Answered {
    /// The name.
    pub pipeline: String,
    /// The requested time, RFC 3339.
    pub time: String,
    /// The revision in force at that time; absent before the first.
    pub revision: Option<u64>,
    /// When that revision was made, RFC 3339.
    pub since: Option<String>,
    /// When the next revision of this name was made, RFC 3339; absent if there is none.
    pub until: Option<String>,
    /// The version that answered calls without a version; absent when the name was not served, or
    /// when a route chose the version.
    pub version: Option<String>,
    /// The digest of that version.
    pub digest: Option<String>,
    /// The digest of the route that chose the version of calls without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Every version that could be called explicitly, with its digest, oldest first.
    pub versions: Vec<(String, String)>,
    /// Every label with its version.
    pub labels: Vec<(String, String)>,
}
