//! Parses an ONNX file: the graph's inputs and outputs, and the graph as tract loads it.
//!
//! Initialisers that are also listed as inputs are weights, not inputs. A dimension is a size, a
//! name with one size everywhere, or dynamic. Bounds: the file is in memory twice while it is
//! parsed, the graph's weights once afterwards.

use hotstage_sdk::{Datatype, Failure, Files, Inputs, OpenError};
use prost::Message;
use tract_onnx::Onnx;
use tract_onnx::pb::tensor_shape_proto::dimension;
use tract_onnx::pb::{GraphProto, ModelProto, ValueInfoProto, type_proto};
use tract_onnx::prelude::InferenceModel;

use crate::check;
use crate::convert;
use crate::settings::Settings;

/// A graph with the names of its inputs and outputs.
#[derive(Debug)]
pub(crate) struct Graph {
    pub(crate) inputs: Vec<Value>,
    pub(crate) outputs: Vec<Value>,
    /// The same inputs and outputs, in the same order.
    pub(crate) model: InferenceModel,
}

/// An input or an output.
#[derive(Debug)]
pub(crate) struct Value {
    pub(crate) name: String,
    pub(crate) datatype: Datatype,
    /// `None` if the graph does not declare the number of dimensions.
    pub(crate) shape: Option<Vec<Dimension>>,
}

/// A declared dimension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Dimension {
    Size(usize),
    Named(String),
    Any,
}

impl Graph {
    /// Parses the graph in a file of the stage.
    pub(crate) fn read(files: &Files, settings: &Settings) -> Result<Self, OpenError> {
        let file = &settings.file;
        let refuse = |what: String| OpenError::file(format!("file `{file}`: {what}"));
        let known = tract_onnx::onnx().with_ignore_value_info(true);
        let proto = decode(&files.read(file)?).map_err(refuse)?;
        let graph = check::check(&proto, &known).map_err(refuse)?;
        let (inputs, outputs) = ports(graph).map_err(refuse)?;
        let names = || outputs.iter().map(|output| output.name.as_str());
        let wanted: Vec<&str> = settings
            .places(names())?
            .into_iter()
            .filter_map(|place| names().nth(place))
            .collect();
        if let Some(operator) = hotstage_onnx_compat::first(graph, wanted) {
            return Err(refuse(format!(
                "tract would compute {operator} wrongly; take the component `onnx`"
            )));
        }
        let model = translate(&known, &proto).map_err(refuse)?;
        Ok(Self {
            inputs,
            outputs,
            model,
        })
    }

    /// Keeps only the outputs at these indices, in this order.
    pub(crate) fn select(&mut self, places: &[usize]) -> Result<(), OpenError> {
        let outlets: Vec<_> = places
            .iter()
            .map(|&place| self.model.outputs[place])
            .collect();
        self.model
            .select_output_outlets(&outlets)
            .map_err(|error| OpenError::internal(format!("{error:#}")))?;
        let mut outputs: Vec<Option<Value>> = self.outputs.drain(..).map(Some).collect();
        self.outputs = places
            .iter()
            .filter_map(|&place| outputs[place].take())
            .collect();
        Ok(())
    }
}

impl Value {
    /// The shape, if it is fully known.
    pub(crate) fn sizes(&self) -> Option<Vec<usize>> {
        let size = |dimension: &Dimension| match dimension {
            Dimension::Size(size) => Some(*size),
            _ => None,
        };
        self.shape.as_ref()?.iter().map(size).collect()
    }
}

/// Refuses a call in which dimensions of one name have two sizes.
pub(crate) fn check_names(values: &[Value], inputs: &Inputs) -> Result<(), Failure> {
    let mut sizes: Vec<(&str, u64, &str)> = Vec::new();
    for value in values {
        let shape = inputs.get(&value.name)?.shape();
        for (axis, (dimension, &size)) in value.shape.iter().flatten().zip(shape).enumerate() {
            let Dimension::Named(name) = dimension else {
                continue;
            };
            match sizes.iter().find(|(known, ..)| known == name) {
                None => sizes.push((name, size, &value.name)),
                Some(&(_, known, _)) if known == size => {}
                Some((_, known, first)) => {
                    return Err(Failure::invalid_input(format!(
                        "input `{}`: dimension {axis} (`{name}`): expected {known}, as in the input `{first}`, given \
                         {size}",
                        value.name
                    )));
                }
            }
        }
    }
    Ok(())
}

fn decode(bytes: &[u8]) -> Result<ModelProto, String> {
    let mut proto = ModelProto::decode(bytes)
        .map_err(|error| format!("is no ONNX graph, or is cut short: {error}"))?;
    proto
        .graph
        .iter_mut()
        .for_each(hotstage_onnx_compat::tell_apart);
    Ok(proto)
}

fn translate(known: &Onnx, proto: &ModelProto) -> Result<InferenceModel, String> {
    let parsed = known
        .parse(proto, None)
        .map_err(|error| format!("{error:#}"))?;
    match parsed.unresolved_inputs.first() {
        None => Ok(parsed.model),
        Some(name) => Err(format!(
            "reads `{name}`, which no node makes; the file is damaged"
        )),
    }
}

fn ports(graph: &GraphProto) -> Result<(Vec<Value>, Vec<Value>), String> {
    let is_weight = |input: &&ValueInfoProto| {
        graph
            .initializer
            .iter()
            .any(|tensor| tensor.name == input.name)
    };
    let inputs = graph
        .input
        .iter()
        .filter(|input| !is_weight(input))
        .map(|input| value("input", input));
    let outputs = graph.output.iter().map(|output| value("output", output));
    Ok((
        inputs.collect::<Result<_, _>>()?,
        outputs.collect::<Result<_, _>>()?,
    ))
}

fn value(side: &str, info: &ValueInfoProto) -> Result<Value, String> {
    let name = info.name.clone();
    let Some(type_proto::Value::TensorType(tensor)) = info
        .r#type
        .as_ref()
        .and_then(|r#type| r#type.value.as_ref())
    else {
        return Err(format!(
            "the {side} `{name}` is no tensor; export the graph with tensors alone (for a classifier of scikit-learn, \
             with `zipmap` off)"
        ));
    };
    let datatype = convert::datatype(tensor.elem_type).map_err(|given| {
        format!("the {side} `{name}` is of {given}, which is not known here; cast it to FLOAT in the graph")
    })?;
    let shape = tensor.shape.as_ref().map(|shape| {
        shape
            .dim
            .iter()
            .map(|dim| dimension(dim.value.as_ref()))
            .collect()
    });
    Ok(Value {
        name,
        datatype,
        shape,
    })
}

fn dimension(value: Option<&dimension::Value>) -> Dimension {
    match value {
        Some(dimension::Value::DimValue(size)) => {
            usize::try_from(*size).map_or(Dimension::Any, Dimension::Size)
        }
        Some(dimension::Value::DimParam(name)) if !name.is_empty() => {
            Dimension::Named(name.clone())
        }
        _ => Dimension::Any,
    }
}
