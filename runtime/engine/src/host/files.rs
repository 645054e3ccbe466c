//! `hotstage:serving/files`: the files that the manifest gives to the stage.
//!
//! Small files are held, and all instances share the bytes. A large one is fetched when an instance
//! opens it, shared with all instances that open it meanwhile, and dropped after the last of them:
//! a graph's weights would otherwise be in memory beside the engine's copy of them.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use hotstage_core::file::File;
use wasmtime::component::Resource;

use super::{Buffer, Guest, Phase};
use crate::bindings::files::{FileError, Host};

/// The files of a stage, by their names in the manifest.
pub type Files = std::collections::BTreeMap<String, File>;

/// The names of files that a component requested while it was opened, whether or not they exist. At
/// most `ASKED_MAX`.
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
            .map_err(|reason| wasmtime::format_err!("its file `{name}` can't be read: {reason}"))?;
        Ok(Ok(self.hold_file(bytes)?))
    }
}
