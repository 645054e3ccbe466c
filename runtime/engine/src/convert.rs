//! The ABI: tensors of the host ↔ tensors of the WIT.
//!
//! Small tensors cross by value, large ones as a handle (`INLINE_BYTES_MAX`). Answers of guests are
//! untrusted: count, datatype, shape and length are checked here, before another stage or a client
//! gets them.

use hotstage_core::datatype::Datatype;
use hotstage_core::limits::{INLINE_BYTES_MAX, StageLimits};
use hotstage_core::signature::{Port, Signature};
use hotstage_core::tensor::{Shape, Tensor};

use crate::bindings::{stages, tensors};
use crate::host::Guest;
use crate::trap::{CallError, output_message};

/// The tensors of a call, in signature order.
pub type Tensors = Vec<Tensor>;

/// Passes tensors to a guest.
pub(crate) fn lower(guest: &mut Guest, inputs: Tensors) -> wasmtime::Result<Vec<tensors::Tensor>> {
    inputs
        .into_iter()
        .map(|tensor| lower_one(guest, tensor))
        .collect()
}

pub(crate) fn lower_one(guest: &mut Guest, tensor: Tensor) -> wasmtime::Result<tensors::Tensor> {
    let (datatype, shape, data) = tensor.into_parts();
    let data = if data.len() <= INLINE_BYTES_MAX {
        guest.copied += data.len() as u64;
        // No further copy here when the bytes are not shared.
        tensors::Payload::Inline(data.into())
    } else {
        tensors::Payload::Held(guest.hold(data)?)
    };
    Ok(tensors::Tensor {
        datatype: datatype.into(),
        shape: shape.into_vec(),
        data,
    })
}

/// Checks a guest's answer against its signature.
pub(crate) fn lift(
    guest: &mut Guest,
    ports: &[Port],
    answer: Vec<tensors::Tensor>,
    limits: &StageLimits,
) -> Result<Tensors, CallError> {
    if answer.len() != ports.len() {
        let message = format!(
            "answered {} tensors where its signature has {}",
            answer.len(),
            ports.len()
        );
        return Err(CallError::signature(message));
    }
    ports
        .iter()
        .zip(answer)
        .map(|(port, tensor)| lift_one(guest, port, tensor, limits))
        .collect()
}

fn lift_one(
    guest: &mut Guest,
    port: &Port,
    tensor: tensors::Tensor,
    limits: &StageLimits,
) -> Result<Tensor, CallError> {
    let wrong = |what: &dyn std::fmt::Display| {
        CallError::signature(format!("answered a wrong `{}`: {what}", port.name))
    };
    let datatype = tensor.datatype.into();
    port.accepts_parts(datatype, &tensor.shape)
        .map_err(|misfit| wrong(&misfit))?;
    let data = match tensor.data {
        tensors::Payload::Inline(bytes) => {
            let size = bytes.len() as u64;
            guest.copied += size;
            guest.output.take(size).map_err(|_| {
                CallError::new(
                    hotstage_core::failure::Kind::StageOutput,
                    output_message(limits),
                )
            })?;
            bytes.into()
        }
        tensors::Payload::Held(buffer) => guest
            .release(buffer)
            .map_err(|_| wrong(&"its buffer is not there"))?,
    };
    Tensor::new(datatype, Shape::from_vec(tensor.shape), data).map_err(|error| wrong(&error))
}

/// Converts and checks a guest's signature.
pub(crate) fn signature(signature: stages::Signature) -> Result<Signature, String> {
    let ports = |ports: Vec<stages::Port>| -> Vec<Port> {
        let port = |port: stages::Port| Port {
            name: port.name,
            datatype: port.datatype.into(),
            shape: port.shape,
        };
        ports.into_iter().map(port).collect()
    };
    let signature = Signature {
        inputs: ports(signature.inputs),
        outputs: ports(signature.outputs),
    };
    signature.check()?;
    Ok(signature)
}

impl From<&Signature> for stages::Signature {
    fn from(signature: &Signature) -> Self {
        let port = |port: &Port| stages::Port {
            name: port.name.clone(),
            datatype: port.datatype.into(),
            shape: port.shape.clone(),
        };
        let ports = |ports: &[Port]| ports.iter().map(port).collect();
        Self {
            inputs: ports(&signature.inputs),
            outputs: ports(&signature.outputs),
        }
    }
}

macro_rules! datatypes {
    ($($wit:ident = $core:ident,)*) => {
        impl From<tensors::Datatype> for Datatype {
            fn from(datatype: tensors::Datatype) -> Self {
                match datatype {
                    $(tensors::Datatype::$wit => Self::$core,)*
                }
            }
        }

        impl From<Datatype> for tensors::Datatype {
            fn from(datatype: Datatype) -> Self {
                match datatype {
                    $(Datatype::$core => Self::$wit,)*
                }
            }
        }
    };
}

datatypes! {
    Boolean = Bool,
    Uint8 = Uint8,
    Uint16 = Uint16,
    Uint32 = Uint32,
    Uint64 = Uint64,
    Int8 = Int8,
    Int16 = Int16,
    Int32 = Int32,
    Int64 = Int64,
    Fp16 = Fp16,
    Bf16 = Bf16,
    Fp32 = Fp32,
    Fp64 = Fp64,
    Bytes = Bytes,
}
