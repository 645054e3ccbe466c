//! Converts tensors between the stage's ABI and tract. Each is copied once in each direction.
//!
//! Both sides have the same Rust type for an element, except `BYTES`, which are strings in a graph
//! and so must be UTF-8. tract has no BF16. Bounds: those of the protocol.

use hotstage_sdk::{Datatype, Element, Failure, Inputs, Outputs};
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::prelude::{Datum, DatumType, Tensor};

/// Calls a function for the element type of a datatype; `BYTES` and `BF16` have none in tract.
macro_rules! for_element {
    ($datatype:expr, $function:ident($($argument:expr),*), $otherwise:expr) => {
        match $datatype {
            Datatype::Bool => $function::<bool>($($argument),*),
            Datatype::Uint8 => $function::<u8>($($argument),*),
            Datatype::Uint16 => $function::<u16>($($argument),*),
            Datatype::Uint32 => $function::<u32>($($argument),*),
            Datatype::Uint64 => $function::<u64>($($argument),*),
            Datatype::Int8 => $function::<i8>($($argument),*),
            Datatype::Int16 => $function::<i16>($($argument),*),
            Datatype::Int32 => $function::<i32>($($argument),*),
            Datatype::Int64 => $function::<i64>($($argument),*),
            Datatype::Fp16 => $function::<hotstage_sdk::f16>($($argument),*),
            Datatype::Fp32 => $function::<f32>($($argument),*),
            Datatype::Fp64 => $function::<f64>($($argument),*),
            Datatype::Bytes | Datatype::Bf16 => $otherwise,
        }
    };
}

/// The datatype for an ONNX type number; the error is the name of the ONNX type.
pub(crate) fn datatype(number: i32) -> Result<Datatype, &'static str> {
    match DataType::try_from(number).unwrap_or_default() {
        DataType::Bool => Ok(Datatype::Bool),
        DataType::Uint8 => Ok(Datatype::Uint8),
        DataType::Uint16 => Ok(Datatype::Uint16),
        DataType::Uint32 => Ok(Datatype::Uint32),
        DataType::Uint64 => Ok(Datatype::Uint64),
        DataType::Int8 => Ok(Datatype::Int8),
        DataType::Int16 => Ok(Datatype::Int16),
        DataType::Int32 => Ok(Datatype::Int32),
        DataType::Int64 => Ok(Datatype::Int64),
        DataType::Float16 => Ok(Datatype::Fp16),
        DataType::Float => Ok(Datatype::Fp32),
        DataType::Double => Ok(Datatype::Fp64),
        DataType::String => Ok(Datatype::Bytes),
        other => Err(other.as_str_name()),
    }
}

/// tract's type for a datatype of [`datatype`].
pub(crate) fn datum_type(datatype: Datatype) -> DatumType {
    for_element!(datatype, datum_type_of(), DatumType::String)
}

/// Converts an input of the call to a tract tensor.
pub(crate) fn read(inputs: &Inputs, name: &str, datatype: Datatype) -> Result<Tensor, Failure> {
    let shape = sizes(inputs.get(name)?.shape())?;
    for_element!(
        datatype,
        read_elements(inputs, name, &shape),
        read_strings(inputs, name, &shape)
    )
}

/// Sets an output from a tract tensor.
pub(crate) fn write(
    outputs: &mut Outputs,
    name: &str,
    datatype: Datatype,
    tensor: &Tensor,
) -> Result<(), Failure> {
    // tract has its own type for computed sizes, which is converted to an ONNX type here.
    let tensor = if tensor.datum_type() == DatumType::TDim {
        &*tensor
            .cast_to_dt(datum_type(datatype))
            .map_err(|error| misfit(name, &error))?
    } else {
        tensor
    };
    for_element!(
        datatype,
        write_elements(outputs, name, tensor),
        write_strings(outputs, name, tensor)
    )
}

/// A shape with Rust's index type.
pub(crate) fn sizes(shape: &[u64]) -> Result<Vec<usize>, Failure> {
    let sizes = shape
        .iter()
        .map(|&size| usize::try_from(size))
        .collect::<Result<_, _>>();
    sizes.map_err(|_| {
        Failure::invalid_input(format!("shape {shape:?} is more than memory can hold"))
    })
}

fn datum_type_of<T: Datum>() -> DatumType {
    T::datum_type()
}

fn read_elements<T: Element + Datum>(
    inputs: &Inputs,
    name: &str,
    shape: &[usize],
) -> Result<Tensor, Failure> {
    Tensor::from_shape(shape, inputs.slice::<T>(name)?)
        .map_err(|error| Failure::internal(format!("input `{name}`: {error:#}")))
}

fn read_strings(inputs: &Inputs, name: &str, shape: &[usize]) -> Result<Tensor, Failure> {
    let mut strings = Vec::new();
    for (index, bytes) in inputs.bytes(name)?.enumerate() {
        let string = std::str::from_utf8(bytes).map_err(|_| {
            Failure::invalid_input(format!("input `{name}`: element {index} is not UTF-8"))
        })?;
        strings.push(string.to_owned());
    }
    Tensor::from(hotstage_sdk::ndarray::arr1(&strings))
        .into_shape(shape)
        .map_err(|error| Failure::internal(format!("input `{name}`: {error:#}")))
}

fn write_elements<T: Element + Datum>(
    outputs: &mut Outputs,
    name: &str,
    tensor: &Tensor,
) -> Result<(), Failure> {
    let plain = tensor
        .try_as_plain_ram()
        .map_err(|error| misfit(name, &error))?;
    let elements = plain
        .as_slice::<T>()
        .map_err(|error| misfit(name, &error))?;
    outputs.put_slice(name, tensor.shape(), elements)
}

fn write_strings(outputs: &mut Outputs, name: &str, tensor: &Tensor) -> Result<(), Failure> {
    let plain = tensor
        .try_as_plain_ram()
        .map_err(|error| misfit(name, &error))?;
    let strings = plain
        .as_slice::<String>()
        .map_err(|error| misfit(name, &error))?;
    outputs.put_bytes(name, tensor.shape(), strings)
}

fn misfit(name: &str, error: &tract_onnx::prelude::TractError) -> Failure {
    Failure::internal(format!("output `{name}`: {error:#}"))
}
