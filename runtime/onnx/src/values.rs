//! The host's tensors ↔ ONNX Runtime's values.
//!
//! An aligned input is read in place; a `BYTES` tensor becomes ONNX's strings, which are UTF-8. An
//! output stays in the memory that the engine allocated, and is freed with its last reader.

use std::sync::Arc;

use bytes::Bytes;
use hotstage_core::datatype::Datatype;
use hotstage_core::tensor::{Shape, Tensor};
use ort::session::SessionInputValue;
use ort::value::{DynValue, PrimitiveTensorElementType, TensorElementType, TensorRef, Value};

use super::errors::{ComputeError, plain};
use super::session::Shared;

/// Why a value can't be converted.
pub(super) enum Reason {
    Caller(String),
    Engine(String),
}

impl Reason {
    pub(super) fn of_input(self, name: &str) -> ComputeError {
        match self {
            Self::Caller(reason) => ComputeError::InvalidInput(format!("input `{name}`: {reason}")),
            Self::Engine(reason) => ComputeError::Failed(format!("input `{name}`: {reason}")),
        }
    }

    pub(super) fn of_output(self, name: &str) -> ComputeError {
        let (Self::Caller(reason) | Self::Engine(reason)) = self;
        ComputeError::Failed(format!("output `{name}`: {reason}"))
    }
}

impl From<ort::Error> for Reason {
    fn from(error: ort::Error) -> Self {
        Self::Engine(plain(error.message()))
    }
}

/// A tensor for the engine.
pub(super) fn lower(tensor: &Tensor) -> Result<SessionInputValue<'_>, Reason> {
    match tensor.datatype() {
        Datatype::Bool => lower_as::<bool>(tensor),
        Datatype::Uint8 => lower_as::<u8>(tensor),
        Datatype::Uint16 => lower_as::<u16>(tensor),
        Datatype::Uint32 => lower_as::<u32>(tensor),
        Datatype::Uint64 => lower_as::<u64>(tensor),
        Datatype::Int8 => lower_as::<i8>(tensor),
        Datatype::Int16 => lower_as::<i16>(tensor),
        Datatype::Int32 => lower_as::<i32>(tensor),
        Datatype::Int64 => lower_as::<i64>(tensor),
        Datatype::Fp16 => lower_as::<half::f16>(tensor),
        Datatype::Bf16 => lower_as::<half::bf16>(tensor),
        Datatype::Fp32 => lower_as::<f32>(tensor),
        Datatype::Fp64 => lower_as::<f64>(tensor),
        Datatype::Bytes => strings(tensor),
    }
}

trait Element:
    PrimitiveTensorElementType + bytemuck::CheckedBitPattern + Copy + std::fmt::Debug + 'static
{
}
impl<T: PrimitiveTensorElementType + bytemuck::CheckedBitPattern + Copy + std::fmt::Debug + 'static>
    Element for T
{
}

fn lower_as<T: Element>(tensor: &Tensor) -> Result<SessionInputValue<'_>, Reason> {
    let shape = dimensions(tensor);
    if tensor.data().is_empty() {
        return Ok(Value::<ort::value::TensorValueType<T>>::new(
            &ort::memory::Allocator::default(),
            shape,
        )?
        .into());
    }
    if let Ok(elements) = bytemuck::checked::try_cast_slice::<u8, T>(tensor.data()) {
        return Ok(TensorRef::from_array_view((shape, elements))?.into());
    }
    // Its elements are unaligned, as bytes in the middle of a body may be.
    let elements: Vec<T> = tensor
        .data()
        .chunks_exact(size_of::<T>())
        .map(bytemuck::checked::try_pod_read_unaligned)
        .collect::<Result<_, _>>()
        .map_err(|error| Reason::Caller(error.to_string()))?;
    Ok(Value::from_array((shape, elements))?.into())
}

fn strings(tensor: &Tensor) -> Result<SessionInputValue<'_>, Reason> {
    let mut texts = Vec::with_capacity(tensor.elements());
    for (index, element) in tensor.bytes_elements().enumerate() {
        let caller = |what: &str| Reason::Caller(format!("element {index} {what}"));
        let text = std::str::from_utf8(element).map_err(|error| {
            caller(&format!(
                "is not UTF-8 from byte {} on; the graph takes strings",
                error.valid_up_to()
            ))
        })?;
        if text.contains('\0') {
            return Err(caller(
                "holds a zero byte, which ONNX Runtime's strings can't",
            ));
        }
        texts.push(text.to_owned());
    }
    Ok(Value::from_string_array((dimensions(tensor), &*texts))?.into())
}

fn dimensions(tensor: &Tensor) -> Vec<i64> {
    tensor
        .shape()
        .iter()
        .map(|&size| i64::try_from(size).unwrap_or(i64::MAX))
        .collect()
}

/// The engine's answer, if it is what the graph declares.
pub(super) fn lift(
    value: DynValue,
    datatype: Datatype,
    session: Option<Arc<Shared>>,
) -> Result<Tensor, Reason> {
    let wrong = |what: String| Reason::Engine(what);
    let shape = value
        .dtype()
        .tensor_shape()
        .ok_or_else(|| wrong("is no tensor".to_owned()))?;
    let shape: Shape = shape
        .iter()
        .map(|&size| u64::try_from(size).unwrap_or(0))
        .collect();
    let data = match (datatype, value.dtype().tensor_type()) {
        (Datatype::Bytes, Some(TensorElementType::String)) => {
            let (_, texts) = value.try_extract_strings()?;
            Tensor::from_bytes_elements(texts.iter().map(String::as_bytes))
                .into_parts()
                .2
        }
        (Datatype::Bytes, other) => return Err(wrong(format!("has elements of type {other:?}"))),
        // On a device, or of another type: the error says so.
        _ if in_place(&value, datatype).is_none() => {
            return Err(wrong(format!(
                "has elements of type {:?} where {datatype} is declared",
                value.dtype()
            )));
        }
        _ => Bytes::from_owner(InPlace {
            value,
            datatype,
            _session: session,
        }),
    };
    Tensor::new(datatype, shape, data).map_err(|error| wrong(error.to_string()))
}

/// An output in the engine's memory.
struct InPlace {
    value: DynValue,
    datatype: Datatype,
    /// The owner of that memory; dropped after the value.
    _session: Option<Arc<Shared>>,
}

impl AsRef<[u8]> for InPlace {
    fn as_ref(&self) -> &[u8] {
        // It existed when this was made, and has not changed since.
        in_place(&self.value, self.datatype).unwrap_or_default()
    }
}

fn in_place(value: &DynValue, datatype: Datatype) -> Option<&[u8]> {
    fn of<T: PrimitiveTensorElementType + bytemuck::NoUninit>(value: &DynValue) -> Option<&[u8]> {
        value
            .try_extract_tensor::<T>()
            .ok()
            .map(|(_, elements)| bytemuck::cast_slice(elements))
    }
    match datatype {
        Datatype::Bool => of::<bool>(value),
        Datatype::Uint8 => of::<u8>(value),
        Datatype::Uint16 => of::<u16>(value),
        Datatype::Uint32 => of::<u32>(value),
        Datatype::Uint64 => of::<u64>(value),
        Datatype::Int8 => of::<i8>(value),
        Datatype::Int16 => of::<i16>(value),
        Datatype::Int32 => of::<i32>(value),
        Datatype::Int64 => of::<i64>(value),
        Datatype::Fp16 => of::<half::f16>(value),
        Datatype::Bf16 => of::<half::bf16>(value),
        Datatype::Fp32 => of::<f32>(value),
        Datatype::Fp64 => of::<f64>(value),
        Datatype::Bytes => None,
    }
}
