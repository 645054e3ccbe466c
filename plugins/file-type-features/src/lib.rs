//! Cuts each file into the byte windows that a file-type model takes, as numbers.
//!
//! The window sizes come from the model's file `config`. A file that is too short for the model is
//! classified here; the output `known` has its type. A raw body of `application/octet-stream` is
//! one file. Bounds: `files_max` files per request (default 64) of at most `file_bytes_max` bytes
//! each (default 32 MiB).

use hotstage_sdk::{
    Datatype, Failure, Files, Inputs, OpenError, Outputs, Preprocessor, Signature, any, export,
    size,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::windows::Windows;

mod windows;

/// The input: each element is a file.
const BYTES: &str = "bytes";
/// The numbers for the model, a row per file.
const FEATURES: &str = "features";
/// The type of a file that needs no model; empty if the model must decide.
const KNOWN: &str = "known";

/// Default for files per request: as many as a small model can process within a call's default
/// time.
const FILES_MAX: usize = 64;
/// Upper bound for files per request: their windows fit into an instance's default memory.
const FILES_MAX_MAX: usize = 4096;
/// Default for bytes per file: half of the server's default body limit.
const FILE_BYTES_MAX: usize = 32 << 20;

/// Settings in the manifest.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Maximum files per request: 1 to 4096; default 64.
    #[serde(default = "files_max")]
    files_max: usize,
    /// Maximum bytes of a file: at least two blocks of the model; default 32 MiB.
    #[serde(default = "file_bytes_max")]
    file_bytes_max: usize,
}

const fn files_max() -> usize {
    FILES_MAX
}

const fn file_bytes_max() -> usize {
    FILE_BYTES_MAX
}

/// The model's windows, and the bounds of a request.
#[derive(Debug)]
pub struct Features {
    windows: Windows,
    files_max: usize,
    file_bytes_max: usize,
}

impl Preprocessor for Features {
    type Settings = Settings;
    const SUMMARY: &'static str =
        "Cuts files into the windows of bytes that a file-type model takes.";

    fn open(settings: Settings, files: &Files) -> Result<(Self, Signature), OpenError> {
        let Settings {
            files_max,
            file_bytes_max,
        } = settings;
        let windows = Windows::read(&files.read("config")?).map_err(OpenError::file)?;
        if !(1..=FILES_MAX_MAX).contains(&files_max) {
            return Err(OpenError::settings(format!(
                "settings.files_max: is {files_max}; it must be from 1 to {FILES_MAX_MAX}"
            )));
        }
        let least = 2 * windows.block();
        if file_bytes_max < least {
            return Err(OpenError::settings(format!(
                "settings.file_bytes_max: is {file_bytes_max}; it must be at least {least}, two blocks of the model"
            )));
        }
        let signature = Signature::new()
            .input(BYTES, Datatype::Bytes, [any()])
            .output(FEATURES, Datatype::Int32, [any(), size(windows.width())])
            .output(KNOWN, Datatype::Bytes, [any()]);
        Ok((
            Self {
                windows,
                files_max,
                file_bytes_max,
            },
            signature,
        ))
    }

    fn accepts(&self) -> &[&str] {
        &["application/octet-stream"]
    }

    fn preprocess(&mut self, inputs: &mut Inputs, outputs: &mut Outputs) -> Result<(), Failure> {
        // Checks the shape before it reads the bytes.
        let count: u64 = inputs.get(BYTES)?.shape().iter().product();
        if count == 0 || count > self.files_max as u64 {
            let files_max = self.files_max;
            return Err(Failure::invalid_input(format!(
                "input `{BYTES}`: {count} files; a request holds from 1 to {files_max}"
            )));
        }
        let files: Vec<&[u8]> = inputs.bytes(BYTES)?.collect();
        if let Some(index) = files
            .iter()
            .position(|file| file.len() > self.file_bytes_max)
        {
            return Err(self.too_large(
                &format!("input `{BYTES}`: element {index}"),
                files[index].len(),
            ));
        }
        self.cut(&files, outputs)
    }

    fn raw(
        &mut self,
        _content_type: &str,
        body: &[u8],
        outputs: &mut Outputs,
    ) -> Result<(), Failure> {
        if body.len() > self.file_bytes_max {
            return Err(self.too_large("the body", body.len()));
        }
        self.cut(&[body], outputs)
    }
}

impl Features {
    fn cut(&self, files: &[&[u8]], outputs: &mut Outputs) -> Result<(), Failure> {
        let width = self.windows.width();
        let rows = outputs.make_slice::<i32>(FEATURES, &[files.len(), width])?;
        for (row, file) in rows.chunks_exact_mut(width).zip(files) {
            self.windows.fill(file, row);
        }
        outputs.put_bytes(
            KNOWN,
            &[files.len()],
            files.iter().map(|file| self.windows.known(file)),
        )
    }

    #[cold]
    fn too_large(&self, what: &str, given: usize) -> Failure {
        let (most, block) = (self.file_bytes_max, self.windows.block());
        Failure::invalid_input(format!(
            "{what} has {given} bytes; at most {most} are taken. The first {block} bytes of a file and its last \
             {block}, one after the other, get the same answer as the whole file"
        ))
    }
}

export!(preprocessor: Features);

#[cfg(test)]
mod tests;
