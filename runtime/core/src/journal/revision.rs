//! One revision: its canonical body, its hash, and the chain.

use serde::{Deserialize, Serialize};

use super::Change;
use crate::digest::Digest;
use crate::manifest::canonical_text;
use crate::name::ModelName;

/// Bytes of the reason that a client gives, and of an actor's name.
pub const REASON_BYTES_MAX: usize = 1024;

/// The actor of revisions in which the server moves the weights of an adaptive experiment. No
/// client can have this name: the names of clients begin with a role.
pub const ADAPT_ACTOR: &str = "experiment";

/// Bytes of the reason why a body can't be read.
const WHY_BYTES_MAX: usize = 400;

/// The text whose hash the first revision names as its predecessor.
pub const GENESIS: &str = "hotstage journal 1";

/// What the client or the server requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Verb {
    Apply,
    Delete,
    Label,
    Rollback,
    Load,
    Unload,
    Rollout,
}

impl Verb {
    /// The word in the journal.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Delete => "delete",
            Self::Label => "label",
            Self::Rollback => "rollback",
            Self::Load => "load",
            Self::Unload => "unload",
            Self::Rollout => "rollout",
        }
    }
}

/// Statistics of the change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// Pipelines that were opened for it; the others were still loaded.
    pub loaded: u32,
    /// Components that were compiled for it.
    pub compiled: u32,
    /// Golden tests that passed.
    pub tests: u32,
    /// Milliseconds from the request to the record.
    pub took_ms: u64,
}

/// One change to what is served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revision {
    /// Counts from 1, without gaps.
    pub number: u64,
    /// Milliseconds since 1970-01-01 UTC. Never less than that of the revision before.
    pub time_ms: i64,
    /// The token's role and the name that the client gave, or the part of the server that acted.
    pub actor: String,
    /// The reason, in the client's words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// What was requested.
    pub verb: Verb,
    /// For a rollback: the revision that is served again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
    /// For a rollback of one name: that name. `None`: a rollback of the whole server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<ModelName>,
    /// What it changed, in order.
    pub changes: Vec<Change>,
    /// Statistics of the change.
    pub outcome: Outcome,
    /// The hash of the revision before; of [`GENESIS`] for the first.
    pub previous: Digest,
}

/// A body that differs from what was recorded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Damaged {
    #[error("revision {number}'s text does not have the hash that was recorded with it")]
    Hash { number: u64 },
    #[error("revision {number}'s text can't be read: {why}")]
    Text { number: u64, why: String },
    #[error("revision {number} stands where revision {expected} belongs")]
    Number { number: u64, expected: u64 },
    #[error("revision {number} does not follow the one before it: it names another hash")]
    Chain { number: u64 },
}

/// A parser's message may repeat a text of any length.
fn cut(why: &str) -> String {
    let end = why.floor_char_boundary(WHY_BYTES_MAX);
    if end < why.len() {
        format!("{}…", &why[..end])
    } else {
        why.to_owned()
    }
}

impl Revision {
    /// The text that is stored.
    pub fn body(&self) -> String {
        // A revision holds texts, numbers and lists of them: all of it is JSON.
        canonical_text(&serde_json::to_value(self).unwrap_or_default())
    }

    /// The hash that the first revision names as its predecessor.
    pub fn genesis() -> Digest {
        Digest::of(GENESIS.as_bytes())
    }

    /// Parses a body and checks that it has this hash, is number `number`, and follows the hash
    /// `previous`.
    pub fn read(body: &str, hash: Digest, number: u64, previous: Digest) -> Result<Self, Damaged> {
        if Digest::of(body.as_bytes()) != hash {
            return Err(Damaged::Hash { number });
        }
        let revision: Self = serde_json::from_str(body).map_err(|error| Damaged::Text {
            number,
            why: cut(&error.to_string()),
        })?;
        if revision.number != number {
            return Err(Damaged::Number {
                number: revision.number,
                expected: number,
            });
        }
        if revision.previous != previous {
            return Err(Damaged::Chain { number });
        }
        Ok(revision)
    }
}
