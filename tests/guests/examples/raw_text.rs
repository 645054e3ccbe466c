//! A preprocessor that takes bodies of `text/plain` and `image/*`: each byte becomes an element of
//! `x` FP32 `[-1]`. Tensors pass through.

use hotstage_sdk::{
    Datatype, Failure, Files, Inputs, NoSettings, OpenError, Outputs, Preprocessor, Signature, any,
};

struct Guest;

impl Preprocessor for Guest {
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

    fn accepts(&self) -> &[&str] {
        &["text/plain", "image/*"]
    }

    fn preprocess(&mut self, inputs: &mut Inputs, outputs: &mut Outputs) -> Result<(), Failure> {
        let tensor = inputs.take("x")?;
        outputs.put("x", tensor)
    }

    fn raw(
        &mut self,
        _content_type: &str,
        body: &[u8],
        outputs: &mut Outputs,
    ) -> Result<(), Failure> {
        let elements = outputs.make_slice::<f32>("x", &[body.len()])?;
        elements
            .iter_mut()
            .zip(body)
            .for_each(|(element, byte)| *element = f32::from(*byte));
        Ok(())
    }
}

hotstage_sdk::export!(preprocessor: Guest, name: env!("CARGO_CRATE_NAME"));
