//! Describes a change to what is served in the types of the admin API.

use hotstage_core::digest::Digest;
use hotstage_core::journal::{Change, Label};
use hotstage_core::name::Version;
use hotstage_core::rollout::{Evidence, Rolling};

use super::rollout::step_evidence;
use hotstage_client::{ChangeMade, What};

/// A change as an API type.
pub(super) fn change_made(change: &Change) -> ChangeMade {
    let pipeline = change.pipeline().to_string();
    let described = match change {
        Change::Serve {
            version,
            digest,
            replaces,
            ..
        } => served(version, digest, replaces.as_ref()),
        Change::Stop {
            version, digest, ..
        } => ChangeMade {
            version: version.to_string(),
            digest: Some(digest.to_string()),
            ..only(What::Removed)
        },
        Change::Label {
            label,
            version,
            was,
            ..
        } => labelled(label, version.as_ref(), was.as_ref()),
        Change::Route {
            digest,
            versions,
            replaces,
            ..
        } => routed(digest, versions, replaces.as_ref()),
        Change::Rollout {
            rollout,
            was,
            evidence,
            ..
        } => rolled_out(rollout.as_ref(), was.as_ref(), evidence.as_ref()),
        Change::Unroute { digest, .. } => ChangeMade {
            digest: Some(digest.to_string()),
            ..only(What::Unrouted)
        },
    };
    ChangeMade {
        pipeline,
        ..described
    }
}

/// A change with only its kind set.
const fn only(what: What) -> ChangeMade {
    ChangeMade {
        what,
        pipeline: String::new(),
        version: String::new(),
        label: None,
        digest: None,
        was: None,
        evidence: None,
    }
}

fn served(version: &Version, digest: &Digest, replaces: Option<&Digest>) -> ChangeMade {
    let what = if replaces.is_some() {
        What::Replaced
    } else {
        What::Added
    };
    ChangeMade {
        version: version.to_string(),
        digest: Some(digest.to_string()),
        was: replaces.map(ToString::to_string),
        ..only(what)
    }
}

/// A label that moved or was removed; in the latter case with the version it pointed to.
fn labelled(label: &Label, version: Option<&Version>, was: Option<&Version>) -> ChangeMade {
    let what = if version.is_some() {
        What::Labelled
    } else {
        What::Unlabelled
    };
    ChangeMade {
        version: version.or(was).map(ToString::to_string).unwrap_or_default(),
        label: Some(label.to_string()),
        was: was.filter(|_| version.is_some()).map(ToString::to_string),
        ..only(what)
    }
}

fn routed(digest: &Digest, versions: &[Version], replaces: Option<&Digest>) -> ChangeMade {
    let versions: Vec<&str> = versions.iter().map(Version::as_str).collect();
    ChangeMade {
        version: versions.join(", "),
        digest: Some(digest.to_string()),
        was: replaces.map(ToString::to_string),
        ..only(What::Routed)
    }
}

/// The position of a rollout, and the evidence of the step that ended with the change.
fn rolled_out(
    rollout: Option<&Rolling>,
    was: Option<&Rolling>,
    evidence: Option<&Evidence>,
) -> ChangeMade {
    let at = |rolling: &Rolling| format!("{} at step {}", rolling.phase.name(), rolling.step + 1);
    let digest = rollout.or(was).map(|rolling| rolling.digest.to_string());
    ChangeMade {
        label: Some(rollout.map_or_else(|| "forgotten".to_owned(), at)),
        digest,
        evidence: evidence.map(step_evidence),
        ..only(What::Rollout)
    }
}
