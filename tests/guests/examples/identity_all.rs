//! A preprocessor with one input and one output for each datatype: `bool`, `uint8`, …, `bytes`,
//! shape `[-1]`. It passes all through.

use hotstage_sdk::Datatype::{
    self, Bf16, Bool, Bytes, Fp16, Fp32, Fp64, Int8, Int16, Int32, Int64, Uint8, Uint16, Uint32,
    Uint64,
};
use hotstage_sdk::{
    Failure, Files, Inputs, NoSettings, OpenError, Outputs, Preprocessor, Signature, any,
};

const ALL: [Datatype; 14] = [
    Bool, Uint8, Uint16, Uint32, Uint64, Int8, Int16, Int32, Int64, Fp16, Bf16, Fp32, Fp64, Bytes,
];

struct Guest;

impl Preprocessor for Guest {
    type Settings = NoSettings;
    const SUMMARY: &'static str = "A guest for tests.";

    fn open(_settings: NoSettings, _files: &Files) -> Result<(Self, Signature), OpenError> {
        let signature = ALL
            .into_iter()
            .fold(Signature::new(), |signature, datatype| {
                let name = datatype.name().to_lowercase();
                signature
                    .input(&name, datatype, [any()])
                    .output(name, datatype, [any()])
            });
        Ok((Self, signature))
    }

    fn preprocess(&mut self, inputs: &mut Inputs, outputs: &mut Outputs) -> Result<(), Failure> {
        for datatype in ALL {
            let name = datatype.name().to_lowercase();
            outputs.put(&name, inputs.take(&name)?)?;
        }
        Ok(())
    }
}

hotstage_sdk::export!(preprocessor: Guest, name: env!("CARGO_CRATE_NAME"));
