//! The execution plan of a graph: its nodes in order, chosen and packed for the shapes of its
//! inputs.
//!
//! A graph whose inputs have one shape is planned once, when the stage is opened. Any other graph
//! is planned when a shape arrives that no kept plan matches: with all sizes known, tract chooses
//! better operators and can plan more graphs. Bound: [`PLANS_MAX`] plans; the least recently used
//! one is dropped. Each plan holds the packed weights, so a graph without a fixed shape needs that
//! many times the memory.

use std::sync::Arc;

use hotstage_sdk::{Dimension, Failure, log};
use tract_onnx::prelude::{
    InferenceFact, InferenceModel, InferenceModelExt, IntoRunnable, TDim, TValue, TVec, TractError,
    TractResult, TypedRunnableModel,
};
use tract_onnx::tract_core::plan;
use tract_onnx::tract_hir::internal::{DimFact, Factoid, ShapeFactoid};

use crate::convert::datum_type;
use crate::graph::Value;
use crate::guard;

/// Maximum number of kept plans.
const PLANS_MAX: usize = 8;

/// A shape as far as it is known.
type Shape = Vec<Dimension>;

/// The graph's plans.
#[derive(Debug)]
pub(crate) enum Plans {
    /// For the only shape.
    One(Plan),
    /// One for each recent shape, the latest last, and the graph to plan more.
    Recent {
        model: InferenceModel,
        plans: Vec<(Vec<usize>, Plan)>,
    },
}

/// One plan. It keeps no state of nodes between calls: a stage is a pure function.
#[derive(Debug)]
pub(crate) struct Plan(Arc<TypedRunnableModel>);

impl Plans {
    /// Plans the graph if its inputs have one shape. Also returns what is known of the outputs'
    /// shapes before a call.
    pub(crate) fn new(
        model: InferenceModel,
        inputs: &[Value],
    ) -> TractResult<(Self, Vec<Option<Shape>>)> {
        if let Some(shapes) = inputs.iter().map(Value::sizes).collect::<Option<Vec<_>>>() {
            let plan = Plan::new(model, inputs, &shapes)?;
            let shapes = plan.output_shapes()?;
            return Ok((Self::One(plan), shapes));
        }
        let mut sketch = model.clone();
        if let Err(error) = sketch.analyse(true) {
            log::warn!("with open dimensions this graph can't be checked before a call: {error:#}");
        }
        let shapes =
            (0..model.outputs.len()).map(|index| Ok(closed(&sketch.output_fact(index)?.shape)));
        let shapes = shapes.collect::<TractResult<_>>()?;
        Ok((
            Self::Recent {
                model,
                plans: Vec::new(),
            },
            shapes,
        ))
    }

    /// The plan for these shapes of the inputs.
    pub(crate) fn find(
        &mut self,
        inputs: &[Value],
        shapes: &[Vec<usize>],
    ) -> Result<&Plan, Failure> {
        match self {
            Self::One(plan) => Ok(plan),
            Self::Recent { model, plans } => {
                // Each input has a fixed number of dimensions, so their concatenated sizes are
                // unambiguous.
                let key = shapes.concat();
                let found = match plans.iter().position(|(known, _)| *known == key) {
                    Some(index) => plans.remove(index),
                    None => {
                        let plan = Plan::new(model.clone(), inputs, shapes)
                            .map_err(|error| unfit(inputs, shapes, &error))?;
                        if plans.len() == PLANS_MAX {
                            plans.remove(0);
                        }
                        (key, plan)
                    }
                };
                Ok(&plans.push_mut(found).1)
            }
        }
    }
}

impl Plan {
    fn new(
        mut model: InferenceModel,
        inputs: &[Value],
        shapes: &[Vec<usize>],
    ) -> TractResult<Self> {
        for (index, (input, shape)) in inputs.iter().zip(shapes).enumerate() {
            model.set_input_fact(
                index,
                InferenceFact::dt_shape(datum_type(input.datatype), shape),
            )?;
        }
        Ok(Self(model.into_optimized()?.into_runnable()?))
    }

    fn output_shapes(&self) -> TractResult<Vec<Option<Shape>>> {
        let model = self.0.model();
        let shape = |index| {
            Ok(Some(
                model
                    .output_fact(index)?
                    .shape
                    .iter()
                    .map(dimension)
                    .collect(),
            ))
        };
        (0..model.outputs.len()).map(shape).collect()
    }

    /// Computes the outputs.
    pub(crate) fn run(&self, inputs: TVec<TValue>) -> Result<TVec<TValue>, Failure> {
        let answer = self.0.spawn().and_then(|mut state| {
            state.run_plan_with_eval(inputs, |context, memory, node, inputs| {
                guard::check(node, &inputs)?;
                plan::eval(context, memory, node, inputs)
            })
        });
        answer.map_err(|error| {
            Failure::invalid_input(format!("the graph has no answer to this input: {error:#}"))
        })
    }
}

/// The shape, if its number of dimensions is known.
fn closed(shape: &ShapeFactoid) -> Option<Shape> {
    let known = |size: &DimFact| size.concretize().and_then(|size| dimension(&size));
    if shape.is_open() {
        None
    } else {
        Some(shape.dims().map(known).collect())
    }
}

fn dimension(size: &TDim) -> Dimension {
    size.to_i64().ok().and_then(|size| u64::try_from(size).ok())
}

#[cold]
fn unfit(inputs: &[Value], shapes: &[Vec<usize>], error: &TractError) -> Failure {
    let given: Vec<String> = inputs
        .iter()
        .zip(shapes)
        .map(|(input, shape)| format!("`{}` {shape:?}", input.name))
        .collect();
    Failure::invalid_input(format!(
        "the graph takes no inputs of these shapes: {}: {error:#}",
        given.join(", ")
    ))
}
