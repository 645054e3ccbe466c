//! Prepares routes: from a document to what is served.

use std::sync::Arc;

use hotstage_core::digest::Digest;
use hotstage_core::experiment::Plan;
use hotstage_core::journal::{Change, Entry, Routed, State};
use hotstage_core::manifest::{Documents, KeyPath, Problem, Problems, WrittenRoute};
use hotstage_core::name::{ModelName, Version};
use hotstage_core::route::Variant;
use hotstage_core::suggest::hint;

use super::models::Versions;
use super::prepare::Prepared;
use super::{Control, ControlError, ErrorKind};
use crate::serving::pipeline::Pipeline;
use crate::serving::registry::{DefaultTarget, Model};
use crate::serving::routing::{Routing, Unfit};
use hotstage_client::{RouteInfo, ShareInfo};

/// A sequence of changes, each of which must fit the state after the previous ones.
pub(super) struct Draft {
    pub(super) state: State,
    pub(super) changes: Vec<Change>,
}

impl Draft {
    pub(super) fn of(state: &State) -> Self {
        Self {
            state: state.clone(),
            changes: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, changes: Vec<Change>) -> Result<(), ControlError> {
        for change in changes {
            self.state.make(&change)?;
            self.changes.push(change);
        }
        Ok(())
    }
}

impl Prepared {
    /// The changes that put the documents' routes in force.
    pub(super) fn route_changes(&self, state: &State) -> Vec<Change> {
        let changed = self
            .routes
            .iter()
            .filter(|route| !is_in_force(route, state));
        let change = |route: &WrittenRoute| Change::Route {
            pipeline: route.name().clone(),
            digest: route.digest(),
            versions: route.versions().cloned().collect(),
            replaces: state
                .model(route.name().as_str())
                .and_then(|entry| Some(entry.route.as_ref()?.digest)),
        };
        changed.map(change).collect()
    }

    /// Routes that are already in force with the same digest.
    pub(super) fn unchanged_routes(&self, state: &State) -> impl Iterator<Item = String> {
        let same = self
            .routes
            .iter()
            .filter(move |route| is_in_force(route, state));
        same.map(|route| format!("route {}", route.name()))
    }
}

fn is_in_force(route: &WrittenRoute, state: &State) -> bool {
    let entry = state.model(route.name().as_str());
    entry
        .and_then(|entry| entry.route.as_ref())
        .is_some_and(|routed| routed.digest == route.digest())
}

impl Control {
    /// Checks the documents' routes against the versions that will be served, and stores them.
    pub(super) fn prepare_routes(
        &self,
        documents: &Documents,
        prepared: &mut Prepared,
    ) -> Result<(), ControlError> {
        let mut problems = Problems::default();
        let ledger = self.ledger.load();
        for route in &documents.routes {
            // A route in force was checked when it was applied, and skips versions that are out of
            // service.
            if is_in_force(route, &ledger.state) {
                prepared.routes.push(route.clone());
                continue;
            }
            let find = |version: &str| self.about_to_serve(prepared, route.name(), version);
            if let Err(unfit) = Routing::new(route, find, None) {
                problems.push(self.explain(route, unfit));
                continue;
            }
            self.store().put(route.canonical().as_bytes())?;
            prepared.routes.push(route.clone());
        }
        Ok(problems.or(())?)
    }

    /// A version as it will be served: from the documents, else as it is now.
    pub(super) fn about_to_serve(
        &self,
        prepared: &Prepared,
        name: &ModelName,
        version: &str,
    ) -> Option<Arc<Pipeline>> {
        prepared.pipeline(name, version).or_else(|| {
            let snapshot = self.serving.registry.read();
            let versions = snapshot.model(name.as_str())?.versions();
            versions
                .iter()
                .find(|pipeline| pipeline.version == version)
                .map(Arc::clone)
        })
    }

    fn explain(&self, route: &WrittenRoute, unfit: Unfit) -> Problem {
        let (variant, message) = match unfit {
            Unfit::Input { message } => {
                return route.problem(&KeyPath::default().key("spec"), message);
            }
            Unfit::Disagrees { variant, message } => (variant, message),
            Unfit::Absent { variant } => {
                let ledger = self.ledger.load();
                let entry = ledger
                    .state
                    .model(route.name().as_str())
                    .cloned()
                    .unwrap_or_default();
                let version = route
                    .versions()
                    .nth(variant)
                    .map(Version::as_str)
                    .unwrap_or_default();
                let message = if entry.labels.contains_key(version) {
                    format!(
                        "`{version}` is a label; a route names versions, so that each change of it is a revision"
                    )
                } else if entry.versions.contains_key(version) {
                    format!(
                        "version `{version}` is not in service; `hotstage status` says why: apply its manifest again, \
                         or leave it out"
                    )
                } else {
                    let hint = hint(version, entry.versions.keys().map(Version::as_str));
                    format!(
                        "there is no version `{version}` of `{}`; {hint}; apply it first, or together",
                        route.name()
                    )
                };
                (variant, message)
            }
        };
        route.version_problem(variant, message)
    }

    /// The default target of a name: what answers calls without a version.
    pub(super) fn default_target(
        &self,
        entry: &Entry,
        versions: &Versions,
        written: &[WrittenRoute],
    ) -> Result<DefaultTarget, ControlError> {
        let Some(routed) = &entry.route else {
            return Ok(DefaultTarget::Newest);
        };
        let route = match written.iter().find(|route| route.digest() == routed.digest) {
            Some(route) => route.clone(),
            None => self.stored_route(&routed.digest)?,
        };
        let snapshot = self.serving.registry.read();
        let before = snapshot
            .model(route.name().as_str())
            .and_then(Model::routing);
        let default_target = versions.default_target(&route, before.map(|before| &**before));
        default_target.map_err(|message| ControlError::new(ErrorKind::Conflict, message))
    }

    /// A route as an API type. A route that can't be read has only its digest.
    pub(super) fn route_info(&self, routed: &Routed, model: Option<&Model>) -> RouteInfo {
        let (digest, written) = (
            routed.digest.to_string(),
            self.stored_route(&routed.digest).ok(),
        );
        let Some(written) = written else {
            return RouteInfo {
                digest,
                ..RouteInfo::default()
            };
        };
        RouteInfo {
            digest,
            ready: model.is_some_and(|model| model.routing().is_some()),
            out_of_service: model
                .and_then(Model::routing)
                .map(|routing| routing.out_of_service().to_vec())
                .unwrap_or_default(),
            split: shares(&written),
            open_circuits: model
                .and_then(Model::routing)
                .map(|routing| routing.open_circuits().map(str::to_owned).collect())
                .unwrap_or_default(),
            manifest: serde_json::from_str(&written.canonical()).unwrap_or_default(),
        }
    }

    /// Reads a route from the store.
    pub(super) fn stored_route(&self, digest: &Digest) -> Result<WrittenRoute, ControlError> {
        let damaged = |message| ControlError::new(ErrorKind::Defect, message);
        let text = self
            .store()
            .get(digest)?
            .ok_or_else(|| damaged(format!("the route {digest} is not in the store")))?;
        WrittenRoute::parse(&String::from_utf8_lossy(&text))
            .map_err(|error| damaged(format!("the route {digest} is {error}")))
    }
}

/// Shares of a route's variants in the requests that no rule matches.
fn shares(route: &WrittenRoute) -> Vec<ShareInfo> {
    let parts = route.route().parts();
    // Adapted weights apply to requests without a key; without a configured key, to all requests.
    let moved = route
        .experiment()
        .and_then(Plan::drawn)
        .filter(|_| parts.sticky.is_none());
    let written = || {
        parts
            .variants
            .iter()
            .map(|variant| variant.weight)
            .collect()
    };
    let weights: Vec<f64> = moved.map_or_else(written, <[f64]>::to_vec);
    let sum: f64 = weights.iter().sum();
    let share = |(variant, weight): (&Variant, f64)| ShareInfo {
        version: variant.version.to_string(),
        weight,
        percent: weight / sum * 100.0,
    };
    parts.variants.iter().zip(weights).map(share).collect()
}
