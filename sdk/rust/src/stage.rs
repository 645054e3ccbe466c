//! The traits that a plugin author implements, one for each role.
//!
//! The host opens an instance once, then calls it any number of times, one call at a time, and may
//! drop it between calls. An instance must therefore keep only state that `open` can recreate, and
//! outputs must depend on inputs, settings and files alone. Bounds: the stage's limits on memory,
//! time and output bytes.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::error::{Failure, OpenError};
use crate::files::Files;
use crate::inputs::Inputs;
use crate::outputs::Outputs;
use crate::signature::Signature;

/// The first stage: turns the client's inputs into the model's inputs.
pub trait Preprocessor: Sized {
    /// What the manifest may set; [`NoSettings`](crate::NoSettings) if nothing.
    type Settings: DeserializeOwned + JsonSchema;

    /// One sentence for people.
    const SUMMARY: &'static str;

    /// Prepares an instance. Every instance of a stage has the same signature.
    fn open(settings: Self::Settings, files: &Files) -> Result<(Self, Signature), OpenError>;

    /// Content types of raw bodies that [`raw`](Self::raw) takes, such as `image/jpeg` or
    /// `image/*`. Default: none.
    fn accepts(&self) -> &[&str] {
        &[]
    }

    /// Answers one call.
    fn preprocess(&mut self, inputs: &mut Inputs, outputs: &mut Outputs) -> Result<(), Failure>;

    /// Answers one call with a raw body instead of tensors. The content type is in lower case and
    /// without parameters.
    fn raw(
        &mut self,
        content_type: &str,
        body: &[u8],
        outputs: &mut Outputs,
    ) -> Result<(), Failure> {
        let _ = (body, outputs);
        Err(Failure::Internal(format!(
            "`accepts` takes bodies of `{content_type}`, but `raw` is not implemented"
        )))
    }
}

/// The model itself.
pub trait Model: Sized {
    /// What the manifest may set; [`NoSettings`](crate::NoSettings) if nothing.
    type Settings: DeserializeOwned + JsonSchema;

    /// One sentence for people.
    const SUMMARY: &'static str;

    /// Prepares an instance. Every instance of a stage has the same signature.
    fn open(settings: Self::Settings, files: &Files) -> Result<(Self, Signature), OpenError>;

    /// Answers one call.
    fn infer(&mut self, inputs: &mut Inputs, outputs: &mut Outputs) -> Result<(), Failure>;
}

/// The last stage: turns the model's outputs into the client's outputs.
pub trait Postprocessor: Sized {
    /// What the manifest may set; [`NoSettings`](crate::NoSettings) if nothing.
    type Settings: DeserializeOwned + JsonSchema;

    /// One sentence for people.
    const SUMMARY: &'static str;

    /// Prepares an instance. Every instance of a stage has the same signature.
    fn open(settings: Self::Settings, files: &Files) -> Result<(Self, Signature), OpenError>;

    /// Answers one call.
    fn postprocess(&mut self, inputs: &mut Inputs, outputs: &mut Outputs) -> Result<(), Failure>;
}
