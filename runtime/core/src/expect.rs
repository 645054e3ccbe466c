//! Compares a golden test's answer with the expected one, and describes every difference.
//!
//! Floats of all widths may differ by an absolute tolerance, 0 unless the test sets one; NaN equals
//! NaN, and an infinity equals itself. Texts that are JSON are compared by value, with the same
//! tolerance (`text`). Everything else must be equal. Outputs that the test does not mention are
//! ignored. Bounds: at most [`SHOWN_MAX`] differences of one output are shown, and the others are
//! counted; of a long text only the window around its first difference is shown.

mod text;

use std::fmt;

use half::{bf16, f16};

use self::text::Differs;
use crate::datatype::Datatype;
use crate::suggest::{hint, shown};
use crate::tensor::{Tensor, show_shape};

/// Differences shown for each output.
pub const SHOWN_MAX: usize = 8;

/// One difference, in one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Difference(String);

/// Compares what a test expects with what it got, output by output.
pub fn compare(
    expected: &[(String, Tensor)],
    got: &[(String, Tensor)],
    tolerance: f64,
) -> Result<(), Vec<Difference>> {
    let mut differences = Vec::new();
    for (name, expected) in expected {
        match got.iter().find(|(other, _)| other == name) {
            Some((_, got)) => compare_one(&shown(name), expected, got, tolerance, &mut differences),
            None => {
                let hint = hint(name, got.iter().map(|(name, _)| name.as_str()));
                differences.push(Difference(format!(
                    "{}: there is no such output; {hint}",
                    shown(name)
                )));
            }
        }
    }
    if differences.is_empty() {
        Ok(())
    } else {
        Err(differences)
    }
}

fn compare_one(
    name: &str,
    expected: &Tensor,
    got: &Tensor,
    tolerance: f64,
    differences: &mut Vec<Difference>,
) {
    let mut differ = |what: &str, expected: &dyn fmt::Display, got: &dyn fmt::Display| {
        differences.push(Difference(format!(
            "{name}: expected {what} {expected}, got {what} {got}"
        )));
    };
    if expected.datatype() != got.datatype() {
        return differ("datatype", &expected.datatype(), &got.datatype());
    }
    if expected.shape() != got.shape() {
        return differ(
            "shape",
            &show_shape(expected.shape()),
            &show_shape(got.shape()),
        );
    }
    let (mut count, mut shown, mut left, mut is_cut) = (0_usize, 0_usize, SHOWN_MAX, false);
    for (index, (one, other)) in elements(expected).zip(elements(got)).enumerate() {
        // One more than can be shown, to detect that there are more.
        let found = differ_inside(&one, &other, tolerance, left + 1);
        count += usize::from(!found.is_empty());
        shown += usize::from(!found.is_empty() && left > 0);
        is_cut |= left > 0 && found.len() > left;
        for Differs {
            path,
            expected: one,
            got: other,
        } in found.into_iter().take(left)
        {
            let place = coordinates(index, expected.shape());
            differences.push(Difference(format!(
                "{name}{place}{path}: expected {one}, got {other}"
            )));
            left -= 1;
        }
    }
    if is_cut {
        differences.push(Difference(format!(
            "{name}: more differs inside of that element"
        )));
    }
    if count > shown {
        let more = count - shown;
        differences.push(Difference(format!(
            "{name}: {more} more of {} elements differ",
            expected.elements()
        )));
    }
}

/// How two elements differ: at most `most` differences, none if they are equal.
fn differ_inside(one: &Value<'_>, other: &Value<'_>, tolerance: f64, most: usize) -> Vec<Differs> {
    match (one, other) {
        (Value::Bytes(one), Value::Bytes(other)) => text::differences(one, other, tolerance, most),
        _ if one.is_near(other, tolerance) => Vec::new(),
        _ => {
            let within = if one.is_float() {
                format!(" (tolerance {})", Value::F64(tolerance))
            } else {
                String::new()
            };
            vec![Differs {
                path: String::new(),
                expected: one.to_string(),
                got: format!("{other}{within}"),
            }]
        }
    }
}

/// One element.
pub(crate) enum Value<'a> {
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    /// The width is kept, so that a 32-bit `0.1` is not shown as `0.10000000149011612`.
    F32(f32),
    F64(f64),
    Bytes(&'a [u8]),
}

impl Value<'_> {
    /// A float's value.
    pub(crate) fn float(&self) -> Option<f64> {
        match self {
            Self::F32(value) => Some(f64::from(*value)),
            Self::F64(value) => Some(*value),
            _ => None,
        }
    }

    const fn is_float(&self) -> bool {
        matches!(self, Self::F32(_) | Self::F64(_))
    }

    /// Whether the other is equal, floats within a tolerance.
    pub(crate) fn is_near(&self, other: &Self, tolerance: f64) -> bool {
        match (self, other) {
            (Self::Bool(one), Self::Bool(other)) => one == other,
            (Self::Unsigned(one), Self::Unsigned(other)) => one == other,
            (Self::Signed(one), Self::Signed(other)) => one == other,
            (Self::F32(one), Self::F32(other)) => {
                near(f64::from(*one), f64::from(*other), tolerance)
            }
            (Self::F64(one), Self::F64(other)) => near(*one, *other, tolerance),
            (Self::Bytes(one), Self::Bytes(other)) => one == other,
            _ => false,
        }
    }
}

fn near(one: f64, other: f64, tolerance: f64) -> bool {
    #[expect(
        clippy::float_cmp,
        reason = "infinities are equal, but their difference is NaN"
    )]
    let same = one == other;
    same || (one.is_nan() && other.is_nan()) || (one - other).abs() <= tolerance
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Unsigned(value) => write!(f, "{value}"),
            Self::Signed(value) => write!(f, "{value}"),
            // `Debug` writes 1e-7 and 1e30, where `Display` would write all the zeros.
            Self::F32(value) if value.fract() == 0.0 && value.abs() < 1e15 => write!(f, "{value}"),
            Self::F32(value) => write!(f, "{value:?}"),
            Self::F64(value) if value.fract() == 0.0 && value.abs() < 1e15 => write!(f, "{value}"),
            Self::F64(value) => write!(f, "{value:?}"),
            Self::Bytes(bytes) => match str::from_utf8(bytes) {
                Ok(text) => write!(f, "\"{}\"", shown(text)),
                Err(_) => {
                    write!(f, "{} bytes", bytes.len())?;
                    bytes
                        .iter()
                        .take(16)
                        .try_for_each(|byte| write!(f, " {byte:02x}"))?;
                    f.write_str(if bytes.len() > 16 { " …" } else { "" })
                }
            },
        }
    }
}

/// A tensor's elements, in order.
pub(crate) fn elements(tensor: &Tensor) -> Box<dyn Iterator<Item = Value<'_>> + '_> {
    let datatype = tensor.datatype();
    match datatype.size() {
        None => Box::new(tensor.bytes_elements().map(Value::Bytes)),
        Some(size) => Box::new(
            tensor
                .data()
                .chunks_exact(size)
                .map(move |bytes| fixed(datatype, bytes)),
        ),
    }
}

/// One element of fixed size, little-endian.
fn fixed(datatype: Datatype, bytes: &[u8]) -> Value<'static> {
    // Every width in eight bytes: the remaining bytes are 0, or the sign for signed types.
    let mut wide = [0; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    let unsigned = u64::from_le_bytes(wide);
    let low_16 = u16::from_le_bytes([wide[0], wide[1]]);
    let low_32 = u32::from_le_bytes([wide[0], wide[1], wide[2], wide[3]]);
    match datatype {
        Datatype::Bool => Value::Bool(unsigned != 0),
        Datatype::Uint8 | Datatype::Uint16 | Datatype::Uint32 | Datatype::Uint64 => {
            Value::Unsigned(unsigned)
        }
        Datatype::Int8 => Value::Signed(i64::from(i8::from_le_bytes([wide[0]]))),
        Datatype::Int16 => Value::Signed(i64::from(low_16.cast_signed())),
        Datatype::Int32 => Value::Signed(i64::from(low_32.cast_signed())),
        Datatype::Int64 => Value::Signed(unsigned.cast_signed()),
        Datatype::Fp16 => Value::F32(f16::from_bits(low_16).to_f32()),
        Datatype::Bf16 => Value::F32(bf16::from_bits(low_16).to_f32()),
        Datatype::Fp32 => Value::F32(f32::from_bits(low_32)),
        Datatype::Fp64 => Value::F64(f64::from_bits(unsigned)),
        // Has no fixed size, so it never reaches this function.
        Datatype::Bytes => Value::Bytes(&[]),
    }
}

/// The element's coordinates, `[1, 3]`; empty for a scalar.
fn coordinates(index: usize, shape: &[u64]) -> String {
    if shape.is_empty() {
        return String::new();
    }
    let mut rest = u64::try_from(index).unwrap_or(u64::MAX);
    let mut place = vec![0; shape.len()];
    for (coordinate, size) in place.iter_mut().zip(shape).rev() {
        *coordinate = rest % (*size).max(1);
        rest /= (*size).max(1);
    }
    format!("{place:?}")
}

#[cfg(test)]
mod tests;
