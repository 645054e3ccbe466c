//! Keys of documents, and documents with what is known of their content.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use hotstage_core::digest::Digest;
use hotstage_core::manifest::{
    ComponentRef, DocumentRef, Documents, FileRef, Test, Written, WrittenGraph,
};
use hotstage_core::name::{ModelName, Version};
use serde::{Deserialize, Serialize};

use super::scan::Stamp;

/// What a document describes. Documents are applied in this order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Key {
    /// A pipeline or a graph; both are versions of a name.
    Version {
        name: ModelName,
        version: Version,
    },
    Route {
        name: ModelName,
    },
    Rollout {
        name: ModelName,
    },
}

impl Key {
    /// The model name.
    pub(super) const fn name(&self) -> &ModelName {
        match self {
            Self::Version { name, .. } | Self::Route { name } | Self::Rollout { name } => name,
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version { name, version } => write!(formatter, "{name}/{version}"),
            Self::Route { name } => write!(formatter, "the route {name}"),
            Self::Rollout { name } => write!(formatter, "the rollout {name}"),
        }
    }
}

/// One document of a file.
#[derive(Clone)]
pub(super) struct Doc {
    pub(super) key: Key,
    /// This document alone.
    pub(super) documents: Documents,
    /// The referenced files, as seen when the document was read.
    pub(super) pointed: BTreeMap<PathBuf, Option<Stamp>>,
    /// Digest of the document and of everything that it references, or why it is unknown.
    pub(super) identity: Result<Digest, String>,
}

impl Doc {
    /// Names with which it is applied together.
    pub(super) fn names(&self) -> BTreeSet<ModelName> {
        let graphs = self.documents.graphs.iter();
        let members = graphs
            .flat_map(|graph| graph.graph().branches())
            .map(|(_, branch)| branch.pipeline.clone());
        members.chain([self.key.name().clone()]).collect()
    }

    /// Whether retrying it is expensive.
    pub(super) fn is_pipeline(&self) -> bool {
        !self.documents.pipelines.is_empty()
    }
}

/// Splits a file into single documents, in their order.
pub(super) fn split(documents: Documents) -> Vec<(Key, Documents, BTreeSet<PathBuf>)> {
    let Documents {
        pipelines,
        graphs,
        routes,
        rollouts,
    } = documents;
    let version = |name: &ModelName, version: &Version| Key::Version {
        name: name.clone(),
        version: version.clone(),
    };
    let mut split = Vec::new();
    for document in pipelines {
        let (key, files) = (
            version(&document.pipeline().name, &document.pipeline().version),
            pointed(&document),
        );
        split.push((
            key,
            Documents {
                pipelines: vec![document],
                ..Documents::default()
            },
            files,
        ));
    }
    for document in graphs {
        let (key, files) = (
            version(&document.graph().name, &document.graph().version),
            tested(&document),
        );
        split.push((
            key,
            Documents {
                graphs: vec![document],
                ..Documents::default()
            },
            files,
        ));
    }
    for route in routes {
        let key = Key::Route {
            name: route.name().clone(),
        };
        split.push((
            key,
            Documents {
                routes: vec![route],
                ..Documents::default()
            },
            BTreeSet::new(),
        ));
    }
    for rollout in rollouts {
        let key = Key::Rollout {
            name: rollout.name().clone(),
        };
        split.push((
            key,
            Documents {
                rollouts: vec![rollout],
                ..Documents::default()
            },
            BTreeSet::new(),
        ));
    }
    split
}

fn pointed(document: &Written) -> BTreeSet<PathBuf> {
    let base = folder_of(document.file());
    let pipeline = document.pipeline();
    let mut files = BTreeSet::new();
    for stage in &pipeline.stages {
        if let ComponentRef::Path(path) = &stage.component {
            files.insert(base.join(&**path));
        }
        for file in stage.files.values() {
            if let FileRef::Path(path) = file {
                files.insert(base.join(&**path));
            }
        }
    }
    files.extend(tests(base, &pipeline.tests));
    files
}

fn tested(document: &WrittenGraph) -> BTreeSet<PathBuf> {
    tests(folder_of(document.file()), &document.graph().tests).collect()
}

fn tests(base: &Path, tests: &[Test<DocumentRef>]) -> impl Iterator<Item = PathBuf> {
    tests
        .iter()
        .flat_map(|test| [&test.request, &test.expect])
        .filter_map(move |document| match document {
            DocumentRef::Path(path) => Some(base.join(&**path)),
            _ => None,
        })
}

fn folder_of(file: &str) -> &Path {
    Path::new(file).parent().unwrap_or(Path::new("."))
}
