//! Merges the tensors of an ensemble's members into one.
//!
//! Members' tensors have one datatype, which is checked at deploy, and must have one shape, which
//! is known only at run time. Numbers keep their datatype; a mean is summed in 64 bits, in the
//! members' order, so that the same answers give the same bits. NaN is not hidden: it propagates
//! through a mean, a maximum and a minimum.

use std::cmp::Ordering;

use bytes::Bytes;
use half::{bf16, f16};

use crate::datatype::Datatype;
use crate::tensor::{Shape, Tensor, push_bytes_element, show_shape};

/// How an output that several members give becomes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The arithmetic mean of floats.
    Mean,
    /// The largest number.
    Max,
    /// The least number.
    Min,
    /// The value that most members give, element by element; in a tie, that of the earliest of
    /// them.
    Vote,
    /// The value of the first member that answered.
    First,
}

/// Tensors that can't be merged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unmerged(String);

impl Method {
    /// All of them, with their words in manifests.
    pub const ALL: [(&'static str, Self); 5] = [
        ("mean", Self::Mean),
        ("max", Self::Max),
        ("min", Self::Min),
        ("vote", Self::Vote),
        ("first", Self::First),
    ];

    /// The word in manifests.
    pub fn word(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(_, method)| *method == self)
            .map_or("", |(word, _)| word)
    }

    /// Why it can't merge tensors of this datatype, if it can't.
    pub fn misfit(self, datatype: Datatype) -> Option<String> {
        let is_float = is_float(datatype);
        let is_number = !matches!(datatype, Datatype::Bool | Datatype::Bytes);
        match self {
            Self::Mean if !is_float => Some(format!(
                "the mean of {datatype} is no {datatype}; say `vote` or `first`"
            )),
            Self::Max | Self::Min if !is_number => {
                Some(format!("{datatype} has no order; say `vote` or `first`"))
            }
            Self::Vote if is_float => Some(format!(
                "two members seldom say exactly the same {datatype}; say `mean`, or vote on labels"
            )),
            _ => None,
        }
    }
}

const fn is_float(datatype: Datatype) -> bool {
    matches!(
        datatype,
        Datatype::Fp16 | Datatype::Bf16 | Datatype::Fp32 | Datatype::Fp64
    )
}

/// Merges tensors into one, in the members' order. There is at least one.
pub fn merge(method: Method, tensors: &[&Tensor]) -> Result<Tensor, Unmerged> {
    let Some((first, others)) = tensors.split_first() else {
        return Err(Unmerged("no member gave it".to_owned()));
    };
    if method == Method::First || others.is_empty() {
        return Ok((*first).clone());
    }
    for other in others {
        if other.datatype() != first.datatype() || other.shape() != first.shape() {
            return Err(Unmerged(format!(
                "one member gives {} {} and another {} {}; merged outputs must have the same shape",
                first.datatype(),
                show_shape(first.shape()),
                other.datatype(),
                show_shape(other.shape())
            )));
        }
    }
    let datatype = first.datatype();
    if let Some(misfit) = method.misfit(datatype) {
        return Err(Unmerged(misfit));
    }
    let data = match method {
        Method::Mean => mean(datatype, tensors),
        Method::Max => extreme(datatype, tensors, Ordering::Greater),
        Method::Min => extreme(datatype, tensors, Ordering::Less),
        Method::Vote => vote(datatype, tensors),
        Method::First => first.data().clone(),
    };
    Tensor::new(datatype, Shape::from_slice(first.shape()), data)
        .map_err(|error| Unmerged(error.to_string()))
}

fn mean(datatype: Datatype, tensors: &[&Tensor]) -> Bytes {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the mean of 32-bit floats has 32 bits"
    )]
    let narrow = |value: f64| value as f32;
    match datatype {
        Datatype::Fp16 => mean_of(
            tensors,
            |b| f16::from_le_bytes(b).to_f64(),
            |value| f16::from_f64(value).to_le_bytes(),
        ),
        Datatype::Bf16 => mean_of(
            tensors,
            |b| bf16::from_le_bytes(b).to_f64(),
            |value| bf16::from_f64(value).to_le_bytes(),
        ),
        Datatype::Fp32 => mean_of(
            tensors,
            |b| f32::from_le_bytes(b).into(),
            |value| narrow(value).to_le_bytes(),
        ),
        _ => mean_of(tensors, f64::from_le_bytes, f64::to_le_bytes),
    }
}

fn mean_of<const N: usize>(
    tensors: &[&Tensor],
    read: impl Fn([u8; N]) -> f64,
    write: impl Fn(f64) -> [u8; N],
) -> Bytes {
    let mut sums = vec![0.0; tensors.first().map_or(0, |first| first.data().len() / N)];
    for tensor in tensors {
        let values = tensor.data().as_chunks().0;
        sums.iter_mut()
            .zip(values)
            .for_each(|(sum, value)| *sum += read(*value));
    }
    let count = tensors.len() as f64;
    sums.into_iter()
        .flat_map(|sum| write(sum / count))
        .collect()
}

/// The smallest or the largest number, as `stands` says.
fn extreme(datatype: Datatype, tensors: &[&Tensor], stands: Ordering) -> Bytes {
    match datatype {
        Datatype::Fp16 => float(tensors, stands, |b| f16::from_le_bytes(b).to_f64()),
        Datatype::Bf16 => float(tensors, stands, |b| bf16::from_le_bytes(b).to_f64()),
        Datatype::Fp32 => float(tensors, stands, |b| f32::from_le_bytes(b).into()),
        Datatype::Fp64 => float(tensors, stands, f64::from_le_bytes),
        Datatype::Uint16 => pick(tensors, |one, other| {
            u16::from_le_bytes(one).cmp(&u16::from_le_bytes(other)) == stands
        }),
        Datatype::Uint32 => pick(tensors, |one, other| {
            u32::from_le_bytes(one).cmp(&u32::from_le_bytes(other)) == stands
        }),
        Datatype::Uint64 => pick(tensors, |one, other| {
            u64::from_le_bytes(one).cmp(&u64::from_le_bytes(other)) == stands
        }),
        Datatype::Int8 => pick(tensors, |one, other| {
            i8::from_le_bytes(one).cmp(&i8::from_le_bytes(other)) == stands
        }),
        Datatype::Int16 => pick(tensors, |one, other| {
            i16::from_le_bytes(one).cmp(&i16::from_le_bytes(other)) == stands
        }),
        Datatype::Int32 => pick(tensors, |one, other| {
            i32::from_le_bytes(one).cmp(&i32::from_le_bytes(other)) == stands
        }),
        Datatype::Int64 => pick(tensors, |one, other| {
            i64::from_le_bytes(one).cmp(&i64::from_le_bytes(other)) == stands
        }),
        _ => pick(tensors, |one, other| {
            u8::from_le_bytes(one).cmp(&u8::from_le_bytes(other)) == stands
        }),
    }
}

fn float<const N: usize>(
    tensors: &[&Tensor],
    stands: Ordering,
    read: impl Fn([u8; N]) -> f64,
) -> Bytes {
    pick(tensors, |one, other| {
        let (one, other) = (read(one), read(other));
        !other.is_nan() && (one.is_nan() || one.partial_cmp(&other) == Some(stands))
    })
}

/// For each element, the value that is better than those before it.
fn pick<const N: usize>(
    tensors: &[&Tensor],
    is_better: impl Fn([u8; N], [u8; N]) -> bool,
) -> Bytes {
    let Some((first, others)) = tensors.split_first() else {
        return Bytes::new();
    };
    let mut best = first.data().to_vec();
    for other in others {
        for (best, element) in best
            .as_chunks_mut()
            .0
            .iter_mut()
            .zip(other.data().as_chunks().0)
        {
            if is_better(*element, *best) {
                *best = *element;
            }
        }
    }
    best.into()
}

fn vote(datatype: Datatype, tensors: &[&Tensor]) -> Bytes {
    let mut data = Vec::with_capacity(tensors.first().map_or(0, |first| first.data().len()));
    match datatype.size() {
        Some(size) => {
            let mut walks: Vec<_> = tensors
                .iter()
                .map(|tensor| tensor.data().chunks_exact(size))
                .collect();
            poll(&mut walks, |said| data.extend_from_slice(said));
        }
        None => {
            let mut walks: Vec<_> = tensors
                .iter()
                .map(|tensor| tensor.bytes_elements())
                .collect();
            poll(&mut walks, |said| push_bytes_element(&mut data, said));
        }
    }
    data.into()
}

/// Iterates over all members at once, and emits for each element the value of most of them.
fn poll<'a>(walks: &mut [impl Iterator<Item = &'a [u8]>], mut emit: impl FnMut(&[u8])) {
    let mut said = Vec::with_capacity(walks.len());
    loop {
        said.clear();
        said.extend(walks.iter_mut().filter_map(Iterator::next));
        if said.len() < walks.len() || said.is_empty() {
            return;
        }
        let votes = |one: &&[u8]| said.iter().filter(|other| *other == one).count();
        // `max_by_key` returns the last of equals: in reverse order, that is the earliest member.
        if let Some(most) = said.iter().rev().max_by_key(|one| votes(one)) {
            emit(most);
        }
    }
}
