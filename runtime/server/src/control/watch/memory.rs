//! What each watched document said when it was last applied, kept over restarts in `watched.json`
//! in the state directory.
//!
//! Changes that the journal has and the file lacks, because the server ended in between, are added
//! when the file is read. A damaged file counts as empty: a document is then known if it is served
//! as it is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hotstage_core::digest::Digest;
use hotstage_core::graph::ResolvedGraph;
use hotstage_core::journal::{Change, Revision};
use serde::{Deserialize, Serialize};

use super::super::{Control, ControlError};
use super::ACTOR;
use super::folder::of_graph;
use super::key::Key;
use crate::state::store::Store;

/// Name of the file in the state directory.
const FILE: &str = "watched.json";

/// A document that was applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Known {
    /// Its digest when it was applied.
    pub(super) digest: Digest,
    /// Its file. None if that is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) file: Option<PathBuf>,
}

/// All applied documents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Memory {
    known: BTreeMap<Key, Known>,
    head: u64,
    is_new: bool,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    head: u64,
    documents: Vec<(Key, Known)>,
}

impl Memory {
    /// Reads the memory.
    pub(super) async fn read(control: &Control) -> Result<Self, ControlError> {
        let path = control.store().root().join(FILE);
        let text = std::fs::read(&path).ok();
        let kept = text
            .as_deref()
            .and_then(|text| serde_json::from_slice::<Kept>(text).ok());
        if kept.is_none() && text.is_some() {
            tracing::warn!(path = %path.display(), "is damaged and is replaced");
        }
        let kept = kept.unwrap_or(Kept {
            head: 0,
            documents: Vec::new(),
        });
        let mut memory = Self {
            known: kept.documents.into_iter().collect(),
            head: kept.head,
            is_new: false,
        };
        let missed = control.with_journal(move |journal| {
            let mut missed: Vec<Revision> = Vec::new();
            journal.walk(|revision, _| {
                if revision.number > kept.head && revision.actor == ACTOR {
                    missed.push(revision.clone());
                }
                true
            })?;
            Ok::<_, crate::state::journal::JournalError>(missed)
        });
        for revision in missed.await?? {
            memory.head = revision.number;
            revision
                .changes
                .iter()
                .for_each(|change| memory.learn(control.store(), change));
        }
        Ok(memory)
    }

    /// Records a change that was made for a document.
    fn learn(&mut self, store: &Store, change: &Change) {
        let name = change.pipeline().clone();
        match change {
            Change::Serve {
                version, digest, ..
            } => {
                self.set(
                    Key::Version {
                        name,
                        version: version.clone(),
                    },
                    said(store, *digest),
                    None,
                );
            }
            Change::Stop { version, .. } => self.forget(&Key::Version {
                name,
                version: version.clone(),
            }),
            Change::Route { digest, .. } => self.set(Key::Route { name }, *digest, None),
            Change::Unroute { .. } => self.forget(&Key::Route { name }),
            Change::Rollout {
                rollout: Some(rolling),
                ..
            } => self.set(Key::Rollout { name }, rolling.digest, None),
            Change::Rollout { .. } | Change::Label { .. } => {}
        }
    }

    /// Writes the file if anything changed.
    pub(super) fn write(&mut self, control: &Control) {
        if !self.is_new {
            return;
        }
        self.head = control.head();
        let documents = self
            .known
            .iter()
            .map(|(key, known)| (key.clone(), known.clone()))
            .collect();
        let text = serde_json::to_string(&Kept {
            head: self.head,
            documents,
        })
        .unwrap_or_default();
        match control.store().note(FILE, text.as_bytes()) {
            Ok(()) => self.is_new = false,
            // The journal has the change for the next start, and the write is retried.
            Err(error) => {
                tracing::error!(%error, "the state of watched files can't be written");
            }
        }
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Known> {
        self.known.get(key)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = (&Key, &Known)> {
        self.known.iter()
    }

    pub(super) fn set(&mut self, key: Key, digest: Digest, file: Option<&Path>) {
        let file = file
            .map(Path::to_owned)
            .or_else(|| self.known.get(&key).and_then(|known| known.file.clone()));
        let known = Known { digest, file };
        if self.known.get(&key) != Some(&known) {
            self.known.insert(key, known);
            self.is_new = true;
        }
    }

    pub(super) fn forget(&mut self, key: &Key) {
        self.is_new |= self.known.remove(key).is_some();
    }
}

/// Identity of a served version; for a graph, independent of its members' digests.
pub(super) fn said(store: &Store, digest: Digest) -> Digest {
    let text = store.get(&digest).ok().flatten();
    let graph = text.and_then(|text| ResolvedGraph::parse(&String::from_utf8_lossy(&text)).ok());
    graph.map_or(digest, of_graph)
}
