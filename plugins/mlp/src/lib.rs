//! A multilayer perceptron, computed in the sandbox.
//!
//! Layers come from the file `weights`, a safetensors file. Default: ReLU between the layers and
//! softmax after the last one; the settings `activation` and `output_activation` change that. Rows
//! are computed a few at a time, so the hidden layers take memory for a few rows only, whatever the
//! batch. Bound: the weights are in memory twice while the stage is opened, once afterwards.

mod layer;
mod weights;

use hotstage_sdk::{
    Datatype, Failure, Files, Inputs, Model, OpenError, Outputs, Signature, any, export, size,
};
use schemars::JsonSchema;
use serde::Deserialize;

use layer::{Layer, ROWS};

/// Settings in the manifest.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The activation after each layer except the last.
    activation: Activation,
    /// The activation after the last layer.
    output_activation: OutputActivation,
    /// Name of the input.
    input: String,
    /// Name of the output.
    output: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            activation: Activation::Relu,
            output_activation: OutputActivation::Softmax,
            input: "features".to_owned(),
            output: "scores".to_owned(),
        }
    }
}

/// The activation after each layer except the last.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// The element, or 0 if it is negative.
    Relu,
    /// The hyperbolic tangent.
    Tanh,
    /// 1 / (1 + exp(-x)), also known as sigmoid.
    #[serde(alias = "sigmoid")]
    Logistic,
    /// The unchanged element.
    Identity,
}

/// The activation after the last layer.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OutputActivation {
    /// Each row becomes probabilities that sum to 1.
    Softmax,
    /// 1 / (1 + exp(-x)), also known as sigmoid: each element becomes an independent probability.
    #[serde(alias = "sigmoid")]
    Logistic,
    /// The unchanged element.
    Identity,
}

/// A perceptron with its layers.
#[derive(Debug)]
pub struct Mlp {
    layers: Vec<Layer>,
    settings: Settings,
    /// Buffers for a few rows in the hidden layers: the next layer's input and output.
    hidden: [Vec<f32>; 2],
}

impl Model for Mlp {
    type Settings = Settings;
    const SUMMARY: &'static str = "A multilayer perceptron, computed inside the sandbox.";

    fn open(settings: Settings, files: &Files) -> Result<(Self, Signature), OpenError> {
        let layers = weights::read(&files.read("weights")?)?;
        let (Some(first), Some(last)) = (layers.first(), layers.last()) else {
            return Err(OpenError::file("file `weights`: holds no layer"));
        };
        let signature = Signature::new()
            .input(
                &settings.input,
                Datatype::Fp32,
                [any(), size(first.inputs())],
            )
            .output(
                &settings.output,
                Datatype::Fp32,
                [any(), size(last.outputs())],
            );
        let widest = layers[..layers.len() - 1]
            .iter()
            .map(Layer::outputs)
            .max()
            .unwrap_or(0);
        let hidden = [vec![0.0; widest * ROWS], vec![0.0; widest * ROWS]];
        Ok((
            Self {
                layers,
                settings,
                hidden,
            },
            signature,
        ))
    }

    fn infer(&mut self, inputs: &mut Inputs, outputs: &mut Outputs) -> Result<(), Failure> {
        let Some(((first, last), middle)) = ends(&self.layers) else {
            return Err(Failure::internal("no layers"));
        };
        let features = inputs.slice::<f32>(&self.settings.input)?;
        let rows = features.len() / first.inputs();
        let scores = outputs.make_slice::<f32>(&self.settings.output, &[rows, last.outputs()])?;
        let [read, written] = &mut self.hidden;
        for (features, scores) in features
            .chunks(first.inputs() * ROWS)
            .zip(scores.chunks_mut(last.outputs() * ROWS))
        {
            let rows = features.len() / first.inputs();
            let mut given = features;
            for layer in std::iter::once(first)
                .chain(middle)
                .take(self.layers.len() - 1)
            {
                let width = rows * layer.outputs();
                layer.apply(given, &mut written[..width]);
                activate(self.settings.activation, &mut written[..width]);
                std::mem::swap(read, written);
                given = &read[..width];
            }
            last.apply(given, scores);
            finish(self.settings.output_activation, last.outputs(), scores);
        }
        Ok(())
    }
}

/// The first layer, the last one (which may be the same) and those between them.
fn ends(layers: &[Layer]) -> Option<((&Layer, &Layer), &[Layer])> {
    Some((
        (layers.first()?, layers.last()?),
        layers.get(1..layers.len() - 1).unwrap_or_default(),
    ))
}

fn activate(activation: Activation, elements: &mut [f32]) {
    match activation {
        // Not `max`, which would turn a NaN into a 0 and hide it.
        Activation::Relu => change(
            elements,
            |element| if element < 0.0 { 0.0 } else { element },
        ),
        Activation::Tanh => change(elements, f32::tanh),
        Activation::Logistic => change(elements, logistic),
        Activation::Identity => {}
    }
}

fn finish(activation: OutputActivation, width: usize, elements: &mut [f32]) {
    match activation {
        OutputActivation::Softmax => elements.chunks_exact_mut(width).for_each(softmax),
        OutputActivation::Logistic => change(elements, logistic),
        OutputActivation::Identity => {}
    }
}

fn change(elements: &mut [f32], by: impl Fn(f32) -> f32) {
    elements
        .iter_mut()
        .for_each(|element| *element = by(*element));
}

fn logistic(element: f32) -> f32 {
    1.0 / (1.0 + (-element).exp())
}

/// Relative to the largest element, so that no exponential overflows.
fn softmax(row: &mut [f32]) {
    let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    change(row, |element| (element - largest).exp());
    let sum: f32 = row.iter().sum();
    change(row, |element| element / sum);
}

export!(model: Mlp);

#[cfg(test)]
mod tests;
