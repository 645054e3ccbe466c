//! What was changed, by whom, and what answered when.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::apply::ChangeMade;

/// Revisions, newest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct History {
    /// The newest revision of all.
    pub head: u64,
    /// One page.
    pub revisions: Vec<RevisionInfo>,
    /// Ask with `before` set to this for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_before: Option<u64>,
}

/// One revision.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RevisionInfo {
    /// Counts from 1.
    pub number: u64,
    /// When, RFC 3339.
    pub time: String,
    /// Who.
    pub actor: String,
    /// Why.
    #[serde(default)]
    pub reason: String,
    /// What was asked for: `apply`, `delete`, `label`, `rollback`, `load`, `unload`, `rollout`.
    pub verb: String,
    /// For a rollback: the revision that is served again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
    /// For a rollback of one name: that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it changed.
    pub changes: Vec<ChangeMade>,
    /// Pipelines that were opened for it.
    pub loaded: u32,
    /// Components that were compiled for it.
    pub compiled: u32,
    /// Golden tests that passed.
    pub tests: u32,
    /// Milliseconds that it took.
    pub took_ms: u64,
    /// The SHA-256 of its canonical body.
    pub hash: String,
    /// That of the revision before.
    pub previous: String,
}

impl RevisionInfo {
    /// What was asked for, in a few words: `apply`, `rollback to 3`, `rollback tumor to 3`.
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

/// Whether the journal is whole.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Verified {
    /// Whether every revision is what was recorded, and follows the one before.
    pub ok: bool,
    /// Revisions that were read.
    pub revisions: u64,
    /// The hash of the newest revision that is whole: write it down elsewhere, and nothing before
    /// it can be altered unseen.
    pub hash: String,
    /// Blobs of what is served that were read and are what their names say.
    pub blobs: u64,
    /// What is wrong, one sentence each.
    pub problems: Vec<String>,
}

/// What answered calls to a name at a time.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Answered {
    /// The name.
    pub pipeline: String,
    /// When, RFC 3339.
    pub time: String,
    /// The revision that was in force; absent before the first.
    pub revision: Option<u64>,
    /// When that revision came, RFC 3339.
    pub since: Option<String>,
    /// When the next one that touched the name came, RFC 3339; absent if none did.
    pub until: Option<String>,
    /// The version that answered calls which named none; absent when the name was not served, and
    /// when a route decided.
    pub version: Option<String>,
    /// Its digest.
    pub digest: Option<String>,
    /// The digest of the route that decided who answered calls which named no version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Every version that could be called by its name, with its digest, oldest first.
    pub versions: Vec<(String, String)>,
    /// Every label, with its version.
    pub labels: Vec<(String, String)>,
}
