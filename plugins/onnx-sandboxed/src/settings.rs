//! What the manifest may set: the keys of the component `onnx`, so that a pipeline can change from
//! one to the other.
//!
//! Default: the file `model`, all outputs. What this component can't do, more threads or another
//! engine, is refused by name, with the component that can.

use hotstage_sdk::OpenError;
use schemars::JsonSchema;
use serde::Deserialize;

/// What the manifest may set.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Which of the stage's `files` is the graph.
    pub(crate) file: String,
    /// What computes it.
    engine: Engine,
    /// Threads that one computation is spread over: 1.
    #[schemars(range(min = 1, max = 1))]
    threads: u32,
    /// Not here: computations at once are the stage's `limits.instances`.
    concurrency: Option<u32>,
    /// Where the graph may be computed: `cpu`, or nothing said.
    providers: Vec<String>,
    /// The outputs that are answered, in this order; all unless set.
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

    /// The places of the wanted outputs among those that the graph has.
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
