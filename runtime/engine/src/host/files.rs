//! `hotstage:serving/files`: what the manifest gives to the stage.

use wasmtime::component::Resource;

use super::{Buffer, Guest};
use crate::bindings::files::{FileError, Host};

impl Host for Guest {
    fn names(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(self.files.keys().cloned().collect())
    }

    fn open(&mut self, name: String) -> wasmtime::Result<Result<Resource<Buffer>, FileError>> {
        let Some(bytes) = self.files.get(&name).map(|file| file.bytes.clone()) else {
            return Ok(Err(FileError::NotFound));
        };
        Ok(Ok(self.hold(bytes)?))
    }
}
