//! A graph on tract: pure Rust, one thread, part of the program.
//!
//! A graph is prepared once if its shapes are fixed or can stay symbolic. If an operator needs to
//! know them, it is prepared for each set of input shapes, and the last [`PLANS_MAX`] plans are
//! kept: the first request of a new shape pays for the preparation. A graph that can't be prepared
//! for any shapes is refused when it is opened. A computation is bounded operator by operator
//! (`steps`).

mod steps;
mod values;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, Once};

use hotstage_core::datatype::Datatype;
use hotstage_core::signature::{Dimension, Port, Signature};
use hotstage_core::tensor::Tensor;
use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::{
    Framework as _, InferenceModel, InferenceModelExt as _, IntoRunnable as _, TValue, TVec,
    TractError, TractResult, TypedModel,
};
use tract_onnx::tract_hir::infer::{Factoid as _, InferenceFact};

use self::steps::Runnable;
use super::declared::{Declared, Ports};
use super::errors::{ComputeError, plain};
use super::{Bounds, GraphError, Network, Options, locked};

/// The version of tract that is built in.
pub const VERSION: &str = "0.23";
/// The newest version of ONNX's standard operators when this was written. The meaning of newer ones
/// is unknown here.
const OPSET_MAX: i64 = 28;
/// Plans kept of a graph that needs one for each set of input shapes.
const PLANS_MAX: usize = 16;

/// Sizes that are tried, one after the other, for dimensions that the file leaves open.
const SIZES_TRIED: [u64; 9] = [1, 2, 5, 16, 64, 128, 224, 512, 576];
/// How an operator is named whose branches must answer the same shapes here, though ONNX lets them
/// differ.
const BRANCHES: &str = "\" If";
/// The remedy when tract can't compute a graph.
const HELP: &str = "ONNX Runtime computes more operators: `pip install onnxruntime` brings it";

type Shapes = Vec<Vec<u64>>;
type Plans = Vec<(Shapes, Arc<Runnable>)>;

pub(super) struct Plan {
    signature: Signature,
    ready: Ready,
}

enum Ready {
    /// For all shapes.
    Once(Arc<Runnable>),
    /// For these shapes.
    PerShape(PerShape),
}

/// A graph that is prepared for each set of input shapes.
struct PerShape {
    model: Box<InferenceModel>,
    /// The latest last.
    plans: Mutex<Plans>,
    /// Whether it was ever prepared: a later failure is then due to the shapes.
    was_ready: AtomicBool,
}

impl Plan {
    pub(super) fn open(declared: Declared, options: &Options) -> Result<Self, GraphError> {
        let refused = |reason: String| {
            GraphError::Refused(format!("tract {VERSION} can't compute it: {reason}"))
        };
        let Declared { mut model, ports } = declared;
        let wanted = ports.wanted(&options.outputs)?;
        check(&model, &ports, &wanted).map_err(&refused)?;
        model
            .graph
            .iter_mut()
            .for_each(hotstage_onnx_compat::tell_apart);
        let parsed = parse(&model, &wanted).map_err(&refused)?;
        drop(model);
        let ready = Ready::of(parsed, &ports.inputs).map_err(&refused)?;
        let seen = |place: usize| match &ready {
            Ready::Once(runnable) => shape(
                runnable.plan().model(),
                wanted.iter().position(|&wanted| wanted == place)?,
            ),
            Ready::PerShape(_) => None,
        };
        let (signature, _) = ports.signature(&options.outputs, seen)?;
        Ok(Self { signature, ready })
    }

    fn runnable(&self, inputs: &[Tensor]) -> Result<Arc<Runnable>, ComputeError> {
        match &self.ready {
            Ready::Once(runnable) => Ok(Arc::clone(runnable)),
            Ready::PerShape(graph) => graph.runnable(
                inputs
                    .iter()
                    .map(|tensor| tensor.shape().to_vec())
                    .collect(),
            ),
        }
    }
}

impl Ready {
    /// Prepares it for all shapes if possible, or else for each set of them.
    fn of(parsed: InferenceModel, inputs: &[Port]) -> Result<Self, String> {
        let is_fixed = inputs
            .iter()
            .all(|port| port.shape.iter().all(Option::is_some));
        match ready(parsed.clone()) {
            Ok(runnable) => Ok(Self::Once(Arc::new(runnable))),
            // An operator that tract lacks does not become known with the shapes.
            Err(reason) if is_fixed || reason.contains("nimplemented") => Err(reason),
            Err(_) => PerShape::try_out(parsed, inputs).map(Self::PerShape),
        }
    }
}

impl PerShape {
    /// Prepares it for likely shapes. If that fails for all of them, and for one reason or in the
    /// branches of an `If`, the shapes are not the cause.
    fn try_out(model: InferenceModel, inputs: &[Port]) -> Result<Self, String> {
        let graph = Self {
            model: Box::new(model),
            plans: Mutex::default(),
            was_ready: AtomicBool::new(false),
        };
        let mut reasons: Vec<String> = Vec::new();
        for shapes in guesses(inputs) {
            match graph.make_ready(&shapes) {
                Ok(runnable) => {
                    graph.was_ready.store(true, Relaxed);
                    locked(&graph.plans).push((shapes, Arc::new(runnable)));
                    return Ok(graph);
                }
                Err(reason) => reasons.push(reason),
            }
        }
        let first = reasons.first().cloned().unwrap_or_default();
        let is_one = reasons.iter().all(|reason| *reason == first);
        let of_branches = reasons
            .iter()
            .find(|reason| reason.contains(BRANCHES))
            .cloned();
        if let Some(reason) = of_branches.or(is_one.then_some(first)) {
            return Err(format!(
                "{reason} (and it is not ready for any of {} shapes); {HELP}",
                reasons.len()
            ));
        }
        Ok(graph)
    }

    fn runnable(&self, shapes: Shapes) -> Result<Arc<Runnable>, ComputeError> {
        let mut plans = locked(&self.plans);
        let found = plans
            .iter()
            .position(|(known, _)| *known == shapes)
            .map(|place| plans.remove(place).1);
        let runnable = match found {
            Some(runnable) => runnable,
            None => Arc::new(
                self.make_ready(&shapes)
                    .map_err(|reason| self.unready(&reason))?,
            ),
        };
        self.was_ready.store(true, Relaxed);
        if plans.len() == PLANS_MAX {
            plans.remove(0);
        }
        plans.push((shapes, Arc::clone(&runnable)));
        Ok(runnable)
    }

    fn make_ready(&self, shapes: &Shapes) -> Result<Runnable, String> {
        fixed(&self.model, shapes).and_then(ready)
    }

    /// Whose fault it is that it can't be prepared: the client's, if it was prepared for other
    /// shapes.
    fn unready(&self, reason: &str) -> ComputeError {
        if self.was_ready.load(Relaxed) {
            return ComputeError::InvalidInput(format!("the graph has no answer to it: {reason}"));
        }
        ComputeError::Failed(format!(
            "tract {VERSION} can't compute it for these shapes: {reason}; {HELP}"
        ))
    }
}

impl Network for Plan {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn compute(&self, inputs: &[Tensor], bounds: &Bounds) -> Result<Vec<Tensor>, ComputeError> {
        let runnable = self.runnable(inputs)?;
        let values: TVec<TValue> = inputs
            .iter()
            .map(|tensor| values::lower(tensor).map(TValue::from))
            .collect::<TractResult<_>>()
            .map_err(|error| ComputeError::Failed(why(&error)))?;
        let outputs = runnable.run(values, bounds)?;
        bounds.answers(
            outputs
                .iter()
                .map(|output| (output.len() * output.datum_type().size_of()) as u64),
        )?;
        let lift = |(port, output): (&Port, &TValue)| {
            values::lift(output, port.datatype)
                .map_err(|reason| ComputeError::Failed(format!("output `{}`: {reason}", port.name)))
        };
        self.signature
            .outputs
            .iter()
            .zip(&outputs)
            .map(lift)
            .collect()
    }

    fn copies_to_come(&self) -> u64 {
        match &self.ready {
            Ready::Once(_) => 0,
            Ready::PerShape(_) => PLANS_MAX as u64,
        }
    }
}

/// Refuses graphs that tract is known not to compute, or to compute wrongly.
fn check(model: &ModelProto, ports: &Ports, wanted: &[usize]) -> Result<(), String> {
    let standard = model
        .opset_import
        .iter()
        .find(|opset| matches!(opset.domain.as_str(), "" | "ai.onnx"));
    if let Some(opset) = standard.filter(|opset| opset.version > OPSET_MAX) {
        return Err(format!(
            "it uses opset {}, and the newest that is known here is {OPSET_MAX}",
            opset.version
        ));
    }
    let strings = ports
        .inputs
        .iter()
        .find(|port| matches!(port.datatype, Datatype::Bytes | Datatype::Bf16));
    if let Some(Port { name, datatype, .. }) = strings {
        return Err(format!(
            "input `{name}` is {datatype}, which tract has no tensors of"
        ));
    }
    let names = wanted
        .iter()
        .filter_map(|&place| ports.outputs.get(place))
        .map(|(name, _)| name.as_str());
    let misread = model
        .graph
        .as_ref()
        .and_then(|graph| hotstage_onnx_compat::first(graph, names));
    match misread {
        Some(operator) => Err(format!(
            "it would compute {operator} wrongly; take ONNX Runtime"
        )),
        None => Ok(()),
    }
}

/// Parses the graph with tract. Unwanted outputs are not computed.
fn parse(model: &ModelProto, wanted: &[usize]) -> Result<InferenceModel, String> {
    guarded(|| {
        let mut parsed = tract_onnx::onnx().model_for_proto_model(model)?;
        let outlets: Vec<_> = wanted
            .iter()
            .filter_map(|&place| parsed.outputs.get(place).copied())
            .collect();
        parsed.select_output_outlets(&outlets)?;
        Ok(parsed)
    })
}

/// Likely shapes: usually the first dimension is rows of a batch, and the last one is long.
fn guesses(inputs: &[Port]) -> Vec<Shapes> {
    let mut guesses = Vec::new();
    for size in SIZES_TRIED {
        for (first, middle) in [(1, size), (size, size), (1, 1)] {
            let shape = |port: &Port| {
                let rank = port.shape.len();
                let guess = |(place, known): (usize, &Dimension)| {
                    known.unwrap_or(match place {
                        0 if rank > 1 => first,
                        place if place + 1 < rank => middle,
                        _ => size,
                    })
                };
                port.shape.iter().enumerate().map(guess).collect()
            };
            let shapes: Shapes = inputs.iter().map(shape).collect();
            if !guesses.contains(&shapes) {
                guesses.push(shapes);
            }
        }
    }
    guesses
}

/// Prepares a graph to run.
fn ready(model: InferenceModel) -> Result<Runnable, String> {
    guarded(|| model.into_optimized()?.into_runnable()).map(Runnable::new)
}

/// The graph with these input shapes.
fn fixed(model: &InferenceModel, shapes: &Shapes) -> Result<InferenceModel, String> {
    guarded(|| {
        let mut model = model.clone();
        for (place, shape) in shapes.iter().enumerate() {
            let datum_type = model.input_fact(place)?.datum_type.concretize();
            let shape: TVec<usize> = shape
                .iter()
                .map(|&size| usize::try_from(size).unwrap_or(usize::MAX))
                .collect();
            let fact = InferenceFact::shape(&*shape);
            let fact =
                datum_type.map_or(fact.clone(), |datum_type| fact.with_datum_type(datum_type));
            model.set_input_fact(place, fact)?;
        }
        Ok(model)
    })
}

/// The graph's shape of an output.
fn shape(model: &TypedModel, place: usize) -> Option<Vec<Dimension>> {
    let fact = model.output_fact(place).ok()?;
    Some(
        fact.shape
            .iter()
            .map(|size| size.to_i64().ok().and_then(|size| u64::try_from(size).ok()))
            .collect(),
    )
}

thread_local! {
    /// Whether a panic of this thread is caught and reported as an error.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs work that may panic on an untested graph: the graph is refused, or has no answer, and
/// nothing else is affected. Nothing is printed: a client could fill the log with it.
fn guarded<T>(work: impl FnOnce() -> TractResult<T>) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let others = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |about| {
            if !GUARDED.get() {
                others(about);
            }
        }));
    });
    GUARDED.set(true);
    let outcome = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(false);
    match outcome {
        Ok(result) => result.map_err(|error| why(&error)),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("without a reason");
            Err(format!("tract gave up: {}", plain(text)))
        }
    }
}

/// Every reason of the chain: the last names the operator, or the dimension.
fn why(error: &TractError) -> String {
    let reasons: Vec<String> = error
        .chain()
        .map(|reason| plain(&reason.to_string()))
        .collect();
    reasons.join(": ")
}
