//! A test bench for plugin authors: opens a stage natively and calls it as the host would.
//!
//! Settings go through JSON, inputs and outputs are checked against the signature, and tensors of
//! more than 16 KiB arrive as handles, which are read on first access.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Failure, OpenError};
use crate::files::Files;
use crate::inputs::Inputs;
use crate::instance::Instance;
use crate::outputs::Outputs;
use crate::settings::schema;
use crate::signature::{Signature, no_such, place};
use crate::stage::{Model, Postprocessor, Preprocessor};
use crate::tensor::Tensor;

type Run<S> = fn(&mut S, &mut Inputs, &mut Outputs) -> Result<(), Failure>;

/// An opened stage under test.
#[derive(Debug)]
pub struct Bench<S> {
    instance: Instance<S>,
    signature: Signature,
    settings_schema: String,
    run: Run<S>,
}

/// The outputs of a call.
#[derive(Debug)]
pub struct Answer {
    tensors: Vec<(String, Tensor)>,
}

#[cfg(not(target_arch = "wasm32"))]
/// Takes the metrics observed on this thread since the last call: names and values, in order.
pub fn observed() -> Vec<(String, f64)> {
    crate::host::observed()
}

/// Opens a preprocessor.
#[expect(
    clippy::needless_pass_by_value,
    reason = "tests write `json!` and `Files` in place"
)]
pub fn open_preprocessor<S: Preprocessor>(
    settings: Value,
    files: Files,
) -> Result<Bench<S>, OpenError> {
    Bench::open(&settings, &files, S::open, S::preprocess)
}

/// Opens a model.
#[expect(
    clippy::needless_pass_by_value,
    reason = "tests write `json!` and `Files` in place"
)]
pub fn open_model<S: Model>(settings: Value, files: Files) -> Result<Bench<S>, OpenError> {
    Bench::open(&settings, &files, S::open, S::infer)
}

/// Opens a postprocessor.
#[expect(
    clippy::needless_pass_by_value,
    reason = "tests write `json!` and `Files` in place"
)]
pub fn open_postprocessor<S: Postprocessor>(
    settings: Value,
    files: Files,
) -> Result<Bench<S>, OpenError> {
    Bench::open(&settings, &files, S::open, S::postprocess)
}

impl<S> Bench<S> {
    fn open<T: DeserializeOwned + JsonSchema>(
        settings: &Value,
        files: &Files,
        open: impl FnOnce(T, &Files) -> Result<(S, Signature), OpenError>,
        run: Run<S>,
    ) -> Result<Self, OpenError> {
        let (instance, signature) = Instance::open(&settings.to_string(), files, open)?;
        Ok(Self {
            instance,
            signature,
            settings_schema: schema::<T>(),
            run,
        })
    }

    /// The signature that `open` returned.
    pub const fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The JSON Schema of the settings, as the component describes it.
    pub fn settings_schema(&self) -> &str {
        &self.settings_schema
    }

    /// The opened stage.
    pub const fn stage(&self) -> &S {
        &self.instance.stage
    }

    /// Calls the stage with named tensors, in any order. As in the host, tensors that do not match
    /// the signature are refused before the stage is called.
    pub fn call<N: AsRef<str>>(
        &mut self,
        inputs: impl IntoIterator<Item = (N, Tensor)>,
    ) -> Result<Answer, Failure> {
        let ports = &self.signature.inputs;
        let mut places: Vec<Option<Tensor>> = ports.iter().map(|_| None).collect();
        for (name, tensor) in inputs {
            let name = name.as_ref();
            let Some(index) = place(ports, name) else {
                return Err(Failure::InvalidInput(no_such("input", ports, name)));
            };
            ports[index]
                .accepts(&tensor)
                .map_err(|misfit| Failure::InvalidInput(format!("input {misfit}")))?;
            places[index] = Some(hold_if_large(tensor));
        }
        if let Some(index) = places.iter().position(Option::is_none) {
            return Err(Failure::InvalidInput(format!(
                "input `{}` is missing",
                ports[index].name
            )));
        }
        let answers = self
            .instance
            .call(places.into_iter().flatten(), self.run, |tensor| tensor)?;
        Ok(Answer::new(&self.signature, answers))
    }
}

impl<S: Preprocessor> Bench<S> {
    /// Calls the stage with a raw body. As in the host, a content type that the stage does not
    /// accept is refused.
    pub fn call_raw(&mut self, content_type: &str, body: &[u8]) -> Result<Answer, Failure> {
        let accepts = self.instance.stage.accepts();
        let accepted = |pattern: &&str| match pattern.strip_suffix('*') {
            Some(prefix) => content_type.starts_with(prefix),
            None => *pattern == content_type,
        };
        if !accepts.iter().any(accepted) {
            let accepts = crate::signature::list(accepts);
            return Err(Failure::InvalidInput(format!(
                "content type `{content_type}`; the stage accepts {accepts}"
            )));
        }
        let run = |stage: &mut S, _: &mut Inputs, outputs: &mut Outputs| {
            stage.raw(content_type, body, outputs)
        };
        let answers = self
            .instance
            .call(std::iter::empty(), run, |tensor| tensor)?;
        Ok(Answer::new(&self.signature, answers))
    }
}

impl Answer {
    fn new(signature: &Signature, tensors: Vec<Tensor>) -> Self {
        let names = signature.outputs.iter().map(|port| port.name.clone());
        Self {
            tensors: names.zip(tensors).collect(),
        }
    }

    /// An output by its name.
    pub fn get(&self, name: &str) -> Result<&Tensor, Failure> {
        let found = self.tensors.iter().find(|(given, _)| given == name);
        found.map(|(_, tensor)| tensor).ok_or_else(|| {
            let names: Vec<&str> = self
                .tensors
                .iter()
                .map(|(given, _)| given.as_str())
                .collect();
            Failure::Internal(format!(
                "no output `{name}`; there are {}",
                crate::signature::list(&names)
            ))
        })
    }
}

/// Passes a tensor of more than 16 KiB by handle, as the host does.
#[cfg(not(target_arch = "wasm32"))]
fn hold_if_large(tensor: Tensor) -> Tensor {
    const INLINE_BYTES_MAX: usize = 16 << 10;
    if tensor.as_bytes().len() <= INLINE_BYTES_MAX {
        return tensor;
    }
    let (datatype, shape, data) = tensor.into_parts();
    let buffer = data.map_or_else(|buffer| buffer, crate::host::Buffer);
    Tensor::from_held(datatype, shape, buffer)
}

#[cfg(target_arch = "wasm32")]
const fn hold_if_large(tensor: Tensor) -> Tensor {
    tensor
}

#[cfg(test)]
mod tests;
