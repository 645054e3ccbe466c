//! Converts between the ABI's generated types and the SDK's types; [`export!`](crate::export) calls
//! these functions.
//!
//! A call moves tensors and copies no bytes. The instance's buffers are reused, so a call allocates
//! only what the ABI hands over and what the author creates.

use std::cell::RefCell;

use schemars::JsonSchema;

use crate::datatype::Datatype;
use crate::error::{Failure, OpenError};
use crate::files::Files;
use crate::inputs::Inputs;
use crate::instance::Instance;
use crate::outputs::Outputs;
use crate::signature::{Port, Signature};
use crate::stage::{Model, Postprocessor, Preprocessor};
use crate::tensor::Tensor;
use crate::wall::bindings::model::hotstage::serving::{stages, tensors};
use crate::wall::bindings::preprocessor::exports::hotstage::serving::preprocess as wall;

pub use crate::wall::bindings::preprocessor::exports::hotstage::serving::preprocess::{
    Opened, Payload as Request,
};
pub use stages::{
    Description, Failure as WallFailure, OpenError as WallOpenError, Signature as WallSignature,
};
pub use tensors::Tensor as WallTensor;

/// The one opened stage of a component instance.
#[derive(Debug)]
pub struct Slot<S>(RefCell<Option<Instance<S>>>);

impl<S> Slot<S> {
    /// Nothing is open yet.
    #[expect(
        clippy::new_without_default,
        reason = "only `export!` makes one, in a constant"
    )]
    pub const fn new() -> Self {
        Self(RefCell::new(None))
    }

    /// Runs a call on the opened stage. Calls never overlap, so the borrow never fails.
    fn call(
        &self,
        inputs: Vec<WallTensor>,
        run: impl FnOnce(&mut S, &mut Inputs, &mut Outputs) -> Result<(), Failure>,
    ) -> Result<Vec<WallTensor>, WallFailure> {
        match self.0.borrow_mut().as_mut() {
            Some(instance) => instance
                .call(inputs.into_iter().map(from_wall), run, into_wall)
                .map_err(failure),
            None => Err(WallFailure::Internal("called before `open`".to_owned())),
        }
    }

    fn fill(&self, instance: Instance<S>, signature: Signature) -> WallSignature {
        *self.0.borrow_mut() = Some(instance);
        WallSignature {
            inputs: ports(signature.inputs),
            outputs: ports(signature.outputs),
        }
    }
}

/// The component's description of itself.
pub fn describe<S: JsonSchema>(name: &str, version: &str, summary: &str) -> Description {
    Description {
        name: name
            .strip_prefix("hotstage-plugin-")
            .unwrap_or(name)
            .to_owned(),
        version: version.to_owned(),
        summary: summary.to_owned(),
        settings_schema: crate::settings::schema::<S>(),
    }
}

pub fn open_preprocessor<S: Preprocessor>(
    slot: &Slot<S>,
    settings: &str,
) -> Result<Opened, WallOpenError> {
    let (instance, signature) =
        Instance::open(settings, &Files::of_host(), S::open).map_err(refusal)?;
    let accepts = instance
        .stage
        .accepts()
        .iter()
        .map(|&accepted| accepted.to_owned())
        .collect();
    Ok(Opened {
        signature: slot.fill(instance, signature),
        accepts,
    })
}

pub fn open_model<S: Model>(
    slot: &Slot<S>,
    settings: &str,
) -> Result<WallSignature, WallOpenError> {
    let (instance, signature) =
        Instance::open(settings, &Files::of_host(), S::open).map_err(refusal)?;
    Ok(slot.fill(instance, signature))
}

pub fn open_postprocessor<S: Postprocessor>(
    slot: &Slot<S>,
    settings: &str,
) -> Result<WallSignature, WallOpenError> {
    let (instance, signature) =
        Instance::open(settings, &Files::of_host(), S::open).map_err(refusal)?;
    Ok(slot.fill(instance, signature))
}

pub fn preprocess<S: Preprocessor>(
    slot: &Slot<S>,
    request: Request,
) -> Result<Vec<WallTensor>, WallFailure> {
    match request {
        wall::Payload::Tensors(inputs) => slot.call(inputs, S::preprocess),
        wall::Payload::Raw(wall::Body {
            content_type,
            content,
        }) => {
            let body = from_wall(content);
            slot.call(Vec::new(), |stage, _, outputs| {
                stage.raw(&content_type, body.as_bytes(), outputs)
            })
        }
    }
}

pub fn infer<S: Model>(
    slot: &Slot<S>,
    inputs: Vec<WallTensor>,
) -> Result<Vec<WallTensor>, WallFailure> {
    slot.call(inputs, S::infer)
}

pub fn postprocess<S: Postprocessor>(
    slot: &Slot<S>,
    inputs: Vec<WallTensor>,
) -> Result<Vec<WallTensor>, WallFailure> {
    slot.call(inputs, S::postprocess)
}

pub(crate) fn from_wall(tensor: WallTensor) -> Tensor {
    let datatype = datatype_from_wall(tensor.datatype);
    match tensor.data {
        tensors::Payload::Inline(bytes) => Tensor::from_parts(datatype, tensor.shape, bytes),
        tensors::Payload::Held(buffer) => Tensor::from_held(datatype, tensor.shape, buffer),
    }
}

pub(crate) fn into_wall(tensor: Tensor) -> WallTensor {
    let (datatype, shape, data) = tensor.into_parts();
    let data = match data {
        Ok(bytes) => tensors::Payload::Inline(bytes),
        Err(buffer) => tensors::Payload::Held(buffer),
    };
    WallTensor {
        datatype: datatype_into_wall(datatype),
        shape,
        data,
    }
}

fn ports(ports: Vec<Port>) -> Vec<stages::Port> {
    let port = |port: Port| stages::Port {
        name: port.name,
        datatype: datatype_into_wall(port.datatype),
        shape: port.shape,
    };
    ports.into_iter().map(port).collect()
}

pub(crate) fn signature_from_wall(signature: WallSignature) -> Signature {
    let port = |port: stages::Port| Port {
        name: port.name,
        datatype: datatype_from_wall(port.datatype),
        shape: port.shape,
    };
    let ports = |ports: Vec<stages::Port>| ports.into_iter().map(port).collect();
    Signature {
        inputs: ports(signature.inputs),
        outputs: ports(signature.outputs),
    }
}

#[cold]
fn failure(failure: Failure) -> WallFailure {
    match failure {
        Failure::InvalidInput(text) => WallFailure::InvalidInput(text),
        Failure::Unavailable(text) => WallFailure::Unavailable(text),
        Failure::Internal(text) => WallFailure::Internal(text),
    }
}

#[cold]
fn refusal(error: OpenError) -> WallOpenError {
    match error {
        OpenError::Settings(text) => WallOpenError::Settings(text),
        OpenError::File(text) => WallOpenError::File(text),
        OpenError::Internal(text) => WallOpenError::Internal(text),
    }
}

macro_rules! same_datatypes {
    ($($ours:ident = $walls:ident),* $(,)?) => {
        const fn datatype_from_wall(datatype: tensors::Datatype) -> Datatype {
            match datatype {
                $(tensors::Datatype::$walls => Datatype::$ours,)*
            }
        }

        const fn datatype_into_wall(datatype: Datatype) -> tensors::Datatype {
            match datatype {
                $(Datatype::$ours => tensors::Datatype::$walls,)*
            }
        }
    };
}

same_datatypes! {
    Bool = Boolean, Uint8 = Uint8, Uint16 = Uint16, Uint32 = Uint32, Uint64 = Uint64,
    Int8 = Int8, Int16 = Int16, Int32 = Int32, Int64 = Int64,
    Fp16 = Fp16, Bf16 = Bf16, Fp32 = Fp32, Fp64 = Fp64, Bytes = Bytes,
}
