//! Code that the test guests share.
//!
//! A guest is a stage with one deliberate fault, or one behaviour that a test observes. An input
//! with `x[0]` equal to 13 triggers it. Otherwise the guest echoes, so that a test can show that an
//! instance recovers. Most guests use the SDK; those with faults that the SDK would catch use
//! [`raw`].

pub mod raw;

use hotstage_sdk::{Datatype, Failure, Inputs, Outputs, Signature, any};

/// The value of `x[0]` that triggers a guest's fault.
pub const TOLD: f32 = 13.0;

/// `x` FP32 `[-1]` in, `y` FP32 `[-1]` out.
pub fn signature() -> Signature {
    Signature::new()
        .input("x", Datatype::Fp32, [any()])
        .output("y", Datatype::Fp32, [any()])
}

/// `x[0]`, or 0 when `x` is empty.
pub fn first(inputs: &Inputs) -> Result<f32, Failure> {
    Ok(inputs
        .slice::<f32>("x")?
        .first()
        .copied()
        .unwrap_or_default())
}

/// Whether the call triggers the fault.
pub fn is_told(inputs: &Inputs) -> Result<bool, Failure> {
    Ok(first(inputs)? == TOLD)
}

/// `y = x`.
pub fn echo(inputs: &mut Inputs, outputs: &mut Outputs) -> Result<(), Failure> {
    let tensor = inputs.take("x")?;
    outputs.put("y", tensor)
}

/// A model that runs `$misbehave`, a `fn() -> Result<(), Failure>`, when `x[0]` is 13, and then
/// echoes.
#[macro_export]
macro_rules! on_13 {
    ($misbehave:expr) => {
        $crate::model!(|inputs, outputs| {
            if $crate::is_told(inputs)? {
                let misbehave: fn() -> Result<(), ::hotstage_sdk::Failure> = $misbehave;
                misbehave()?;
            }
            $crate::echo(inputs, outputs)
        });
    };
}

/// A model that runs `$misbehave`, a `fn() -> Result<(), OpenError>`, when it is opened.
#[macro_export]
macro_rules! in_open {
    ($misbehave:expr) => {
        $crate::model!(open: $misbehave, |inputs, outputs| $crate::echo(inputs, outputs));
    };
}

/// A model that returns the floats of `$answer`, a `fn() -> Vec<f32>`, from every call.
#[macro_export]
macro_rules! answers {
    ($answer:expr) => {
        $crate::model!(|_inputs, outputs| {
            let answer: fn() -> Vec<f32> = $answer;
            let floats = answer();
            outputs.put_slice("y", &[floats.len()], &floats)
        });
    };
}

/// A model with the default signature, named like its file.
#[macro_export]
macro_rules! model {
    (|$inputs:ident, $outputs:ident| $call:expr) => {
        $crate::model!(open: || Ok(()), |$inputs, $outputs| $call);
    };
    (open: $open:expr, |$inputs:ident, $outputs:ident| $call:expr) => {
        struct Guest;

        impl ::hotstage_sdk::Model for Guest {
            type Settings = ::hotstage_sdk::NoSettings;
            const SUMMARY: &'static str = "A guest for tests.";

            fn open(
                _settings: Self::Settings,
                _files: &::hotstage_sdk::Files,
            ) -> Result<(Self, ::hotstage_sdk::Signature), ::hotstage_sdk::OpenError> {
                let open: fn() -> Result<(), ::hotstage_sdk::OpenError> = $open;
                open()?;
                Ok((Self, $crate::signature()))
            }

            fn infer(
                &mut self,
                $inputs: &mut ::hotstage_sdk::Inputs,
                $outputs: &mut ::hotstage_sdk::Outputs,
            ) -> Result<(), ::hotstage_sdk::Failure> {
                $call
            }
        }

        ::hotstage_sdk::export!(model: Guest, name: env!("CARGO_CRATE_NAME"));
    };
}
