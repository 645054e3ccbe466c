//! Encodes the elements of a tensor as JSON: integers in decimal, floats in the shortest text that
//! reads back as the same value.

use hotstage_core::datatype::Datatype;
use hotstage_core::tensor::Tensor;

/// The advice for an output that JSON can't carry.
pub(super) const BINARY_ADVICE: &str = "ask for it with \"binary_data\": true";

/// Appends a flat list of all elements. The error names the element that JSON can't carry.
pub(super) fn elements(out: &mut Vec<u8>, tensor: &Tensor) -> Result<(), String> {
    let data = tensor.data().as_ref();
    out.push(b'[');
    match tensor.datatype() {
        Datatype::Bool => list(out, data, |out, [byte]: [u8; 1]| {
            text(out, if byte == 0 { "false" } else { "true" })
        })?,
        Datatype::Uint8 => list(out, data, |out, bytes| {
            integer(out, u8::from_le_bytes(bytes))
        })?,
        Datatype::Uint16 => list(out, data, |out, bytes| {
            integer(out, u16::from_le_bytes(bytes))
        })?,
        Datatype::Uint32 => list(out, data, |out, bytes| {
            integer(out, u32::from_le_bytes(bytes))
        })?,
        Datatype::Uint64 => list(out, data, |out, bytes| {
            integer(out, u64::from_le_bytes(bytes))
        })?,
        Datatype::Int8 => list(out, data, |out, bytes| {
            integer(out, i8::from_le_bytes(bytes))
        })?,
        Datatype::Int16 => list(out, data, |out, bytes| {
            integer(out, i16::from_le_bytes(bytes))
        })?,
        Datatype::Int32 => list(out, data, |out, bytes| {
            integer(out, i32::from_le_bytes(bytes))
        })?,
        Datatype::Int64 => list(out, data, |out, bytes| {
            integer(out, i64::from_le_bytes(bytes))
        })?,
        Datatype::Fp32 => list(out, data, |out, bytes| {
            let value = f32::from_le_bytes(bytes);
            if value.is_finite() {
                value_of(out, &value)
            } else {
                Err(not_finite(value.into()))
            }
        })?,
        Datatype::Fp64 => list(out, data, |out, bytes| {
            let value = f64::from_le_bytes(bytes);
            if value.is_finite() {
                value_of(out, &value)
            } else {
                Err(not_finite(value))
            }
        })?,
        Datatype::Bytes => strings(out, tensor)?,
        datatype @ (Datatype::Fp16 | Datatype::Bf16) => {
            return Err(format!("{datatype} can't be sent in JSON"));
        }
    }
    out.push(b']');
    Ok(())
}

/// An estimate of the list's length in bytes, nearly always too high: a few unused bytes cost less
/// than growing the buffer.
pub(super) fn size_hint(tensor: &Tensor) -> usize {
    let each = match tensor.datatype() {
        Datatype::Bool => 6,
        Datatype::Uint8 | Datatype::Int8 => 5,
        Datatype::Uint16 | Datatype::Int16 => 7,
        Datatype::Uint32 | Datatype::Int32 => 12,
        Datatype::Uint64 | Datatype::Int64 => 21,
        Datatype::Fp32 => 16,
        Datatype::Fp64 => 25,
        // Quotes and a comma take less than the four bytes of the length; escapes are rare.
        Datatype::Bytes => return tensor.data().len() + 2,
        Datatype::Fp16 | Datatype::Bf16 => 0,
    };
    tensor.elements().saturating_mul(each) + 2
}

/// Appends a JSON string.
pub(super) fn string(out: &mut Vec<u8>, content: &str) {
    let _always_succeeds = value_of(out, content);
}

#[inline]
fn list<const SIZE: usize>(
    out: &mut Vec<u8>,
    data: &[u8],
    mut one: impl FnMut(&mut Vec<u8>, [u8; SIZE]) -> Result<(), String>,
) -> Result<(), String> {
    let (elements, _whole_by_construction) = data.as_chunks::<SIZE>();
    for (index, bytes) in elements.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        one(out, *bytes)
            .map_err(|what| format!("element {index} {what}, which JSON can't carry"))?;
    }
    Ok(())
}

fn strings(out: &mut Vec<u8>, tensor: &Tensor) -> Result<(), String> {
    for (index, element) in tensor.bytes_elements().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let element = std::str::from_utf8(element)
            .map_err(|_not_text| format!("element {index} isn't UTF-8, which JSON can't carry"))?;
        string(out, element);
    }
    Ok(())
}

fn text(out: &mut Vec<u8>, text: &str) -> Result<(), String> {
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

#[inline]
fn integer(out: &mut Vec<u8>, value: impl itoa::Integer) -> Result<(), String> {
    text(out, itoa::Buffer::new().format(value))
}

/// Floats and strings in the format of serde_json. Writing to a `Vec` does not fail.
#[inline]
fn value_of<T: serde::Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) -> Result<(), String> {
    serde_json::to_writer(out, value).map_err(|error| error.to_string())
}

#[cold]
fn not_finite(value: f64) -> String {
    if value.is_nan() {
        "is NaN".to_owned()
    } else {
        format!("is {}infinity", if value < 0.0 { "-" } else { "" })
    }
}
