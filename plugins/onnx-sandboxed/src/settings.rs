//! Settings in the manifest: the keys of the component `onnx`, so that a pipeline can switch
//! between the two.
//!
//! Default: the file `model`, all outputs. Unsupported values, such as more threads or another
//! engine, are refused by name, with the component that supports them.
//! engine, is refused by name, with the component that can.

use hotstage_sdk::OpenError;
use schemars::JsonSchema;
use serde::Deserialize;

/// Settings in the manifest.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The name of the graph among the stage's `files`.
    pub(crate) file: String,
    /// The engine.
    engine: Engine,
    /// Threads for one computation: 1.
    #[schemars(range(min = 1, max = 1))]
    threads: u32,
    /// Not supported: concurrent computations are the stage's `limits.instances`.
    concurrency: Option<u32>,
    /// Execution providers: `cpu`, or empty.
    providers: Vec<String>,
    /// The requested outputs, in this order. Default: all.
    outputs: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            file: "model".to_owned(),
            engine: Engine::Auto,
            threads: 1,
            concurrency: None,
            providers: Vec::new(),
            outputs: Vec::new(),
        }
    }
}

/// The engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Engine {
    /// The engine of this component: `tract`.
    Auto,
    /// tract, in the sandbox.
    Tract,
    /// ONNX Runtime, outside the sandbox: the component `onnx`.
    Onnxruntime,
}

impl Settings {
    /// Refuses values that are not valid here.
    pub(crate) fn check(&self) -> Result<(), OpenError> {
        if self.engine == Engine::Onnxruntime {
            return Err(OpenError::settings(
                "settings.engine: `onnxruntime` runs outside the sandbox; take the component `onnx`, or `tract` here",
            ));
        }
        if self.threads != 1 {
            let threads = self.threads;
            return Err(OpenError::settings(format!(
                "settings.threads: {threads}; the sandbox has one thread: set 1, or take the component `onnx`"
            )));
        }
        if let Some(concurrency) = self.concurrency {
            return Err(OpenError::settings(format!(
                "settings.concurrency: {concurrency}; calls at once run in instances of their own: set \
                 `limits.instances`"
            )));
        }
        if let Some(index) = self.providers.iter().position(|provider| provider != "cpu") {
            let provider = &self.providers[index];
            return Err(OpenError::settings(format!(
                "settings.providers[{index}]: `{provider}` is outside the sandbox; set [cpu], or take the component \
                 `onnx`"
            )));
        }
        self.check_outputs()
    }

    /// The indices of the requested outputs among the graph's outputs.
    pub(crate) fn places<'a>(
        &self,
        names: impl Iterator<Item = &'a str> + Clone,
    ) -> Result<Vec<usize>, OpenError> {
        if self.outputs.is_empty() {
            return Ok((0..names.count()).collect());
        }
        let place = |(index, output): (usize, &String)| {
            names.clone().position(|name| name == output).ok_or_else(|| {
                let known: Vec<String> = names.clone().map(|name| format!("`{name}`")).collect();
                let known = known.join(", ");
                OpenError::settings(format!(
                    "settings.outputs[{index}]: the graph has no output `{output}`; it has {known}"
                ))
            })
        };
        self.outputs.iter().enumerate().map(place).collect()
    }

    fn check_outputs(&self) -> Result<(), OpenError> {
        for (index, output) in self.outputs.iter().enumerate() {
            if self.outputs[..index].contains(output) {
                return Err(OpenError::settings(format!(
                    "settings.outputs[{index}]: `{output}` is named twice"
                )));
            }
        }
        Ok(())
    }
}
