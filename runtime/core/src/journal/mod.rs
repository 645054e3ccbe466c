//! The journal's vocabulary: revisions, what each changed, and what is served after them.
//!
//! A revision is one change to what is served. Its *body* is a canonical JSON text that holds the
//! hash of the revision before, and its *hash* is the SHA-256 of that text: so the newest hash
//! proves that no earlier revision was altered. [`State`] is what is served after a revision;
//! revisions are replayed into it, and each must fit the one before. This module does no I/O: the
//! server stores the texts.

mod back;
mod make;
mod revision;
mod state;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use self::back::{Origin, Trail};
pub use self::revision::{
    ADAPT_ACTOR, Damaged, GENESIS, Outcome, REASON_BYTES_MAX, Revision, Verb,
};
pub use self::state::{Entry, Misfit, Routed, State, Verdict, route};
use crate::digest::Digest;
use crate::name::{ModelName, Version};
use crate::rollout::{Evidence, Rolling};

/// A word that points at a version, and may be moved: `stable`. It can be used in place of a
/// version.
pub type Label = Version;

/// One part of a revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case", deny_unknown_fields)]
#[expect(missing_docs, reason = "the variants' lines say it")]
pub enum Change {
    /// A version is served from now on; `replaces` is its digest before, if it was served.
    Serve {
        pipeline: ModelName,
        version: Version,
        digest: Digest,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        replaces: Option<Digest>,
    },
    /// A version is no longer served.
    Stop {
        pipeline: ModelName,
        version: Version,
        digest: Digest,
    },
    /// A label points at `version` from now on, or at nothing; `was` is where it pointed.
    Label {
        pipeline: ModelName,
        label: Label,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<Version>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        was: Option<Version>,
    },
    /// Requests to the name follow a route from now on; `versions` are those that it names, and
    /// `replaces` is the route that was in force.
    Route {
        pipeline: ModelName,
        digest: Digest,
        versions: Vec<Version>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        replaces: Option<Digest>,
    },
    /// The newest version answers again; `digest` is that of the route that was in force.
    Unroute { pipeline: ModelName, digest: Digest },
    /// A rollout begins, is at another step, or ends; `was` is where it was.
    Rollout {
        pipeline: ModelName,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rollout: Option<Rolling>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        was: Option<Rolling>,
        /// The result of the step that ends with this change.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        evidence: Option<Evidence>,
    },
}

impl Change {
    /// The digest of the document that is in force from then on, if there is one.
    pub const fn serves(&self) -> Option<Digest> {
        match self {
            Self::Serve { digest, .. } | Self::Route { digest, .. } => Some(*digest),
            Self::Rollout {
                rollout: Some(rolling),
                ..
            } => Some(rolling.digest),
            _ => None,
        }
    }

    /// The name that clients use.
    pub const fn pipeline(&self) -> &ModelName {
        match self {
            Self::Serve { pipeline, .. }
            | Self::Stop { pipeline, .. }
            | Self::Label { pipeline, .. }
            | Self::Route { pipeline, .. }
            | Self::Rollout { pipeline, .. }
            | Self::Unroute { pipeline, .. } => pipeline,
        }
    }
}
