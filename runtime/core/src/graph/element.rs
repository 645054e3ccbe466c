//! One element of a tensor as a condition reads it, for every datatype.

use half::{bf16, f16};

use crate::datatype::Datatype;
use crate::tensor::Tensor;

/// An element.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Element<'a> {
    Whole(i128),
    Float(f64),
    Bool(bool),
    Text(&'a [u8]),
}

/// Whether `holds` is true for one of the elements.
pub(super) fn any(tensor: &Tensor, mut holds: impl FnMut(Element<'_>) -> bool) -> bool {
    let data = tensor.data();
    let whole = Element::Whole;
    match tensor.datatype() {
        Datatype::Bool => data.iter().any(|byte| holds(Element::Bool(*byte != 0))),
        Datatype::Uint8 => fixed(data, |bytes| whole(u8::from_le_bytes(bytes).into()), holds),
        Datatype::Uint16 => fixed(data, |bytes| whole(u16::from_le_bytes(bytes).into()), holds),
        Datatype::Uint32 => fixed(data, |bytes| whole(u32::from_le_bytes(bytes).into()), holds),
        Datatype::Uint64 => fixed(data, |bytes| whole(u64::from_le_bytes(bytes).into()), holds),
        Datatype::Int8 => fixed(data, |bytes| whole(i8::from_le_bytes(bytes).into()), holds),
        Datatype::Int16 => fixed(data, |bytes| whole(i16::from_le_bytes(bytes).into()), holds),
        Datatype::Int32 => fixed(data, |bytes| whole(i32::from_le_bytes(bytes).into()), holds),
        Datatype::Int64 => fixed(data, |bytes| whole(i64::from_le_bytes(bytes).into()), holds),
        Datatype::Fp16 => fixed(
            data,
            |bytes| Element::Float(f16::from_le_bytes(bytes).to_f64()),
            holds,
        ),
        Datatype::Bf16 => fixed(
            data,
            |bytes| Element::Float(bf16::from_le_bytes(bytes).to_f64()),
            holds,
        ),
        Datatype::Fp32 => fixed(
            data,
            |bytes| Element::Float(f32::from_le_bytes(bytes).into()),
            holds,
        ),
        Datatype::Fp64 => fixed(
            data,
            |bytes| Element::Float(f64::from_le_bytes(bytes)),
            holds,
        ),
        Datatype::Bytes => tensor
            .bytes_elements()
            .any(|bytes| holds(Element::Text(bytes))),
    }
}

fn fixed<const N: usize>(
    data: &[u8],
    read: impl Fn([u8; N]) -> Element<'static>,
    mut holds: impl FnMut(Element<'_>) -> bool,
) -> bool {
    // A tensor's length matches its shape, so no bytes remain.
    data.as_chunks().0.iter().any(|bytes| holds(read(*bytes)))
}
