//! The host's tensors ↔ tract's.

use hotstage_core::datatype::Datatype;
use hotstage_core::tensor::{Shape, Tensor};
use tract_onnx::prelude::{Datum, DatumType, TVec, Tensor as TractTensor, TractError, TractResult};

use super::why;

/// A tensor for tract, which keeps a copy of its own.
pub(super) fn lower(tensor: &Tensor) -> TractResult<TractTensor> {
    fn of<T: Datum + Copy + bytemuck::CheckedBitPattern>(
        tensor: &Tensor,
    ) -> TractResult<TractTensor> {
        let shape: TVec<usize> = tensor
            .shape()
            .iter()
            .map(|&size| usize::try_from(size).unwrap_or(usize::MAX))
            .collect();
        if let Ok(elements) = bytemuck::checked::try_cast_slice::<u8, T>(tensor.data()) {
            return TractTensor::from_shape(&shape, elements);
        }
        // Its elements may be unaligned, as bytes in the middle of a body are.
        let read = |bytes| bytemuck::checked::try_pod_read_unaligned::<T>(bytes);
        let elements: Result<Vec<T>, _> = tensor
            .data()
            .chunks_exact(size_of::<T>())
            .map(read)
            .collect();
        TractTensor::from_shape(
            &shape,
            &elements.map_err(|error| TractError::msg(error.to_string()))?,
        )
    }
    match tensor.datatype() {
        Datatype::Bool => of::<bool>(tensor),
        Datatype::Uint8 => of::<u8>(tensor),
        Datatype::Uint16 => of::<u16>(tensor),
        Datatype::Uint32 => of::<u32>(tensor),
        Datatype::Uint64 => of::<u64>(tensor),
        Datatype::Int8 => of::<i8>(tensor),
        Datatype::Int16 => of::<i16>(tensor),
        Datatype::Int32 => of::<i32>(tensor),
        Datatype::Int64 => of::<i64>(tensor),
        Datatype::Fp16 => of::<half::f16>(tensor),
        Datatype::Fp32 => of::<f32>(tensor),
        Datatype::Fp64 => of::<f64>(tensor),
        // Refused when the graph was opened.
        Datatype::Bf16 | Datatype::Bytes => Err(TractError::msg("no tensors of this datatype")),
    }
}

/// tract's answer, as the datatype that the graph declares.
pub(super) fn lift(output: &TractTensor, datatype: Datatype) -> Result<Tensor, String> {
    let wanted = datum_type(datatype)
        .ok_or_else(|| format!("is {datatype}, which tract has no tensors of"))?;
    // Sizes of shapes are a type of their own in tract.
    let output = output.cast_to_dt(wanted).map_err(|error| why(&error))?;
    let shape: Shape = output.shape().iter().map(|&size| size as u64).collect();
    let plain = output.try_as_plain_ram().map_err(|error| why(&error))?;
    Tensor::new(
        datatype,
        shape,
        bytes::Bytes::copy_from_slice(plain.as_bytes()),
    )
    .map_err(|error| error.to_string())
}

const fn datum_type(datatype: Datatype) -> Option<DatumType> {
    Some(match datatype {
        Datatype::Bool => DatumType::Bool,
        Datatype::Uint8 => DatumType::U8,
        Datatype::Uint16 => DatumType::U16,
        Datatype::Uint32 => DatumType::U32,
        Datatype::Uint64 => DatumType::U64,
        Datatype::Int8 => DatumType::I8,
        Datatype::Int16 => DatumType::I16,
        Datatype::Int32 => DatumType::I32,
        Datatype::Int64 => DatumType::I64,
        Datatype::Fp16 => DatumType::F16,
        Datatype::Fp32 => DatumType::F32,
        Datatype::Fp64 => DatumType::F64,
        Datatype::Bf16 | Datatype::Bytes => return None,
    })
}
