//! Runs a graph on tract operator by operator, within the bounds of its call.
//!
//! Before each operator the clock is read, and the size of its answer is computed: from the shapes
//! of the plan or, where a size is a number in the data (`Range`, `Tile`), from the data. A
//! computation past its deadline, or that would hold more than its memory, stops there. Bounds:
//! `Bounds` of the call. Memory that an operator uses internally is not counted, and an operator is
//! not interrupted; a process of the graph's own bounds both.

use std::sync::Arc;
use std::time::Instant;

use tract_onnx::prelude::{TValue, TVec, TractError, TractResult, TypedFact, TypedRunnableModel};
use tract_onnx::tract_core::internal::{EvalContext, IntoArcTensor as _, TypedNode};
use tract_onnx::tract_core::plan::eval;

use super::super::Bounds;
use super::super::errors::ComputeError;
use super::{guarded, why};

/// Elements of a value that is read for sizes: shapes and counts are small.
const SIZES_MAX: usize = 64;

/// A graph that is ready to run, and when each of its values is freed.
pub(super) struct Runnable {
    model: Arc<TypedRunnableModel>,
    /// For each operator: the operators whose values are not read any more once it has run.
    freed_after: Vec<Vec<usize>>,
}

impl Runnable {
    pub(super) fn new(plan: Arc<TypedRunnableModel>) -> Self {
        let model = plan.model();
        let mut last_reader: Vec<Option<usize>> = vec![None; model.nodes.len()];
        for &id in plan.order_without_consts() {
            model.nodes[id]
                .inputs
                .iter()
                .for_each(|input| last_reader[input.node] = Some(id));
        }
        model
            .outputs
            .iter()
            .for_each(|output| last_reader[output.node] = None);
        let mut freed_after = vec![Vec::new(); model.nodes.len()];
        for (id, reader) in last_reader.iter().enumerate() {
            if let Some(reader) = reader {
                freed_after[*reader].push(id);
            }
        }
        Self {
            model: plan,
            freed_after,
        }
    }

    pub(super) fn plan(&self) -> &TypedRunnableModel {
        &self.model
    }

    /// One computation.
    pub(super) fn run(
        &self,
        values: TVec<TValue>,
        bounds: &Bounds,
    ) -> Result<TVec<TValue>, ComputeError> {
        let mut held = Held {
            bytes: vec![0; self.freed_after.len()],
            all: sum(&values),
            most: bounds.memory,
        };
        // Why the closure stopped; its own error would come back as text.
        let mut stopped = None;
        let computed = guarded(|| {
            self.model
                .spawn()?
                .run_plan_with_eval(values, |context, state, node, inputs| {
                    if let Err(stop) = held.fits(context, node, &inputs, bounds.deadline) {
                        stopped = Some(stop);
                        return Err(TractError::msg("stopped"));
                    }
                    let outputs = eval(context, state, node, inputs)?;
                    held.made(node.id, &outputs, &self.freed_after[node.id]);
                    Ok(outputs)
                })
        });
        match (computed, stopped) {
            (_, Some(stop)) => Err(stop),
            (Ok(outputs), None) => Ok(outputs),
            (Err(reason), None) => Err(ComputeError::InvalidInput(format!(
                "the graph has no answer to it: {reason}"
            ))),
        }
    }
}

/// The values that a computation holds.
struct Held {
    /// For each operator: the bytes of its answer, as long as they are read later.
    bytes: Vec<u64>,
    all: u64,
    most: u64,
}

impl Held {
    /// Whether there is time and memory for an operator.
    fn fits(
        &self,
        context: &EvalContext<'_>,
        node: &TypedNode,
        inputs: &TVec<TValue>,
        deadline: Instant,
    ) -> Result<(), ComputeError> {
        if Instant::now() >= deadline {
            return Err(ComputeError::Time);
        }
        let wanted = forecast(context, node, inputs).unwrap_or(0);
        if self.all.saturating_add(wanted) > self.most {
            return Err(ComputeError::Memory(format!(
                "operator {} (node `{}`) wants {wanted} bytes beside {} that are held",
                node.op.name(),
                node.name,
                self.all
            )));
        }
        Ok(())
    }

    fn made(&mut self, id: usize, outputs: &TVec<TValue>, freed: &[usize]) {
        let made = sum(outputs);
        self.bytes[id] = made;
        self.all = self.all.saturating_add(made);
        for &freed in freed {
            self.all = self
                .all
                .saturating_sub(std::mem::take(&mut self.bytes[freed]));
        }
    }
}

fn sum(values: &TVec<TValue>) -> u64 {
    values
        .iter()
        .map(|value| (value.len() * value.datum_type().size_of()) as u64)
        .sum()
}

/// Bytes of an operator's answer, if that can be known before.
fn forecast(context: &EvalContext<'_>, node: &TypedNode, inputs: &TVec<TValue>) -> Option<u64> {
    let known = node
        .outputs
        .iter()
        .map(|output| bytes(context, &output.fact));
    known
        .sum::<Option<u64>>()
        .or_else(|| by_values(context, node, inputs))
}

/// The same from the values, where a size is among them.
fn by_values(context: &EvalContext<'_>, node: &TypedNode, inputs: &TVec<TValue>) -> Option<u64> {
    let fact = |value: &TValue| -> TractResult<TypedFact> {
        if value.len() <= SIZES_MAX {
            return TypedFact::try_from(value.clone().into_arc_tensor());
        }
        Ok(TypedFact::dt_shape(value.datum_type(), value.shape()))
    };
    let facts: Vec<TypedFact> = inputs.iter().map(fact).collect::<TractResult<_>>().ok()?;
    let facts: Vec<&TypedFact> = facts.iter().collect();
    let outputs = node
        .op
        .output_facts(&facts)
        .inspect_err(|error| tracing::trace!("{}", why(error)))
        .ok()?;
    outputs.iter().map(|fact| bytes(context, fact)).sum()
}

/// `None` if the shape is unknown; a size that is not a number of elements counts as more than
/// there is.
fn bytes(context: &EvalContext<'_>, fact: &TypedFact) -> Option<u64> {
    let mut bytes = fact.datum_type.size_of() as u64;
    for size in fact.shape.iter() {
        let size = size.eval_to_i64(context.symbols).ok()?;
        bytes = bytes.saturating_mul(u64::try_from(size).unwrap_or(u64::MAX));
    }
    Some(bytes)
}
