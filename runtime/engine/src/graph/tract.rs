//! A graph on tract: pure Rust, one thread, part of the program.
//!
//! A graph is made ready once where its shapes are fixed or can stay symbols. Where an operator needs to know them, it
//! is made ready for each set of input shapes anew, and the last [`PLANS_MAX`] are kept: the first request of a new
//! shape then pays for it. A computation is not stopped in the middle; its call still ends with its time.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, Once};
use std::time::Instant;

use hotstage_core::datatype::Datatype;
use hotstage_core::signature::{Dimension, Port, Signature};
use hotstage_core::tensor::{Shape, Tensor};
use tract_onnx::prelude::{
    DatumType, Framework as _, InferenceModel, InferenceModelExt as _, IntoRunnable as _, TValue, TVec,
    Tensor as TractTensor, TractError, TractResult, TypedModel, TypedRunnableModel,
};
use tract_onnx::tract_hir::infer::{Factoid as _, InferenceFact};

use super::declared::Declared;
use super::errors::{ComputeError, plain};
use super::{GraphError, Network, Options, locked};

/// The version of tract that is built in.
pub const VERSION: &str = "0.23";
/// The newest version of ONNX's standard operators when this was written. What a newer one means, nobody knows here.
const OPSET_MAX: i64 = 28;
/// Plans that are kept of a graph that needs one for each set of input shapes.
const PLANS_MAX: usize = 16;

type Runnable = Arc<TypedRunnableModel>;
type Shapes = Vec<Vec<u64>>;

pub(super) struct Plan {
    signature: Signature,
    ready: Ready,
}

enum Ready {
    /// For all shapes.
    Once(Runnable),
    /// For these shapes; the latest last.
    PerShape { model: Box<InferenceModel>, plans: Mutex<Vec<(Shapes, Runnable)>> },
}

impl Plan {
    pub(super) fn open(declared: Declared, options: &Options) -> Result<Self, GraphError> {
        let refused = |reason: String| GraphError::Refused(format!("tract {VERSION} can't compute it: {reason}"));
        let Declared { mut model, ports } = declared;
        let wanted = ports.wanted(&options.outputs)?;
        let standard = model.opset_import.iter().find(|opset| matches!(opset.domain.as_str(), "" | "ai.onnx"));
        if let Some(opset) = standard.filter(|opset| opset.version > OPSET_MAX) {
            let newer = format!("it uses opset {}, and the newest that is known here is {OPSET_MAX}", opset.version);
            return Err(refused(newer));
        }
        let strings = ports.inputs.iter().find(|port| matches!(port.datatype, Datatype::Bytes | Datatype::Bf16));
        if let Some(Port { name, datatype, .. }) = strings {
            return Err(refused(format!("input `{name}` is {datatype}, which tract has no tensors of")));
        }
        let names = wanted.iter().filter_map(|&place| ports.outputs.get(place)).map(|(name, _)| name.as_str());
        if let Some(operator) = model.graph.as_ref().and_then(|graph| hotstage_misread::first(graph, names)) {
            return Err(refused(format!("it would compute {operator} wrongly; take ONNX Runtime")));
        }
        model.graph.iter_mut().for_each(hotstage_misread::tell_apart);
        let parsed = guarded(|| {
            let mut parsed = tract_onnx::onnx().model_for_proto_model(&model)?;
            // What nobody wants is not computed.
            let outlets: Vec<_> = wanted.iter().filter_map(|&place| parsed.outputs.get(place).copied()).collect();
            parsed.select_output_outlets(&outlets)?;
            Ok(parsed)
        });
        let parsed = parsed.map_err(&refused)?;
        drop(model);
        let is_fixed = ports.inputs.iter().all(|port| port.shape.iter().all(Option::is_some));
        let ready = match ready(parsed.clone()) {
            Ok(runnable) => Ready::Once(runnable),
            // An operator that nobody has does not become known with the shapes.
            Err(reason) if is_fixed || reason.contains("nimplemented") => return Err(refused(reason)),
            Err(_) => Ready::PerShape { model: Box::new(parsed), plans: Mutex::default() },
        };
        let seen = |place: usize| match &ready {
            Ready::Once(runnable) => shape(runnable.model(), wanted.iter().position(|&wanted| wanted == place)?),
            Ready::PerShape { .. } => None,
        };
        let (signature, _) = ports.signature(&options.outputs, seen)?;
        Ok(Self { signature, ready })
    }

    fn runnable(&self, inputs: &[Tensor]) -> Result<Runnable, ComputeError> {
        let (model, plans) = match &self.ready {
            Ready::Once(runnable) => return Ok(Arc::clone(runnable)),
            Ready::PerShape { model, plans } => (model, plans),
        };
        let shapes: Shapes = inputs.iter().map(|tensor| tensor.shape().to_vec()).collect();
        let mut plans = locked(plans);
        let found = plans.iter().position(|(known, _)| *known == shapes).map(|place| plans.remove(place).1);
        let runnable = match found {
            Some(runnable) => runnable,
            None => {
                let fixed = fixed(model, &shapes).and_then(ready);
                fixed
                    .map_err(|reason| ComputeError::InvalidInput(format!("the graph has no answer to it: {reason}")))?
            }
        };
        if plans.len() == PLANS_MAX {
            plans.remove(0);
        }
        plans.push((shapes, Arc::clone(&runnable)));
        Ok(runnable)
    }
}

impl Network for Plan {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn compute(&self, inputs: &[Tensor], _: Instant) -> Result<Vec<Tensor>, ComputeError> {
        let runnable = self.runnable(inputs)?;
        let values: TVec<TValue> = inputs
            .iter()
            .map(|tensor| lower(tensor).map(TValue::from))
            .collect::<TractResult<_>>()
            .map_err(|error| ComputeError::Failed(why(&error)))?;
        let outputs = guarded(|| runnable.run(values))
            .map_err(|reason| ComputeError::InvalidInput(format!("the graph has no answer to it: {reason}")))?;
        let lift = |(port, output): (&Port, &TValue)| {
            lift(output, port.datatype)
                .map_err(|reason| ComputeError::Failed(format!("output `{}`: {reason}", port.name)))
        };
        self.signature.outputs.iter().zip(&outputs).map(lift).collect()
    }
}

/// Makes a graph ready to run.
fn ready(model: InferenceModel) -> Result<Runnable, String> {
    guarded(|| model.into_optimized()?.into_runnable())
}

/// The graph with these input shapes.
fn fixed(model: &InferenceModel, shapes: &Shapes) -> Result<InferenceModel, String> {
    guarded(|| {
        let mut model = model.clone();
        for (place, shape) in shapes.iter().enumerate() {
            let datum_type = model.input_fact(place)?.datum_type.concretize();
            let shape: TVec<usize> = shape.iter().map(|&size| usize::try_from(size).unwrap_or(usize::MAX)).collect();
            let fact = InferenceFact::shape(&*shape);
            let fact = datum_type.map_or(fact.clone(), |datum_type| fact.with_datum_type(datum_type));
            model.set_input_fact(place, fact)?;
        }
        Ok(model)
    })
}

/// What the graph says of an output's shape.
fn shape(model: &TypedModel, place: usize) -> Option<Vec<Dimension>> {
    let fact = model.output_fact(place).ok()?;
    Some(fact.shape.iter().map(|size| size.to_i64().ok().and_then(|size| u64::try_from(size).ok())).collect())
}

thread_local! {
    /// Whether a panic of this thread is caught and told in another way.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs what may panic on a graph that nobody has tried before: the graph is refused, or has no answer, and nobody else
/// is hurt. Nothing is printed: a client could fill the log with it.
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
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a reason");
            Err(format!("tract gave up: {}", plain(text)))
        }
    }
}

/// Every reason of the chain: the last names the operator, or the dimension.
fn why(error: &TractError) -> String {
    let reasons: Vec<String> = error.chain().map(|reason| plain(&reason.to_string())).collect();
    reasons.join(": ")
}

fn lower(tensor: &Tensor) -> TractResult<TractTensor> {
    fn of<T: tract_onnx::prelude::Datum + Copy + bytemuck::CheckedBitPattern>(
        tensor: &Tensor,
    ) -> TractResult<TractTensor> {
        let shape: TVec<usize> =
            tensor.shape().iter().map(|&size| usize::try_from(size).unwrap_or(usize::MAX)).collect();
        if let Ok(elements) = bytemuck::checked::try_cast_slice::<u8, T>(tensor.data()) {
            return TractTensor::from_shape(&shape, elements);
        }
        // It lies across its elements' borders, as bytes in the middle of a body may.
        let read = |bytes| bytemuck::checked::try_pod_read_unaligned::<T>(bytes);
        let elements: Result<Vec<T>, _> = tensor.data().chunks_exact(size_of::<T>()).map(read).collect();
        TractTensor::from_shape(&shape, &elements.map_err(|error| TractError::msg(error.to_string()))?)
    }
    match tensor.datatype() {
        Datatype::Bool => of::<bool>(tensor),
        Datatype::Uint8 => of::<u8>(tensor),
        Datatype::Uint16 => of::<u16>(tensor),
        Datatype::Uint32 => of::<u32>(tensor),
        Datatype::Uint64 => of::<u64>(tensor),
        Datatype::Int8 => of::<i8>(tensor),
        Datatype::Int16 => of::<i16>(tensor),
        Datatype::Int32 => of::<i32>(tensor),
        Datatype::Int64 => of::<i64>(tensor),
        Datatype::Fp16 => of::<half::f16>(tensor),
        Datatype::Fp32 => of::<f32>(tensor),
        Datatype::Fp64 => of::<f64>(tensor),
        // Refused when the graph was opened.
        Datatype::Bf16 | Datatype::Bytes => Err(TractError::msg("no tensors of this datatype")),
    }
}

/// What tract answered, as the datatype that the graph declares.
fn lift(output: &TractTensor, datatype: Datatype) -> Result<Tensor, String> {
    let wanted = datum_type(datatype).ok_or_else(|| format!("is {datatype}, which tract has no tensors of"))?;
    // Sizes of shapes are a type of their own there.
    let output = output.cast_to_dt(wanted).map_err(|error| why(&error))?;
    let shape: Shape = output.shape().iter().map(|&size| size as u64).collect();
    let plain = output.try_as_plain_ram().map_err(|error| why(&error))?;
    Tensor::new(datatype, shape, bytes::Bytes::copy_from_slice(plain.as_bytes())).map_err(|error| error.to_string())
}

const fn datum_type(datatype: Datatype) -> Option<DatumType> {
    Some(match datatype {
        Datatype::Bool => DatumType::Bool,
        Datatype::Uint8 => DatumType::U8,
        Datatype::Uint16 => DatumType::U16,
        Datatype::Uint32 => DatumType::U32,
        Datatype::Uint64 => DatumType::U64,
        Datatype::Int8 => DatumType::I8,
        Datatype::Int16 => DatumType::I16,
        Datatype::Int32 => DatumType::I32,
        Datatype::Int64 => DatumType::I64,
        Datatype::Fp16 => DatumType::F16,
        Datatype::Fp32 => DatumType::F32,
        Datatype::Fp64 => DatumType::F64,
        Datatype::Bf16 | Datatype::Bytes => return None,
    })
}
