//! From what is recorded under a name to what the table has under it.
//!
//! A version that is not in service is left out by itself: the newest of the others answers, or the
//! route goes on between them. While versions are still being loaded, a route waits for those that
//! it needs, so that no key moves for some seconds; with a fallback in service it does not wait.

use std::collections::BTreeMap;
use std::sync::Arc;

use hotstage_core::digest::Digest;
use hotstage_core::journal::Entry;
use hotstage_core::manifest::WrittenRoute;
use hotstage_core::name::Version;

use crate::serving::pipeline::Pipeline;
use crate::serving::registry::{Absent, DefaultTarget, Model, Why};
use crate::serving::routing::{Routing, Unfit};

/// A version that is recorded.
pub(super) enum Found {
    Serves(Arc<Pipeline>),
    Absent(Why),
}

/// The versions of a name: those in service, and the others.
#[derive(Default)]
pub(super) struct Versions {
    pub(super) in_service: BTreeMap<Version, Arc<Pipeline>>,
    pub(super) absent: Vec<Absent>,
}

impl Versions {
    /// All versions of an entry; none when one of them is nowhere.
    pub(super) fn of(
        entry: &Entry,
        find: impl Fn(&Version, &Digest) -> Option<Found>,
    ) -> Option<Self> {
        let mut versions = Self::default();
        for (version, digest) in &entry.versions {
            match find(version, digest)? {
                Found::Serves(pipeline) => {
                    drop(versions.in_service.insert(version.clone(), pipeline))
                }
                Found::Absent(why) => {
                    let labels = entry.labels.iter().filter(|(_, to)| *to == version);
                    let labels = labels.map(|(label, _)| label.to_string()).collect();
                    let (version, digest) = (version.to_string(), *digest);
                    versions.absent.push(Absent {
                        version,
                        labels,
                        digest,
                        why,
                    });
                }
            }
        }
        Some(versions)
    }

    /// The default_target behind which a route decides between them.
    pub(super) fn default_target(
        &self,
        route: &WrittenRoute,
        before: Option<&Routing>,
    ) -> Result<DefaultTarget, String> {
        if self.waits(route) {
            return Ok(DefaultTarget::Closed);
        }
        let find = |version: &str| self.in_service.get(version).map(Arc::clone);
        match Routing::degraded(route, find, before) {
            Ok(routing) => Ok(DefaultTarget::Route(Arc::new(routing))),
            Err(Unfit::Absent { .. }) => Ok(DefaultTarget::Closed),
            Err(Unfit::Input { message }) => Err(format!(
                "the route `{}` does not fit its versions: {message}",
                route.name()
            )),
            Err(Unfit::Disagrees { message, .. }) => Err(format!(
                "the route `{}` names versions that differ: {message}",
                route.name()
            )),
        }
    }

    /// Whether the route needs a version that is about to come.
    fn waits(&self, route: &WrittenRoute) -> bool {
        let parts = route.route().parts();
        let fallback = parts
            .fallback
            .as_ref()
            .and_then(|fallback| parts.variants.get(fallback.to));
        let covered =
            fallback.is_some_and(|fallback| self.in_service.contains_key(&fallback.version));
        let comes = |version: &Version| {
            let absent = self
                .absent
                .iter()
                .find(|absent| absent.version == version.as_str());
            absent.is_some_and(|absent| absent.why == Why::Loading)
        };
        let mut needed = parts
            .variants
            .iter()
            .enumerate()
            .filter(|(place, _)| route.route().reaches(*place));
        !covered && needed.any(|(_, variant)| comes(&variant.version))
    }

    /// The model of the entry, behind this default_target.
    pub(super) fn model(self, entry: &Entry, default_target: DefaultTarget) -> Option<Model> {
        let label = |(label, to): (&Version, &Version)| {
            Some((label.to_string(), Arc::clone(self.in_service.get(to)?)))
        };
        let labels = entry.labels.iter().filter_map(label).collect();
        Model::new(
            self.in_service.into_values().collect(),
            self.absent,
            labels,
            default_target,
        )
    }
}
