//! A model right behind the wall, for guests that say what the SDK would not let them say.

use std::sync::atomic::{AtomicBool, Ordering};

pub use bindings::exports::hotstage::serving::infer::Guest;
pub use bindings::hotstage::serving::stages::{Description, Failure, OpenError, Port, Signature};
pub use bindings::hotstage::serving::tensors::{Buffer, Datatype, Payload, Tensor};

/// What `wit-bindgen` makes of the wall.
#[expect(missing_docs, reason = "generated")]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "model",
        pub_export_macro: true,
        export_macro_name: "export_raw",
        type_section_suffix: "-raw",
    });
}

/// A model whose every answer may be a lie. What a guest leaves out is honest: `x` FP32 `[-1]` in,
/// `y` FP32 `[-1]` out, and `y = x`.
pub trait Raw {
    /// Runs when the component is described.
    fn describe() {}

    /// What the model says that it takes and answers.
    fn open() -> Signature {
        Signature {
            inputs: vec![port("x", Datatype::Fp32)],
            outputs: vec![port("y", Datatype::Fp32)],
        }
    }

    /// What the model answers when it is told to misbehave, with the number that told it.
    fn misbehave(x: f32) -> Result<Vec<Tensor>, Failure>;

    /// What it answers otherwise.
    fn behave(x: Vec<Tensor>) -> Vec<Tensor> {
        x
    }

    /// Whether a number tells it to.
    fn is_told(x: f32) -> bool {
        (crate::TOLD..=crate::TOLD + 1.0).contains(&x)
    }
}

/// A port of one dimension of any size.
pub fn port(name: &str, datatype: Datatype) -> Port {
    Port {
        name: name.to_owned(),
        datatype,
        shape: vec![None],
    }
}

/// An inline tensor, whatever that means.
pub const fn tensor(datatype: Datatype, shape: Vec<u64>, data: Vec<u8>) -> Tensor {
    Tensor {
        datatype,
        shape,
        data: Payload::Inline(data),
    }
}

/// An honest `y`.
pub fn floats(floats: &[f32]) -> Tensor {
    let data = floats
        .iter()
        .flat_map(|float| float.to_le_bytes())
        .collect();
    tensor(Datatype::Fp32, vec![floats.len() as u64], data)
}

/// Whether this instance was described before it was opened.
pub static DESCRIBED: AtomicBool = AtomicBool::new(false);

/// Runs `describe` and says the rest.
pub fn describe<R: Raw>(name: &str) -> Description {
    DESCRIBED.store(true, Ordering::Relaxed);
    R::describe();
    Description {
        name: name.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        summary: "A guest for tests.".to_owned(),
        settings_schema: r#"{"type":"object"}"#.to_owned(),
    }
}

/// Answers one call.
pub fn infer<R: Raw>(inputs: Vec<Tensor>) -> Result<Vec<Tensor>, Failure> {
    let first = match inputs.first().map(|tensor| &tensor.data) {
        Some(Payload::Inline(bytes)) => bytes.first_chunk().map(|bytes| f32::from_le_bytes(*bytes)),
        _ => None,
    };
    match first {
        Some(x) if R::is_told(x) => R::misbehave(x),
        _ => Ok(R::behave(inputs)),
    }
}

/// Makes a component of a [`Raw`] model, named like its file.
#[macro_export]
macro_rules! export_raw {
    ($guest:ident) => {
        const _: () = {
            use $crate::raw::{Raw, bindings};

            struct Component;

            impl $crate::raw::Guest for Component {
                fn describe() -> $crate::raw::Description {
                    $crate::raw::describe::<$guest>(env!("CARGO_CRATE_NAME"))
                }

                fn open(
                    _settings: String,
                ) -> Result<$crate::raw::Signature, $crate::raw::OpenError> {
                    Ok($guest::open())
                }

                fn infer(
                    inputs: Vec<$crate::raw::Tensor>,
                ) -> Result<Vec<$crate::raw::Tensor>, $crate::raw::Failure> {
                    $crate::raw::infer::<$guest>(inputs)
                }
            }

    bindings::export_raw!(Component with_types_in bindings);
        };
    };
}
