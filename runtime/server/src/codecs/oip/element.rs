//! Conversion of one JSON value to one element of a tensor.
//!
//! Floats accept any number that is finite in their type, rounded once and correctly. Integers
//! accept whole numbers in their range, also written as `3.0`. `BOOL` accepts `true`, `false`, `1`
//! and `0`. `null` is never an element.

use hotstage_core::datatype::Datatype;

use super::number::{self, Short};
use super::text::excerpt;

/// A type of fixed size that JSON can carry.
pub(super) trait Element: Sized {
    /// From a short number, the common form; `None` means that the slow path must read it.
    fn from_short(short: &Short) -> Option<Self>;

    /// From any JSON value; `None` rejects it.
    fn from_token(token: &str) -> Option<Self>;

    /// Appends the element in little-endian order.
    fn put(self, out: &mut Vec<u8>);
}

macro_rules! integers {
    ($($type:ty),*) => {$(
        impl Element for $type {
            #[inline]
            fn from_short(short: &Short) -> Option<Self> {
                Self::try_from(short.whole()?).ok()
            }

            fn from_token(token: &str) -> Option<Self> {
                Self::try_from(number::whole(token)?).ok()
            }

            #[inline]
            fn put(self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
        }
    )*};
}

integers!(u8, u16, u32, u64, i8, i16, i32, i64);

macro_rules! floats {
    ($($type:ident),*) => {$(
        impl Element for $type {
            #[inline]
            fn from_short(short: &Short) -> Option<Self> {
                short.$type()
            }

            fn from_token(token: &str) -> Option<Self> {
                token.parse::<Self>().ok().filter(|value| value.is_finite())
            }

            #[inline]
            fn put(self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
        }
    )*};
}

floats!(f32, f64);

impl Element for bool {
    fn from_short(short: &Short) -> Option<Self> {
        match (short.negative, short.whole()?) {
            (false, 0) => Some(false),
            (false, 1) => Some(true),
            _ => None,
        }
    }

    fn from_token(token: &str) -> Option<Self> {
        token.parse().ok()
    }

    fn put(self, out: &mut Vec<u8>) {
        out.push(u8::from(self));
    }
}

/// The error message for a value that is not an element.
#[cold]
pub(super) fn refusal(datatype: Datatype, index: usize, token: &str) -> String {
    let given = excerpt(token);
    let is_number = token.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    match datatype {
        Datatype::Fp32 | Datatype::Fp64 if is_number => {
            format!("element {index} is {given}, which {datatype} can't hold")
        }
        Datatype::Bytes if token.starts_with('"') => {
            format!("element {index} is {given}, which escapes half a surrogate pair")
        }
        _ => format!(
            "element {index} is {given}; {datatype} takes {}",
            takes(datatype)
        ),
    }
}

fn takes(datatype: Datatype) -> String {
    match datatype {
        Datatype::Bool => "true, false, 1 and 0".to_owned(),
        Datatype::Uint8 => whole_numbers(u8::MIN, u8::MAX),
        Datatype::Uint16 => whole_numbers(u16::MIN, u16::MAX),
        Datatype::Uint32 => whole_numbers(u32::MIN, u32::MAX),
        Datatype::Uint64 => whole_numbers(u64::MIN, u64::MAX),
        Datatype::Int8 => whole_numbers(i8::MIN, i8::MAX),
        Datatype::Int16 => whole_numbers(i16::MIN, i16::MAX),
        Datatype::Int32 => whole_numbers(i32::MIN, i32::MAX),
        Datatype::Int64 => whole_numbers(i64::MIN, i64::MAX),
        Datatype::Fp16 | Datatype::Bf16 | Datatype::Fp32 | Datatype::Fp64 => "numbers".to_owned(),
        Datatype::Bytes => "strings".to_owned(),
    }
}

fn whole_numbers(from: impl std::fmt::Display, to: impl std::fmt::Display) -> String {
    format!("whole numbers from {from} to {to}")
}
