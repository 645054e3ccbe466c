//! Any ONNX graph: the model stage that needs no code.
//!
//! Its inputs and outputs are those of the graph, and the host runs it: on ONNX Runtime if
//! available, otherwise on tract; the setting `engine` selects one. Large tensors pass through as
//! handles and are not copied into the sandbox. Bounds: the stage's `time`, `memory` and
//! `output_bytes`.

use hotstage_sdk::graphs::{self, Graph, GraphError};
use hotstage_sdk::{Failure, Files, Inputs, Model, OpenError, Outputs, Signature, export};
use schemars::JsonSchema;
use serde::Deserialize;

/// Settings in the manifest.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The name of the graph among the stage's `files`.
    #[serde(default = "model")]
    file: String,
    /// The engine.
    #[serde(default)]
    engine: Engine,
    /// Threads for one computation. More than 1 helps only for a large graph on an idle machine.
    #[serde(default = "one")]
    #[schemars(range(min = 1))]
    threads: u32,
    /// Concurrent computations; they share the weights. Default: the number of the server's compute
    /// threads.
    #[serde(default)]
    #[schemars(range(min = 1))]
    concurrency: Option<u32>,
    /// Execution providers of ONNX Runtime in order of preference; the CPU computes operators that
    /// none of them supports.
    #[serde(default)]
    providers: Vec<String>,
    /// The requested outputs, in this order. Default: all.
    #[serde(default)]
    outputs: Vec<String>,
    /// What happens to ONNX Runtime's arena, the memory for intermediate tensors, after a
    /// computation.
    #[serde(default)]
    arena: Arena,
}

/// The engine that runs a graph.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Engine {
    /// ONNX Runtime if the server found it, tract otherwise.
    #[default]
    Auto,
    /// ONNX Runtime.
    Onnxruntime,
    /// tract, which every server contains.
    Tract,
}

/// What happens to the arena.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Arena {
    /// Keep it for the next computation.
    #[default]
    Keep,
    /// Free it.
    Shrink,
}

fn model() -> String {
    "model".to_owned()
}

const fn one() -> u32 {
    1
}

/// An open graph.
#[derive(Debug)]
pub struct Onnx(Graph);

impl Model for Onnx {
    type Settings = Settings;
    const SUMMARY: &'static str = "Computes an ONNX graph on the host's engines.";

    fn open(settings: Settings, _files: &Files) -> Result<(Self, Signature), OpenError> {
        let options = settings.options().map_err(OpenError::settings)?;
        let graph =
            Graph::open(&settings.file, &options).map_err(|error| settings.explain(&error))?;
        let signature = graph.signature();
        Ok((Self(graph), signature))
    }

    fn infer(&mut self, inputs: &mut Inputs, outputs: &mut Outputs) -> Result<(), Failure> {
        outputs.put_all(self.0.compute(inputs.take_all()?)?)
    }
}

impl Settings {
    fn options(&self) -> Result<graphs::Options, String> {
        if self.threads == 0 {
            return Err("settings.threads: is 0; at least 1 is needed".to_owned());
        }
        if self.concurrency == Some(0) {
            return Err(
                "settings.concurrency: is 0; at least 1 is needed, or leave it out".to_owned(),
            );
        }
        if let Some(index) = (1..self.outputs.len())
            .find(|&index| self.outputs[..index].contains(&self.outputs[index]))
        {
            return Err(format!(
                "settings.outputs[{index}]: is `{}`, as one before it is",
                self.outputs[index]
            ));
        }
        Ok(graphs::Options {
            engine: match self.engine {
                Engine::Auto => graphs::Engine::Auto,
                Engine::Onnxruntime => graphs::Engine::OnnxRuntime,
                Engine::Tract => graphs::Engine::Tract,
            },
            threads: self.threads,
            concurrency: self.concurrency.unwrap_or_default(),
            providers: self.providers.clone(),
            outputs: self.outputs.clone(),
            arena: match self.arena {
                Arena::Keep => graphs::Arena::Keep,
                Arena::Shrink => graphs::Arena::Shrink,
            },
        })
    }

    /// Attributes the error to the file, or to the settings that need an unavailable engine.
    fn explain(&self, error: &GraphError) -> OpenError {
        match error {
            GraphError::NotFound(_) => OpenError::file(error.to_string()),
            GraphError::Refused(text) => OpenError::file(format!("`{}`: {text}", self.file)),
            GraphError::Unavailable(text) if self.providers.is_empty() => {
                OpenError::settings(format!("settings.engine: {text}"))
            }
            GraphError::Unavailable(text) => {
                OpenError::settings(format!("settings.providers: {text}"))
            }
        }
    }
}

export!(model: Onnx);

#[cfg(test)]
mod tests;
