//! A postprocessor that panics when `x[0]` is 13.

#![expect(clippy::panic, reason = "this guest traps on purpose")]

use hotstage_sdk::{
    Datatype, Failure, Files, Inputs, NoSettings, OpenError, Outputs, Postprocessor, Signature, any,
};

struct Guest;

impl Postprocessor for Guest {
    type Settings = NoSettings;
    const SUMMARY: &'static str = "A guest for tests.";

    fn open(_settings: NoSettings, _files: &Files) -> Result<(Self, Signature), OpenError> {
        Ok((
            Self,
            Signature::new().input("x", Datatype::Fp32, [any()]).output(
                "x",
                Datatype::Fp32,
                [any()],
            ),
        ))
    }

    fn postprocess(&mut self, inputs: &mut Inputs, outputs: &mut Outputs) -> Result<(), Failure> {
        if hotstage_guests::is_told(inputs)? {
            panic!("on purpose, after the model");
        }
        let tensor = inputs.take("x")?;
        outputs.put("x", tensor)
    }
}

hotstage_sdk::export!(postprocessor: Guest, name: env!("CARGO_CRATE_NAME"));
