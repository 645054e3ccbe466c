//! The registry: what is served at this moment, and whether the server is ready.
//!
//! Readers take a snapshot, an immutable table behind one atomic pointer, and use it to the end of
//! their request. A change builds the next table and stores it. A version that should be served but
//! is not in service (still loading, or it can't be opened) is in the table too, so that a request
//! for it gets 503 rather than 404.
//!
//! The server is ready when it serves and every name can answer a call without a version;
//! `--allow-damaged` drops the second condition.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};

use arc_swap::{ArcSwap, Guard};
use hotstage_core::digest::Digest;

use crate::serving::pipeline::Pipeline;
use crate::serving::routing::Routing;

/// How many of the names that can't answer a readiness probe lists.
const DARK_NAMED_MAX: usize = 5;

/// The table at one moment.
#[derive(Default)]
pub struct Snapshot {
    models: HashMap<String, Arc<Model>>,
    /// Names that should be served and can't answer a call without a version.
    dark: BTreeSet<String>,
}

/// The versions of one name, oldest first.
pub struct Model {
    /// Versions in service.
    versions: Vec<Arc<Pipeline>>,
    /// Versions that should be in service and are not.
    absent: Vec<Absent>,
    /// Labels of versions in service.
    labels: Vec<(String, Arc<Pipeline>)>,
    default_target: DefaultTarget,
}

/// A version that should be served and is not in service.
#[derive(Clone, Debug)]
pub struct Absent {
    /// The version.
    pub version: String,
    /// The labels that point at it.
    pub labels: Vec<String>,
    /// The digest of its canonical manifest.
    pub digest: Digest,
    /// The reason.
    pub why: Why,
}

/// Why a version is not in service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The server is starting and has not loaded it yet.
    Loading,
    /// It can't be opened. The text is for the operator: it may contain paths.
    Failed(Arc<str>),
}

/// What answers when no version is asked for.
#[derive(Clone)]
pub enum DefaultTarget {
    /// The newest version.
    Newest,
    /// The route's choice.
    Route(Arc<Routing>),
    /// Nothing: a route is in force, and the versions that it needs are not in service.
    Closed,
}

/// The server's phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// It loads what it serves.
    Starting,
    /// It serves.
    Serving,
    /// It was asked to stop.
    Stopping,
}

/// Why the server is not ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotReady {
    /// It is still loading.
    Starting,
    /// It was asked to stop.
    Stopping,
    /// These names can't answer, in order.
    Dark(Vec<String>),
}

/// The pointer to the current snapshot, and the server's phase.
#[derive(Default)]
pub struct Registry {
    current: ArcSwap<Snapshot>,
    phase: AtomicU8,
    /// Names that can't answer do not make the server unready.
    allows_dark: AtomicBool,
}

impl Registry {
    /// The current table.
    pub fn read(&self) -> Guard<Arc<Snapshot>> {
        self.current.load()
    }

    /// Makes `next` the current table.
    pub fn replace(&self, next: Snapshot) {
        self.current.store(Arc::new(next));
    }

    /// The current phase.
    pub fn phase(&self) -> Phase {
        match self.phase.load(Relaxed) {
            0 => Phase::Starting,
            1 => Phase::Serving,
            _ => Phase::Stopping,
        }
    }

    /// Enters a phase.
    pub fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Relaxed);
    }

    /// Lets the server be ready although a name can't answer.
    pub fn allow_dark(&self) {
        self.allows_dark.store(true, Relaxed);
    }

    /// Whether the server is ready.
    pub fn is_ready(&self) -> bool {
        self.readiness().is_ok()
    }

    /// Whether the server is ready, with the reason if it is not.
    pub fn readiness(&self) -> Result<(), NotReady> {
        match self.phase() {
            Phase::Starting => return Err(NotReady::Starting),
            Phase::Stopping => return Err(NotReady::Stopping),
            Phase::Serving => {}
        }
        let snapshot = self.read();
        if snapshot.dark.is_empty() || self.allows_dark.load(Relaxed) {
            return Ok(());
        }
        Err(NotReady::Dark(snapshot.dark.iter().cloned().collect()))
    }
}

impl std::fmt::Display for NotReady {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Starting => write!(formatter, "it is starting"),
            Self::Stopping => write!(formatter, "it is stopping"),
            Self::Dark(names) => {
                let named: Vec<String> = names
                    .iter()
                    .take(DARK_NAMED_MAX)
                    .map(|name| format!("`{name}`"))
                    .collect();
                let more = names.len().saturating_sub(DARK_NAMED_MAX);
                let more = if more > 0 {
                    format!(" and {more} more")
                } else {
                    String::new()
                };
                write!(
                    formatter,
                    "no version in service can answer calls to {}{more}; `hotstage status` says why",
                    named.join(", ")
                )
            }
        }
    }
}

impl Snapshot {
    /// The next table: this one with the models of some names replaced; a name without versions is
    /// removed.
    #[must_use]
    pub fn with(&self, models: impl IntoIterator<Item = (String, Option<Model>)>) -> Self {
        let (mut next, mut dark) = (self.models.clone(), self.dark.clone());
        for (name, model) in models {
            if model.as_ref().is_some_and(|model| !model.answers()) {
                dark.insert(name.clone());
            } else {
                dark.remove(&name);
            }
            match model {
                Some(model) => next.insert(name, Arc::new(model)),
                None => next.remove(&name),
            };
        }
        Self { models: next, dark }
    }

    /// The versions of a name.
    pub fn model(&self, name: &str) -> Option<&Model> {
        self.models.get(name).map(|model| &**model)
    }

    /// Some of the names, in no order.
    pub fn some_names(&self, many: usize) -> impl Iterator<Item = &str> {
        self.models.keys().take(many).map(String::as_str)
    }

    /// All names that have a version in service, in order.
    pub fn names(&self) -> Vec<&str> {
        let in_service = self
            .models
            .iter()
            .filter(|(_, model)| !model.versions.is_empty());
        let mut names: Vec<&str> = in_service.map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names
    }

    /// All routes that are served, in no order.
    pub fn routings(&self) -> impl Iterator<Item = Arc<Routing>> {
        self.models
            .values()
            .filter_map(|model| model.routing().map(Arc::clone))
    }

    /// All pipelines in service, by name and age.
    pub fn pipelines(&self) -> impl Iterator<Item = &Arc<Pipeline>> {
        self.names()
            .into_iter()
            .filter_map(|name| self.model(name))
            .flat_map(|model| &model.versions)
    }

    /// All versions that should be in service and are not, with their names, in no order.
    pub fn absent(&self) -> impl Iterator<Item = (&str, &Absent)> {
        self.models.iter().flat_map(|(name, model)| {
            model
                .absent
                .iter()
                .map(move |absent| (name.as_str(), absent))
        })
    }
}

impl Model {
    /// A model of these versions, in any order, the absent versions, and the labels of versions in
    /// service. `None` when there is no version.
    pub fn new(
        mut versions: Vec<Arc<Pipeline>>,
        absent: Vec<Absent>,
        labels: Vec<(String, Arc<Pipeline>)>,
        default_target: DefaultTarget,
    ) -> Option<Self> {
        versions.sort_by(|a, b| newer(&a.version, &b.version));
        (!versions.is_empty() || !absent.is_empty()).then_some(Self {
            versions,
            absent,
            labels,
            default_target,
        })
    }

    /// What answers when no version is asked for.
    pub const fn default_target(&self) -> &DefaultTarget {
        &self.default_target
    }

    /// Whether a call without a version can be answered.
    pub fn answers(&self) -> bool {
        !self.versions.is_empty() && !matches!(self.default_target, DefaultTarget::Closed)
    }

    /// The route that is served.
    pub const fn routing(&self) -> Option<&Arc<Routing>> {
        match &self.default_target {
            DefaultTarget::Route(routing) => Some(routing),
            _ => None,
        }
    }

    /// The newest version in service.
    pub fn newest(&self) -> Option<&Arc<Pipeline>> {
        self.versions.last()
    }

    /// A version by its name or label.
    pub fn version(&self, version: &str) -> Option<&Arc<Pipeline>> {
        let labelled = || {
            self.labels
                .iter()
                .find(|(label, _)| label == version)
                .map(|(_, pipeline)| pipeline)
        };
        self.versions
            .iter()
            .find(|pipeline| pipeline.version == version)
            .or_else(labelled)
    }

    /// Versions in service, oldest first.
    pub fn versions(&self) -> &[Arc<Pipeline>] {
        &self.versions
    }

    /// Versions that should be in service and are not.
    pub fn absent(&self) -> &[Absent] {
        &self.absent
    }

    /// An absent version by its name or label.
    pub fn absent_version(&self, version: &str) -> Option<&Absent> {
        let is_labelled = |absent: &&Absent| absent.labels.iter().any(|label| label == version);
        self.absent
            .iter()
            .find(|absent| absent.version == version)
            .or_else(|| self.absent.iter().find(is_labelled))
    }
}

/// Orders version labels: runs of digits by value, the rest as text, so that `10` is newer than `9`
/// and `1.10` newer than `1.9`.
pub fn newer(a: &str, b: &str) -> std::cmp::Ordering {
    fn parts(version: &str) -> Vec<(u128, &str)> {
        version
            .split_inclusive(|character: char| !character.is_ascii_digit())
            .map(|part| {
                let digits = part.len()
                    - part
                        .trim_start_matches(|character: char| character.is_ascii_digit())
                        .len();
                (part[..digits].parse().unwrap_or(0), &part[digits..])
            })
            .collect()
    }
    parts(a).cmp(&parts(b)).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_by_value() {
        let mut versions = ["10", "9", "1.10", "1.9", "v2", "v10", "2"];
        versions.sort_by(|a, b| newer(a, b));
        assert_eq!(versions, ["v2", "v10", "1.9", "1.10", "2", "9", "10"]);
    }

    fn absent(version: &str, why: Why) -> Absent {
        Absent {
            version: version.to_owned(),
            labels: vec!["stable".to_owned()],
            digest: Digest::of(b""),
            why,
        }
    }

    #[test]
    fn a_name_that_can_not_answer_makes_the_server_unready_unless_that_is_allowed() {
        let registry = Registry::default();
        assert_eq!(registry.readiness(), Err(NotReady::Starting));
        registry.enter(Phase::Serving);
        assert!(registry.is_ready());
        let model = Model::new(
            Vec::new(),
            vec![absent("1", Why::Failed("no".into()))],
            Vec::new(),
            DefaultTarget::Newest,
        );
        registry.replace(registry.read().with([("m".to_owned(), model)]));
        assert_eq!(
            registry.readiness(),
            Err(NotReady::Dark(vec!["m".to_owned()]))
        );
        assert!(
            registry
                .readiness()
                .unwrap_err()
                .to_string()
                .contains("`m`")
        );
        assert!(registry.read().names().is_empty());
        let model = registry
            .read()
            .model("m")
            .and_then(|model| model.absent_version("stable").cloned());
        assert_eq!(model.map(|absent| absent.version), Some("1".to_owned()));
        registry.allow_dark();
        assert!(registry.is_ready());
        registry.replace(registry.read().with([("m".to_owned(), None)]));
        assert!(registry.read().dark.is_empty());
        registry.enter(Phase::Stopping);
        assert_eq!(registry.readiness(), Err(NotReady::Stopping));
    }
}
