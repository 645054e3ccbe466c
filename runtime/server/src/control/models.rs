//! From the recorded entry of a name to its model in the registry.
//!
//! A version that is not in service is skipped: the newest of the others is the default, or the
//! route distributes between the others. While versions are loading, a route waits for those that
//! it needs, so that no sticky key moves for a few seconds. With its fallback in service it does
//! not wait.

use std::collections::BTreeMap;
use std::sync::Arc;

use hotstage_core::digest::Digest;
use hotstage_core::journal::Entry;
use hotstage_core::manifest::WrittenRoute;
use hotstage_core::name::Version;

use crate::serving::pipeline::Pipeline;
use crate::serving::registry::{Absent, DefaultTarget, Model, Why};
use crate::serving::routing::{Routing, Unfit};

/// State of a recorded version.
pub(super) enum Found {
    Serves(Arc<Pipeline>),
    Absent(Why),
}

/// The versions of a name: those in service, and the absent ones.
#[derive(Default)]
pub(super) struct Versions {
    pub(super) in_service: BTreeMap<Version, Arc<Pipeline>>,
    pub(super) absent: Vec<Absent>,
}

impl Versions {
    /// The versions of an entry. None if one of them is unknown.
    pub(super) fn of(
        entry: &Entry,
        find: impl Fn(&Version, &Digest) -> Option<Found>,
    ) -> Option<Self> {
        let mut versions = Self::default();
        for (version, digest) in &entry.versions {
            match find(version, digest)? {
                Found::Serves(pipeline) => {
                    drop(versions.in_service.insert(version.clone(), pipeline));
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

    /// The default target for a route between these versions.
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

    /// Whether the route needs a version that is still loading.
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

    /// The model of the entry with this default target.
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
