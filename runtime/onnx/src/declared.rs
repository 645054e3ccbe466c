//! Reads the declarations of an ONNX file: whether it is one, and its inputs and outputs.
//!
//! Read before an engine opens the file, so that an invalid file is refused with the same message
//! whatever the engine. Source: the protocol buffers of the ONNX IR specification.

use bytes::Bytes;
use hotstage_core::datatype::Datatype;
use hotstage_core::signature::{Dimension, Port, Signature};
use tract_onnx::pb::tensor_shape_proto::dimension::Value as Size;
use tract_onnx::pb::type_proto::Value as Type;
use tract_onnx::pb::{GraphProto, ModelProto, TensorShapeProto, ValueInfoProto};
use tract_onnx::prelude::Framework as _;
use tract_onnx::tract_hir::internal::tract_itertools::Itertools as _;

use super::GraphError;

/// A file that is a graph.
pub(super) struct Declared {
    pub(super) model: ModelProto,
    pub(super) ports: Ports,
}

/// The inputs and outputs that the file declares.
#[derive(Clone)]
pub(super) struct Ports {
    /// Without those that have a value of their own.
    pub(super) inputs: Vec<Port>,
    /// With the reason in place of an output that can't cross the ABI.
    pub(super) outputs: Vec<(String, Result<Output, String>)>,
}

/// An output's type. The file may leave its shape to the engine.
#[derive(Clone)]
pub(super) struct Output {
    pub(super) datatype: Datatype,
    pub(super) shape: Option<Vec<Dimension>>,
}

impl Declared {
    /// Whether the graph, or one inside it, contains one of these operators.
    pub(super) fn uses(&self, operators: &[&str]) -> bool {
        fn in_graph(graph: &GraphProto, operators: &[&str]) -> bool {
            graph.node.iter().any(|node| {
                operators.contains(&node.op_type.as_str())
                    || node
                        .attribute
                        .iter()
                        .filter_map(|attribute| attribute.g.as_ref())
                        .any(|g| in_graph(g, operators))
            })
        }
        self.model
            .graph
            .as_ref()
            .is_some_and(|graph| in_graph(graph, operators))
    }
}

/// Reads the file.
pub(super) fn read(bytes: &Bytes) -> Result<Declared, GraphError> {
    let refused = |message: String| GraphError::Refused(message);
    let model = decode(bytes).ok_or_else(|| {
        refused(format!(
            "the file of {} bytes is no ONNX model: it can't be parsed",
            bytes.len()
        ))
    })?;
    let graph = model
        .graph
        .as_ref()
        .filter(|graph| !graph.node.is_empty() || !graph.output.is_empty())
        .ok_or_else(|| refused("the file is no ONNX model: it holds no graph".to_owned()))?;
    if let Some(tensor) = graph
        .initializer
        .iter()
        .find(|tensor| !tensor.external_data.is_empty())
    {
        return Err(refused(format!(
            "weights `{}` lie in another file (ONNX external data); save the model as one file",
            tensor.name
        )));
    }
    let has_value = |name: &str| graph.initializer.iter().any(|tensor| tensor.name == name);
    let inputs: Vec<Port> = graph
        .input
        .iter()
        .filter(|input| !has_value(&input.name))
        .map(|input| {
            self::input(input).map_err(|reason| refused(format!("input `{}` {reason}", input.name)))
        })
        .try_collect()?;
    let outputs = graph
        .output
        .iter()
        .map(|info| (info.name.clone(), output(info)))
        .collect();
    Ok(Declared {
        ports: Ports { inputs, outputs },
        model,
    })
}

fn decode(bytes: &Bytes) -> Option<ModelProto> {
    tract_onnx::onnx()
        .proto_model_for_read(&mut bytes.as_ref())
        .ok()
}

fn input(info: &ValueInfoProto) -> Result<Port, String> {
    let Output { datatype, shape } = output(info)?;
    let shape = shape.ok_or_else(|| "has no shape; declare one, at least its rank".to_owned())?;
    Ok(Port {
        name: info.name.clone(),
        datatype,
        shape,
    })
}

fn output(info: &ValueInfoProto) -> Result<Output, String> {
    let Some(Type::TensorType(tensor)) = info.r#type.as_ref().and_then(|kind| kind.value.as_ref())
    else {
        return Err(NO_TENSOR.to_owned());
    };
    let datatype = datatype(tensor.elem_type).ok_or_else(|| {
        format!(
            "has elements that no datatype of the protocol has (ONNX type {})",
            tensor.elem_type
        )
    })?;
    let size = |size: &Option<Size>| match size {
        Some(Size::DimValue(size)) => u64::try_from(*size).ok(),
        _ => None,
    };
    let shape = |shape: &TensorShapeProto| {
        shape
            .dim
            .iter()
            .map(|dimension| size(&dimension.value))
            .collect()
    };
    Ok(Output {
        datatype,
        shape: tensor.shape.as_ref().map(shape),
    })
}

const NO_TENSOR: &str = "is no tensor (a sequence, a map or an optional); export the model without it, as with \
                         scikit-learn's `zipmap=False`, or choose others with the setting `outputs`";

/// ONNX's `TensorProto.DataType`.
const fn datatype(number: i32) -> Option<Datatype> {
    Some(match number {
        1 => Datatype::Fp32,
        2 => Datatype::Uint8,
        3 => Datatype::Int8,
        4 => Datatype::Uint16,
        5 => Datatype::Int16,
        6 => Datatype::Int32,
        7 => Datatype::Int64,
        8 => Datatype::Bytes,
        9 => Datatype::Bool,
        10 => Datatype::Fp16,
        11 => Datatype::Fp64,
        12 => Datatype::Uint32,
        13 => Datatype::Uint64,
        16 => Datatype::Bf16,
        _ => return None,
    })
}

impl Ports {
    /// The signature with the wanted outputs, or all, and their indices. `seen` returns what an
    /// engine knows of an output's shape, by index; the file's declaration takes precedence.
    pub(super) fn signature(
        self,
        names: &[String],
        seen: impl Fn(usize) -> Option<Vec<Dimension>>,
    ) -> Result<(Signature, Vec<usize>), GraphError> {
        let wanted = self.wanted(names)?;
        let output = |&place: &usize| {
            let (name, output) = &self.outputs[place];
            let refused = |reason: &str| GraphError::Refused(format!("output `{name}` {reason}"));
            let output = output.as_ref().map_err(|reason| refused(reason))?;
            let shape = match (&output.shape, seen(place)) {
                (Some(shape), Some(seen)) if shape.len() == seen.len() => shape
                    .iter()
                    .zip(seen)
                    .map(|(declared, seen)| declared.or(seen))
                    .collect(),
                (Some(shape), _) => shape.clone(),
                (None, Some(seen)) => seen,
                (None, None) => {
                    return Err(refused("has no shape; declare one, at least its rank"));
                }
            };
            Ok(Port {
                name: name.clone(),
                datatype: output.datatype,
                shape,
            })
        };
        let outputs = wanted.iter().map(output).try_collect()?;
        Ok((
            Signature {
                inputs: self.inputs,
                outputs,
            },
            wanted,
        ))
    }

    /// The indices of the outputs with these names; all when the list is empty.
    pub(super) fn wanted(&self, names: &[String]) -> Result<Vec<usize>, GraphError> {
        if names.is_empty() {
            return Ok((0..self.outputs.len()).collect());
        }
        let place = |name: &String| {
            self.outputs
                .iter()
                .position(|(known, _)| known == name)
                .ok_or_else(|| {
                    let known = self
                        .outputs
                        .iter()
                        .map(|(name, _)| format!("`{name}`"))
                        .join(", ");
                    GraphError::Refused(format!("the graph has no output `{name}`; it has {known}"))
                })
        };
        names.iter().map(place).collect()
    }
}
