//! What is served right now.
//!
//! Readers take a snapshot, an immutable table behind one atomic pointer, and keep what they found in it to the end of
//! their request. Whoever changes what is served builds the next table and stores it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use arc_swap::{ArcSwap, Guard};

use crate::pipeline::Pipeline;
use crate::routing::Routing;

/// The table of one moment.
#[derive(Default)]
pub struct Snapshot {
    models: HashMap<String, Arc<Model>>,
}

/// The versions of one name, oldest first.
pub struct Model {
    /// At least one.
    versions: Vec<Arc<Pipeline>>,
    /// Words that stand for a version.
    labels: Vec<(String, Arc<Pipeline>)>,
    door: Door,
}

/// Who answers when no version is asked for.
#[derive(Clone)]
pub enum Door {
    /// The newest version.
    Newest,
    /// Whom a route says.
    Route(Arc<Routing>),
    /// Nobody yet: a route is in force, and not all of its versions are loaded.
    Closed,
}

/// The pointer to the current snapshot, and whether the server is ready at all.
#[derive(Default)]
pub struct Board {
    current: ArcSwap<Snapshot>,
    ready: AtomicBool,
}

impl Board {
    /// The table of this moment.
    pub fn read(&self) -> Guard<Arc<Snapshot>> {
        self.current.load()
    }

    /// Serves the next table from now on.
    pub fn replace(&self, next: Snapshot) {
        self.current.store(Arc::new(next));
    }

    /// Whether everything that should be served is.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Relaxed)
    }

    /// Says whether the server is ready.
    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Relaxed);
    }
}

impl Snapshot {
    /// The next table: this one, with other models under some names; none at all where there is no version.
    #[must_use]
    pub fn with(&self, models: impl IntoIterator<Item = (String, Option<Model>)>) -> Self {
        let mut next = self.models.clone();
        for (name, model) in models {
            match model {
                Some(model) => next.insert(name, Arc::new(model)),
                None => next.remove(&name),
            };
        }
        Self { models: next }
    }

    /// The versions of a name.
    pub fn model(&self, name: &str) -> Option<&Model> {
        self.models.get(name).map(|model| &**model)
    }

    /// Some of the names, in no order.
    pub fn some_names(&self, many: usize) -> impl Iterator<Item = &str> {
        self.models.keys().take(many).map(String::as_str)
    }

    /// All names, in order.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.models.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    /// All routes that are served, in no order.
    pub fn routings(&self) -> impl Iterator<Item = Arc<Routing>> {
        self.models.values().filter_map(|model| model.routing().map(Arc::clone))
    }

    /// All pipelines, by name and age.
    pub fn pipelines(&self) -> impl Iterator<Item = &Arc<Pipeline>> {
        self.names().into_iter().filter_map(|name| self.model(name)).flat_map(|model| &model.versions)
    }
}

impl Model {
    /// These versions, in any order, and the labels that point at some of them. None when there is no version.
    pub fn new(mut versions: Vec<Arc<Pipeline>>, labels: Vec<(String, Arc<Pipeline>)>, door: Door) -> Option<Self> {
        versions.sort_by(|a, b| newer(&a.version, &b.version));
        (!versions.is_empty()).then_some(Self { versions, labels, door })
    }

    /// Who answers when no version is asked for.
    pub const fn door(&self) -> &Door {
        &self.door
    }

    /// The route that is served.
    pub const fn routing(&self) -> Option<&Arc<Routing>> {
        match &self.door {
            Door::Route(routing) => Some(routing),
            _ => None,
        }
    }

    /// The newest version.
    pub fn newest(&self) -> Option<&Arc<Pipeline>> {
        self.versions.last()
    }

    /// This version, or the one that this label points at.
    pub fn version(&self, version: &str) -> Option<&Arc<Pipeline>> {
        let labelled = || self.labels.iter().find(|(label, _)| label == version).map(|(_, pipeline)| pipeline);
        self.versions.iter().find(|pipeline| pipeline.version == version).or_else(labelled)
    }

    /// Oldest first.
    pub fn versions(&self) -> &[Arc<Pipeline>] {
        &self.versions
    }
}

/// Orders version labels: runs of digits by value, the rest as text, so that `10` is newer than `9` and `1.10` than
/// `1.9`.
pub fn newer(a: &str, b: &str) -> std::cmp::Ordering {
    fn parts(version: &str) -> Vec<(u128, &str)> {
        version
            .split_inclusive(|character: char| !character.is_ascii_digit())
            .map(|part| {
                let digits = part.len() - part.trim_start_matches(|character: char| character.is_ascii_digit()).len();
                (part[..digits].parse().unwrap_or(0), &part[digits..])
            })
            .collect()
    }
    parts(a).cmp(&parts(b)).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::newer;

    #[test]
    fn versions_are_ordered_by_value() {
        let mut versions = ["10", "9", "1.10", "1.9", "v2", "v10", "2"];
        versions.sort_by(|a, b| newer(a, b));
        assert_eq!(versions, ["v2", "v10", "1.9", "1.10", "2", "9", "10"]);
    }
}
