//! Checks a node's inputs before tract computes it.
//!
//! Without these checks tract panics, or reads the wrong element. Indices, divisors and counts
//! often come from the client, so a violation is a client error that names the node. Bound: one
//! pass over a node's indices. Nodes inside a loop of the graph are not checked.

use tract_onnx::prelude::{TValue, TractResult, TypedNode};
use tract_onnx::tract_core::internal::{anyhow, bail};
use tract_onnx::tract_core::ops::array::{
    Gather, GatherElements, GatherNd, OneHot, ScatterElements, ScatterNd, Topk,
};
use tract_onnx::tract_core::ops::binary::{BinMiniOp, OptBinByScalar, OptBinUnicast, TypedBinOp};
use tract_onnx::tract_core::ops::math::{Div, Rem};

/// Checks a node's inputs.
pub(crate) fn check(node: &TypedNode, inputs: &[TValue]) -> TractResult<()> {
    if let Some(gather) = node.op_as::<Gather>() {
        check_axis(node, inputs, gather.axis)
    } else if let Some(gather) = node.op_as::<GatherElements>() {
        check_axis(node, inputs, gather.axis)
    } else if let Some(scatter) = node.op_as::<ScatterElements>() {
        check_axis(node, inputs, scatter.axis)
    } else if let Some(gather) = node.op_as::<GatherNd>() {
        check_points(node, inputs, gather.batch_dims)
    } else if node.op_is::<ScatterNd>() {
        check_points(node, inputs, 0)
    } else if let (Some(one_hot), [indices, ..]) = (node.op_as::<OneHot>(), inputs) {
        integers(indices)?
            .iter()
            .try_for_each(|&index| check_index(node, index, one_hot.dim))
    } else if let Some(top) = node.op_as::<Topk>() {
        check_count(node, inputs, top.axis)
    } else if operation(node)
        .is_some_and(|operation| operation.is::<Div>() || operation.is::<Rem>())
    {
        check_divisor(node, inputs)
    } else {
        Ok(())
    }
}

/// Indices along one axis of the data; negative ones count from its end.
fn check_axis(node: &TypedNode, inputs: &[TValue], axis: usize) -> TractResult<()> {
    let [data, indices, ..] = inputs else {
        return Ok(());
    };
    // Block-quantised data has no plain shape; it is weights, of which tract knows the rows.
    let (Some(&size), true) = (data.shape().get(axis), data.as_plain_ram().is_some()) else {
        return Ok(());
    };
    integers(indices)?
        .iter()
        .try_for_each(|&index| check_index(node, index, size))
}

/// Indices whose last dimension has one number for each of the data's axes, after the first few.
fn check_points(node: &TypedNode, inputs: &[TValue], skipped: usize) -> TractResult<()> {
    let [data, indices, ..] = inputs else {
        return Ok(());
    };
    let width = indices.shape().last().copied().unwrap_or(0);
    let sizes = data.shape().get(skipped..skipped + width).ok_or_else(|| {
        let (node, rank) = (shown(node), data.rank());
        anyhow!("{node}: {width} numbers for an index, but the data has {rank} dimensions")
    })?;
    for point in integers(indices)?.chunks_exact(width.max(1)) {
        for (&index, &size) in point.iter().zip(sizes) {
            if index < 0 {
                bail!("{}: index {index}; it must not be negative", shown(node));
            }
            check_index(node, index, size)?;
        }
    }
    Ok(())
}

/// The `k` of a top-k node.
fn check_count(node: &TypedNode, inputs: &[TValue], axis: usize) -> TractResult<()> {
    let [data, count] = inputs else { return Ok(()) };
    let size = data.shape().get(axis).copied().unwrap_or(0);
    match integers(count)?.first() {
        Some(&count) if usize::try_from(count).map_or(true, |count| count > size) => {
            bail!(
                "{}: the {count} largest of {size} elements are asked for",
                shown(node)
            )
        }
        _ => Ok(()),
    }
}

/// Integer division by 0 is undefined; float division is not.
fn check_divisor(node: &TypedNode, inputs: &[TValue]) -> TractResult<()> {
    let [_, divisor] = inputs else { return Ok(()) };
    if divisor.datum_type().is_integer() && integers(divisor)?.contains(&0) {
        bail!("{}: division of whole numbers by 0", shown(node));
    }
    Ok(())
}

fn check_index(node: &TypedNode, index: i64, size: usize) -> TractResult<()> {
    let place = if index < 0 {
        index.checked_add_unsigned(size as u64)
    } else {
        Some(index)
    };
    match place.and_then(|place| usize::try_from(place).ok()) {
        Some(place) if place < size => Ok(()),
        _ => bail!("{}: index {index} among {size} elements", shown(node)),
    }
}

/// The operation of a node on two tensors, however it was planned.
fn operation(node: &TypedNode) -> Option<&dyn BinMiniOp> {
    let planned = node.op_as::<TypedBinOp>().map(|op| &op.0);
    let planned = planned.or_else(|| node.op_as::<OptBinByScalar>().map(|op| &op.binop));
    planned
        .or_else(|| node.op_as::<OptBinUnicast>().map(|op| &op.binop))
        .map(|operation| &**operation)
}

fn integers(tensor: &TValue) -> TractResult<Vec<i64>> {
    Ok(tensor
        .cast_to::<i64>()?
        .try_as_plain_ram()?
        .as_slice::<i64>()?
        .to_vec())
}

fn shown(node: &TypedNode) -> String {
    format!("node `{}` ({})", node.name, node.op.name())
}
