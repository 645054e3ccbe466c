//! The route of each step: the previous route, with share moved between two of its variants.

use super::Plan;
use crate::name::Version;
use crate::route::{Mirror, Parts, QUEUE, Variant};

/// Examples that the mirror of a rollout keeps, to explain a rollback.
const KEEP: u32 = 10;

/// The parts of a route in which `to` has `percent` percent of its joint share with `from`. The
/// other shares stay: with sticky keys, only keys of `from` move, and they move once.
#[must_use]
pub fn moved(before: &Parts, from: &Version, to: &Version, percent: f64) -> Parts {
    let mut parts = before.clone();
    let weight = |version: &Version| {
        before
            .variants
            .iter()
            .find(|variant| variant.version == *version)
            .map_or(0.0, |variant| variant.weight)
    };
    let together = weight(from) + weight(to);
    for (version, percent) in [(from, 100.0 - percent), (to, percent)] {
        let weight = together * percent / 100.0;
        match parts
            .variants
            .iter_mut()
            .find(|variant| variant.version == *version)
        {
            Some(variant) => variant.weight = weight,
            None => parts.variants.push(Variant::new(version.clone(), weight)),
        }
    }
    // A version without a share can be mirrored; one with all of the share can't.
    parts.mirrors.retain(|mirror| mirror.version != *to);
    parts
}

/// The parts of a route in which `to` gets copies of all requests and answers none of them.
#[must_use]
pub fn mirrored(before: &Parts, plan: &Plan) -> Parts {
    let mut parts = before.clone();
    if !parts.mirrors.iter().any(|mirror| mirror.version == plan.to) {
        let (version, tolerance) = (
            plan.to.clone(),
            plan.guards.iter().find_map(|guard| guard.tolerance),
        );
        parts.mirrors.push(Mirror {
            version,
            percent: 100.0,
            queue: QUEUE,
            tolerance,
            keep: KEEP,
        });
    }
    parts
}
