//! Any ONNX graph, computed in the sandbox: the same bits on every machine.
//!
//! tract, a pure Rust engine, runs the graph in the file `model`; the setting `file` names another
//! file, and `outputs` selects some of the graph's outputs. The signature is that of the graph. A
//! graph with dynamic dimensions is planned for each shape (`plan`). Bounds: one thread; memory for
//! the weights, twice while the file is parsed; files that contain all their weights.

mod check;
mod convert;
mod graph;
mod guard;
#[cfg(all(target_family = "wasm", target_feature = "relaxed-simd"))]
mod kernel;
mod plan;
mod settings;

use hotstage_sdk::{
    Dimension, Failure, Files, Inputs, Model, OpenError, Outputs, Signature, any, export, size,
};
use tract_onnx::prelude::{IntoTValue, TVec};

use graph::{Graph, Value};
use plan::Plans;
pub use settings::Settings;

/// A graph, ready to be computed.
#[derive(Debug)]
pub struct Onnx {
    inputs: Vec<Value>,
    outputs: Vec<Value>,
    plans: Plans,
}

impl Model for Onnx {
    type Settings = Settings;
    const SUMMARY: &'static str = "Any ONNX graph, computed inside the sandbox.";

    fn open(settings: Settings, files: &Files) -> Result<(Self, Signature), OpenError> {
        settings.check()?;
        let mut graph = Graph::read(files, &settings)?;
        let places = settings.places(graph.outputs.iter().map(|output| output.name.as_str()))?;
        graph.select(&places)?;
        let refuse = |what: String| OpenError::file(format!("file `{}`: {what}", settings.file));
        let Graph {
            inputs,
            outputs,
            model,
        } = graph;
        let (plans, shapes) =
            Plans::new(model, &inputs).map_err(|error| refuse(format!("{error:#}")))?;
        let signature = signature(&inputs, &outputs, shapes).map_err(refuse)?;
        Ok((
            Self {
                inputs,
                outputs,
                plans,
            },
            signature,
        ))
    }

    fn infer(&mut self, inputs: &mut Inputs, outputs: &mut Outputs) -> Result<(), Failure> {
        let Self {
            inputs: given,
            outputs: wanted,
            plans,
        } = self;
        graph::check_names(given, inputs)?;
        let mut tensors = TVec::new();
        let mut shapes = Vec::with_capacity(given.len());
        for Value { name, datatype, .. } in given.iter() {
            let tensor = convert::read(inputs, name, *datatype)?;
            shapes.push(tensor.shape().to_vec());
            tensors.push(tensor.into_tvalue());
        }
        let answers = plans.find(given, &shapes)?.run(tensors)?;
        for (Value { name, datatype, .. }, answer) in wanted.iter().zip(&answers) {
            convert::write(outputs, name, *datatype, answer)?;
        }
        Ok(())
    }
}

/// The declared shapes, refined by the plan.
fn signature(
    inputs: &[Value],
    outputs: &[Value],
    shapes: Vec<Option<Vec<Dimension>>>,
) -> Result<Signature, String> {
    let mut signature = Signature::new();
    for input in inputs {
        let shape = declared(input).ok_or_else(|| unknown_rank("input", input))?;
        signature = signature.input(&input.name, input.datatype, shape);
    }
    for (output, planned) in outputs.iter().zip(shapes) {
        let shape = match (declared(output), planned) {
            (Some(declared), Some(planned)) if declared.len() == planned.len() => planned
                .iter()
                .zip(declared)
                .map(|(planned, declared)| planned.or(declared))
                .collect(),
            (_, Some(planned)) => planned,
            (Some(declared), None) => declared,
            (None, None) => return Err(unknown_rank("output", output)),
        };
        signature = signature.output(&output.name, output.datatype, shape);
    }
    Ok(signature)
}

fn declared(value: &Value) -> Option<Vec<Dimension>> {
    let dimension = |dimension: &graph::Dimension| match dimension {
        graph::Dimension::Size(sized) => size(*sized),
        _ => any(),
    };
    Some(value.shape.as_ref()?.iter().map(dimension).collect())
}

fn unknown_rank(side: &str, value: &Value) -> String {
    let name = &value.name;
    format!(
        "does not say how many dimensions the {side} `{name}` has; export the graph with shapes"
    )
}

export!(model: Onnx);

#[cfg(test)]
mod tests;
