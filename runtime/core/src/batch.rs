//! Joins requests along their first dimension, and splits their answers again.
//!
//! Requests fit together when their tensors have the same datatypes and the same shapes except for
//! the first dimension. Within one request the first dimension is the same for all inputs: the
//! request's rows. Joining copies once; splitting copies nothing. Bounds: [`Batching`].

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::datatype::Datatype;
use crate::signature::{Port, Signature};
use crate::tensor::{Shape, Tensor};

/// How requests for a stage are joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batching {
    /// Rows of a joined call, at most. Key `max_rows`.
    pub max_rows: u64,
    /// How long the first request of a batch waits for others. Zero: it joins those that already
    /// wait. Key `max_delay`.
    pub max_delay: Duration,
    /// How long a request may wait for its call to begin. Key `timeout`.
    pub timeout: Duration,
}

/// The defaults when `batch` is written.
impl Default for Batching {
    fn default() -> Self {
        Self {
            max_rows: 64,
            max_delay: Duration::ZERO,
            timeout: Duration::from_secs(1),
        }
    }
}

/// Why a stage can't be batched; the message names the tensor.
pub fn check(signature: &Signature) -> Result<(), String> {
    if signature.inputs.is_empty() {
        return Err("the stage takes no tensors, so there is nothing to join".to_owned());
    }
    let sides = [("input", &signature.inputs), ("output", &signature.outputs)];
    for (side, port) in sides
        .iter()
        .flat_map(|(side, ports)| ports.iter().map(move |port| (side, port)))
    {
        let what = match port.shape.first() {
            None => "is a scalar",
            Some(Some(_)) => "has a first dimension of fixed size",
            Some(None) => continue,
        };
        return Err(format!(
            "{side} `{}` {what}: only tensors whose first dimension may be any size are joined",
            port.name
        ));
    }
    Ok(())
}

/// The rows of a request. `None`: its inputs have different row counts, or it has no inputs; such a
/// request is called alone.
pub fn rows(inputs: &[Tensor]) -> Option<u64> {
    let rows = *inputs.first()?.shape().first()?;
    let agree = inputs
        .iter()
        .all(|tensor| tensor.shape().first() == Some(&rows));
    (agree && rows > 0).then_some(rows)
}

/// Whether two requests for one stage can be joined: everything but their first dimensions is
/// equal.
pub fn fit(one: &[Tensor], other: &[Tensor]) -> bool {
    let same = |one: &Tensor, other: &Tensor| {
        one.datatype() == other.datatype() && one.shape().get(1..) == other.shape().get(1..)
    };
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
}

/// Joins the inputs of several requests that [`fit`] into one call. `None`: they do not fit, which
/// is the caller's mistake.
pub fn join(requests: &[&[Tensor]]) -> Option<Vec<Tensor>> {
    let first = requests.first()?;
    (0..first.len())
        .map(|place| join_one(requests, place))
        .collect()
}

fn join_one(requests: &[&[Tensor]], place: usize) -> Option<Tensor> {
    let model = requests.first()?.get(place)?;
    let (mut bytes, mut rows) = (0, 0_u64);
    for request in requests {
        let tensor = request.get(place)?;
        bytes += tensor.data().len();
        rows = rows.checked_add(*tensor.shape().first()?)?;
    }
    let mut data = BytesMut::with_capacity(bytes);
    requests
        .iter()
        .filter_map(|request| request.get(place))
        .for_each(|tensor| data.extend_from_slice(tensor.data()));
    let mut shape = Shape::from_slice(model.shape());
    *shape.first_mut()? = rows;
    Tensor::new(model.datatype(), shape, data.freeze()).ok()
}

/// Each request's rows of a joined call's outputs. The error names the output whose row count
/// differs from the batch's.
pub fn split(outputs: &[Tensor], ports: &[Port], rows: &[u64]) -> Result<Vec<Vec<Tensor>>, String> {
    let total: u64 = rows.iter().sum();
    let mut shares: Vec<Vec<Tensor>> = rows
        .iter()
        .map(|_| Vec::with_capacity(outputs.len()))
        .collect();
    for (tensor, port) in outputs.iter().zip(ports) {
        let given = tensor.shape().first().copied().unwrap_or_default();
        let wrong = || {
            format!(
                "answered {given} rows of `{}` for a batch of {total}",
                port.name
            )
        };
        if given != total {
            return Err(wrong());
        }
        let mut rest = tensor.data().clone();
        let row = tensor.data().len() / usize::try_from(total.max(1)).unwrap_or(usize::MAX);
        let elements = tensor.elements() / usize::try_from(total.max(1)).unwrap_or(usize::MAX);
        for (share, &rows) in shares.iter_mut().zip(rows) {
            let count = usize::try_from(rows).unwrap_or(usize::MAX);
            let length = match tensor.datatype() {
                Datatype::Bytes => length_of(&rest, elements.saturating_mul(count)),
                _ => row.saturating_mul(count),
            };
            let data = rest.split_to(length.min(rest.len()));
            let mut shape = Shape::from_slice(tensor.shape());
            if let Some(first) = shape.first_mut() {
                *first = rows;
            }
            share.push(Tensor::new(tensor.datatype(), shape, data).map_err(|_| wrong())?);
        }
    }
    Ok(shares)
}

/// Bytes of the first `elements` elements of a checked `BYTES` tensor.
fn length_of(data: &Bytes, elements: usize) -> usize {
    let mut length = 0_usize;
    for _ in 0..elements {
        let Some(size) = data.get(length..).and_then(<[u8]>::first_chunk::<4>) else {
            break;
        };
        length = length
            .saturating_add(4)
            .saturating_add(u32::from_le_bytes(*size) as usize);
    }
    length
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn numbers(rows: u64, columns: u64, from: u8) -> Tensor {
        let data: Vec<u8> = (0..rows * columns)
            .map(|at| from.wrapping_add(u8::try_from(at % 251).unwrap()))
            .collect();
        Tensor::new(
            Datatype::Uint8,
            Shape::from_slice(&[rows, columns]),
            data.into(),
        )
        .unwrap()
    }

    fn texts(rows: u64, from: u8) -> Tensor {
        let texts: Vec<Vec<u8>> = (0..rows)
            .map(|at| vec![from; usize::try_from((at + u64::from(from)) % 5).unwrap()])
            .collect();
        Tensor::from_bytes_elements(texts.iter().map(Vec::as_slice))
    }

    fn port(name: &str, datatype: Datatype, rank: usize) -> Port {
        Port {
            name: name.to_owned(),
            datatype,
            shape: vec![None; rank],
        }
    }

    proptest! {
        #[test]
        fn everybody_gets_their_own_rows_back(
            rows in prop::collection::vec(1_u64..6, 1..8),
            columns in 0_u64..4,
        ) {
            let requests: Vec<Vec<Tensor>> = rows
                .iter()
                .zip(0_u8..)
                .map(|(&rows, from)| vec![numbers(rows, columns, from * 7), texts(rows, from)])
                .collect();
            let views: Vec<&[Tensor]> = requests.iter().map(Vec::as_slice).collect();
            prop_assert!(views.iter().all(|view| fit(views[0], view)));
            let joined = join(&views).unwrap();
            prop_assert_eq!(super::rows(&joined), Some(rows.iter().sum::<u64>()));
            let ports = [port("n", Datatype::Uint8, 2), port("t", Datatype::Bytes, 1)];
            prop_assert_eq!(split(&joined, &ports, &rows).unwrap(), requests);
        }

        #[test]
        fn other_shapes_do_not_fit(rows in 1_u64..4, one in 0_u64..4, other in 0_u64..4) {
            let fits = fit(&[numbers(rows, one, 0)], &[numbers(1, other, 0)]);
            prop_assert_eq!(fits, one == other);
        }
    }

    #[test]
    fn an_answer_of_another_length_is_refused() {
        let error = split(
            &[numbers(3, 1, 0)],
            &[port("y", Datatype::Uint8, 2)],
            &[1, 1],
        )
        .unwrap_err();
        assert_eq!(error, "answered 3 rows of `y` for a batch of 2");
    }

    #[test]
    fn what_has_no_rows_is_called_alone() {
        assert_eq!(rows(&[numbers(0, 3, 0)]), None);
        assert_eq!(rows(&[numbers(2, 1, 0), numbers(3, 1, 0)]), None);
        let scalar = Tensor::new(Datatype::Uint8, Shape::new(), vec![1].into()).unwrap();
        assert_eq!(rows(&[scalar]), None);
    }

    #[test]
    fn a_fixed_first_dimension_is_refused_by_name() {
        let mut signature = Signature {
            inputs: vec![port("x", Datatype::Fp32, 2)],
            outputs: vec![],
        };
        assert_eq!(check(&signature), Ok(()));
        signature.outputs.push(Port {
            shape: vec![Some(1), None],
            ..port("y", Datatype::Fp32, 2)
        });
        assert!(
            check(&signature)
                .unwrap_err()
                .starts_with("output `y` has a first dimension of fixed size")
        );
        signature.outputs[0].shape.clear();
        assert!(
            check(&signature)
                .unwrap_err()
                .starts_with("output `y` is a scalar")
        );
    }
}
