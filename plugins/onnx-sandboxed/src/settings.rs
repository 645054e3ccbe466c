//! What the manifest may set: the keys of the component `onnx`, so that a pipeline can change from one to the other.
//!
//! Default: the file `model`, all outputs. What this component can't do, more threads or another engine, is refused by
//! name, with the component that can.

use hotstage_sdk::OpenError;
use schemars::JsonSchema;
use serde::Deserialize;

/// What the manifest may set.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The key of the stage's `files` that holds the graph.
    pub(crate) file: String,
    /// The graph's outputs to answer, in this order. Left out: all of them, in the graph's order.
    pub(crate) outputs: Option<Vec<String>>,
    /// What computes the graph.
    engine: Engine,
    /// Threads that compute a call: 1.
    threads: u32,
    /// Where the graph may be computed: `cpu`.
    providers: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            file: "model".to_owned(),
            outputs: None,
            engine: Engine::Auto,
            threads: 1,
            providers: vec!["cpu".to_owned()],
        }
    }
}

/// What computes the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Engine {
    /// What this component has: `tract`.
    Auto,
    /// tract, inside the sandbox.
    Tract,
    /// ONNX Runtime, outside the sandbox: the component `onnx`.
    Onnxruntime,
}

impl Settings {
    /// Refuses what has the right type and no meaning here.
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
        if self.providers.is_empty() {
            return Err(OpenError::settings("settings.providers: is empty; set [cpu], or leave it out"));
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

    /// The places of the wanted outputs among those that the graph has.
    pub(crate) fn places<'a>(&self, names: impl Iterator<Item = &'a str> + Clone) -> Result<Vec<usize>, OpenError> {
        let Some(wanted) = &self.outputs else {
            return Ok((0..names.count()).collect());
        };
        let place = |(index, output): (usize, &String)| {
            names.clone().position(|name| name == output).ok_or_else(|| {
                let known: Vec<String> = names.clone().map(|name| format!("`{name}`")).collect();
                let known = known.join(", ");
                OpenError::settings(format!(
                    "settings.outputs[{index}]: the graph has no output `{output}`; it has {known}"
                ))
            })
        };
        wanted.iter().enumerate().map(place).collect()
    }

    fn check_outputs(&self) -> Result<(), OpenError> {
        let outputs = self.outputs.as_deref().unwrap_or_default();
        if self.outputs.is_some() && outputs.is_empty() {
            return Err(OpenError::settings("settings.outputs: is empty; name an output, or leave it out for all"));
        }
        for (index, output) in outputs.iter().enumerate() {
            if outputs[..index].contains(output) {
                return Err(OpenError::settings(format!("settings.outputs[{index}]: `{output}` is named twice")));
            }
        }
        Ok(())
    }
}
