//! A postprocessor that returns `out` BYTES `[1]`, a JSON text with `x[0]` in it. It observes a
//! metric `seen` in `open` and in each call, and opens its file `words` if it is given.

use hotstage_sdk::{
    Datatype, Failure, Files, Inputs, NoSettings, OpenError, Outputs, Postprocessor, Signature,
    Tensor, any, metrics,
};

struct Guest;

impl Postprocessor for Guest {
    type Settings = NoSettings;
    const SUMMARY: &'static str = "A guest for tests.";

    fn open(_settings: Self::Settings, files: &Files) -> Result<(Self, Signature), OpenError> {
        metrics::observe("seen", 1000.0);
        let _ = files.read("words");
        Ok((
            Self,
            Signature::new().input("x", Datatype::Fp32, [any()]).output(
                "out",
                Datatype::Bytes,
                [any()],
            ),
        ))
    }

    fn postprocess(&mut self, inputs: &mut Inputs, outputs: &mut Outputs) -> Result<(), Failure> {
        let first = hotstage_guests::first(inputs)?;
        metrics::observe("seen", 1.0);
        let text = format!("{{\"label\": \"one\", \"boxes\": [{{\"score\": {first}}}]}}");
        outputs.put("out", Tensor::bytes(&[1], [text.as_bytes()])?)
    }
}

hotstage_sdk::export!(postprocessor: Guest, name: env!("CARGO_CRATE_NAME"));
