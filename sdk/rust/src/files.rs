//! The files that the manifest gives to a stage: weights, vocabularies, tables.
//!
//! Read-only, and constant for the life of an instance. Natively they come from a map. Bound: a
//! file is read into the instance's memory, so it must fit the stage's limit `memory`.

use std::collections::BTreeMap;

use crate::error::OpenError;

/// The stage's files, keyed by their names in the manifest.
#[derive(Debug)]
pub struct Files {
    source: Source,
}

#[derive(Debug)]
enum Source {
    #[cfg(target_arch = "wasm32")]
    Host,
    Map(BTreeMap<String, Vec<u8>>),
}

impl Files {
    /// Files for a test.
    pub fn from_map<N: Into<String>, B: Into<Vec<u8>>>(
        files: impl IntoIterator<Item = (N, B)>,
    ) -> Self {
        let files = files
            .into_iter()
            .map(|(name, bytes)| (name.into(), bytes.into()))
            .collect();
        Self {
            source: Source::Map(files),
        }
    }

    /// No files, for a test.
    pub const fn none() -> Self {
        Self {
            source: Source::Map(BTreeMap::new()),
        }
    }

    /// The files that the manifest gives the stage.
    #[cfg(target_arch = "wasm32")]
    pub(crate) const fn of_host() -> Self {
        Self {
            source: Source::Host,
        }
    }

    /// The names, in order.
    pub fn names(&self) -> Vec<String> {
        match &self.source {
            #[cfg(target_arch = "wasm32")]
            Source::Host => crate::host::file_names(),
            Source::Map(files) => files.keys().cloned().collect(),
        }
    }

    /// Reads a whole file. The error names the missing key of `files`.
    pub fn read(&self, name: &str) -> Result<Vec<u8>, OpenError> {
        let bytes = match &self.source {
            #[cfg(target_arch = "wasm32")]
            Source::Host => crate::host::file_read(name),
            Source::Map(files) => files.get(name).cloned(),
        };
        bytes.ok_or_else(|| {
            let names = self.names();
            let given = if names.is_empty() {
                "none".to_owned()
            } else {
                crate::signature::list(&names)
            };
            OpenError::File(format!(
                "no file `{name}`: add it to the stage's `files` in the manifest; given: {given}"
            ))
        })
    }
}
