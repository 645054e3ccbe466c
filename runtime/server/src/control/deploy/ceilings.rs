//! Refuses what a manifest asks for beyond the operator's ceilings, before anything of it is
//! compiled.
//!
//! A version that was served before a ceiling was lowered is looked at like any other when a server
//! starts: it is out of service, with this as the reason, until the ceiling or the manifest
//! changes.

use hotstage_core::limits::StageLimits;
use hotstage_core::manifest::{KeyPath, Problems, Resolved, Written};

/// Everything that is too much, where it is written, or where the stage leaves it to its default.
pub(super) fn check(ceiling: &StageLimits, document: &Written, manifest: &Resolved) -> Problems {
    let mut problems = Problems::default();
    for (index, stage) in manifest.stages.iter().enumerate() {
        for beyond in stage.limits.beyond(ceiling) {
            let path = KeyPath::stage(index).key("limits");
            let path = beyond.path.iter().fold(path, |path, key| path.key(key));
            problems.push(document.problem(&path, beyond.to_string()));
        }
    }
    problems
}
