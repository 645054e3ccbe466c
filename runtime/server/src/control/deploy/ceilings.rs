//! Checks a manifest's limits against the operator's ceilings before anything is compiled.
//!
//! Versions that are already served are checked at each start. If a ceiling was lowered below a
//! version's limits, that version is out of service, with this reason, until the ceiling or the
//! manifest changes.

use hotstage_core::limits::StageLimits;
use hotstage_core::manifest::{KeyPath, Problems, Resolved, Written};

/// Reports every limit above its ceiling, at its position in the manifest; a default limit is
/// reported at its stage.
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
