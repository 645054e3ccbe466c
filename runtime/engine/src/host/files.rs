//! `hotstage:serving/files`: what the manifest gives to the stage.
//!
//! Small files are held, and all instances share the bytes. A large one is fetched when an instance
//! opens it, shared with all who open it meanwhile, and let go when the last of them is done: a
//! graph's weights would else be in memory beside what its engine makes of them.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use hotstage_core::digest::Digest;
use wasmtime::component::Resource;

use super::{Buffer, Guest, Phase};
use crate::bindings::files::{FileError, Host};

/// The files of a stage, by the names that the manifest gives them.
pub type Files = std::collections::BTreeMap<String, File>;

/// A file of a stage.
#[derive(Clone, Debug)]
pub struct File {
    /// Its name in the store.
    pub digest: Digest,
    /// What is in it.
    pub content: Content,
}

/// What is in a file, or who has it.
#[derive(Clone, Debug)]
pub enum Content {
    /// The bytes.
    Held(Bytes),
    /// They are fetched when they are needed.
    Kept(Arc<dyn Keeper>),
}

/// The names under which a component asked for files while it was opened, given or not. At most
/// `ASKED_MAX`.
#[derive(Debug, Default)]
pub struct Asked(Mutex<BTreeSet<String>>);

/// Names that are remembered, and bytes of each.
const ASKED_MAX: (usize, usize) = (64, 256);

impl Asked {
    /// All of them.
    pub fn names(&self) -> BTreeSet<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn note(&self, name: &str) {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() < ASKED_MAX.0 && name.len() <= ASKED_MAX.1 && !names.contains(name) {
            names.insert(name.to_owned());
        }
    }
}

/// Has the bytes of files.
pub trait Keeper: Debug + Send + Sync {
    /// The bytes of this name, the same memory for all who have them at one time; or why there are
    /// none, for the log.
    fn fetch(&self, digest: &Digest) -> Result<Bytes, String>;
}

impl File {
    /// What is in it.
    pub(crate) fn bytes(&self) -> Result<Bytes, String> {
        match &self.content {
            Content::Held(bytes) => Ok(bytes.clone()),
            Content::Kept(keeper) => keeper.fetch(&self.digest),
        }
    }
}

impl Host for Guest {
    fn names(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(self.files.keys().cloned().collect())
    }

    fn open(&mut self, name: String) -> wasmtime::Result<Result<Resource<Buffer>, FileError>> {
        // No request waits for this lock: it is only taken while an instance is opened.
        if self.phase == Phase::Opening {
            self.asked.note(&name);
        }
        let Some(file) = self.files.get(&name) else {
            return Ok(Err(FileError::NotFound));
        };
        let bytes = file
            .bytes()
            .map_err(|reason| wasmtime::format_err!("its file `{name}` is not there: {reason}"))?;
        Ok(Ok(self.hold_file(bytes)?))
    }
}
