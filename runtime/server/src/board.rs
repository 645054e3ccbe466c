//! What is served right now.
//!
//! Readers take a snapshot, an immutable table behind one atomic pointer, and keep what they found in it to the end of
//! their request. Whoever changes what is served builds the next table and stores it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use arc_swap::{ArcSwap, Guard};

use crate::pipeline::Pipeline;

/// The table of one moment.
#[derive(Default)]
pub struct Snapshot {
    models: BTreeMap<String, Model>,
}

/// The versions of one name, oldest first.
pub struct Model {
    /// At least one.
    versions: Vec<Arc<Pipeline>>,
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
    /// A table of these pipelines.
    pub fn new(pipelines: impl IntoIterator<Item = Arc<Pipeline>>) -> Self {
        let mut models = BTreeMap::<String, Model>::new();
        for pipeline in pipelines {
            let name = pipeline.name.clone();
            models.entry(name).or_insert_with(|| Model { versions: Vec::new() }).versions.push(pipeline);
        }
        for model in models.values_mut() {
            model.versions.sort_by(|a, b| newer(&a.version, &b.version));
        }
        Self { models }
    }

    /// The versions of a name.
    pub fn model(&self, name: &str) -> Option<&Model> {
        self.models.get(name)
    }

    /// All names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.models.keys().map(String::as_str)
    }

    /// All pipelines, by name and age.
    pub fn pipelines(&self) -> impl Iterator<Item = &Arc<Pipeline>> {
        self.models.values().flat_map(|model| &model.versions)
    }
}

impl Model {
    /// The version that answers when none is asked for.
    pub fn newest(&self) -> Option<&Arc<Pipeline>> {
        self.versions.last()
    }

    /// This version.
    pub fn version(&self, version: &str) -> Option<&Arc<Pipeline>> {
        self.versions.iter().find(|pipeline| pipeline.version == version)
    }

    /// Oldest first.
    pub fn versions(&self) -> &[Arc<Pipeline>] {
        &self.versions
    }
}

/// Orders version labels: runs of digits by value, the rest as text, so that `10` is newer than `9` and `1.10` than
/// `1.9`.
fn newer(a: &str, b: &str) -> std::cmp::Ordering {
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
