//! The error messages that plugin authors get from the test bench.

use serde_json::json;

use super::{Answer, open_model, open_preprocessor};
use crate::{
    Datatype, Failure, Files, Inputs, Model, NoSettings, OpenError, Outputs, Preprocessor,
    Signature, Tensor, any, size,
};

type Call = fn(&mut Inputs, &mut Outputs) -> Result<(), Failure>;

/// A model that runs one of [`CALLS`], selected by its settings.
struct Runs(Call);

const CALLS: &[Call] = &[
    |inputs, outputs| outputs.put("y", inputs.take("x")?),
    |_, _| Ok(()),
    |inputs, outputs| outputs.put("z", inputs.take("x")?),
    |_, outputs| outputs.put("y", Tensor::i64(&[1], [1])?),
    |inputs, _| inputs.f64("x").map(drop),
    |inputs, _| inputs.f32("features").map(drop),
    |inputs, _| inputs.take("x").and_then(|_| inputs.take("x")).map(drop),
    |_, outputs| outputs.put_slice("y", &[2, 2], &[1.0_f32]),
    |inputs, outputs| {
        let doubled = inputs.f32("x")?.mapv(|element| element * 2.0);
        outputs.put_f32("y", &doubled.t())
    },
    |_, outputs| {
        outputs.make_f32("y", &[1, 2])?.fill(7.0);
        Ok(())
    },
];

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Number {
    number: usize,
}

impl Model for Runs {
    type Settings = Number;
    const SUMMARY: &'static str = "Runs a function.";

    fn open(settings: Number, _files: &Files) -> Result<(Self, Signature), OpenError> {
        let signature = Signature::new()
            .input("x", Datatype::Fp32, [any(), size(2)])
            .output("y", Datatype::Fp32, [any(), any()]);
        Ok((Self(CALLS[settings.number]), signature))
    }

    fn infer(&mut self, inputs: &mut Inputs, outputs: &mut Outputs) -> Result<(), Failure> {
        (self.0)(inputs, outputs)
    }
}

fn run(number: usize) -> Result<Answer, Failure> {
    let mut bench = open_model::<Runs>(json!({ "number": number }), Files::none()).unwrap();
    bench.call([("x", Tensor::f32(&[2, 2], [1.0, 2.0, 3.0, 4.0])?)])
}

#[track_caller]
fn check(number: usize, text: &str) {
    assert_eq!(run(number).unwrap_err(), Failure::Internal(text.to_owned()));
}

#[test]
fn a_mistake_in_a_call_names_the_tensor() {
    check(1, "output `y` was never put");
    check(2, "the signature has no output `z`; it has `y`");
    check(3, "output `y`: expected FP32 [-1, -1], given INT64 [1]");
    check(4, "input `x`: the tensor is FP32, read as FP64");
    check(5, "the signature has no input `features`; it has `x`");
    check(
        6,
        "input `x` was taken already, or this call came without tensors",
    );
    check(
        7,
        "output `y`: shape [2, 2] takes 4 elements of FP32, given 1",
    );
}

#[test]
fn answers_come_back_by_name() {
    assert_eq!(
        run(0).unwrap().get("y").unwrap().slice::<f32>().unwrap(),
        [1.0, 2.0, 3.0, 4.0]
    );
    assert_eq!(
        run(8).unwrap().get("y").unwrap().slice::<f32>().unwrap(),
        [2.0, 6.0, 4.0, 8.0]
    );
    assert_eq!(
        run(9).unwrap().get("y").unwrap().slice::<f32>().unwrap(),
        [7.0, 7.0]
    );
    let failure = run(0).unwrap().get("z").unwrap_err();
    assert_eq!(
        failure,
        Failure::Internal("no output `z`; there are `y`".to_owned())
    );
}

#[test]
fn tensors_that_do_not_match_the_signature_never_reach_the_stage() {
    let mut bench = open_model::<Runs>(json!({ "number": 0 }), Files::none()).unwrap();
    let mut refusal =
        |name: &str, tensor: Tensor| bench.call([(name, tensor)]).unwrap_err().to_string();
    let misfit = refusal("x", Tensor::f32(&[1, 3], [0.0; 3]).unwrap());
    assert_eq!(
        misfit,
        "input `x`: expected FP32 [-1, 2], given FP32 [1, 3]"
    );
    let unknown = refusal("y", Tensor::f32(&[1, 2], [0.0; 2]).unwrap());
    assert_eq!(unknown, "the signature has no input `y`; it has `x`");
    let missing = bench.call::<&str>([]).unwrap_err();
    assert_eq!(
        missing,
        Failure::InvalidInput("input `x` is missing".to_owned())
    );
}

/// Takes raw text bodies only, and reads a file.
struct Text;

impl Preprocessor for Text {
    type Settings = NoSettings;
    const SUMMARY: &'static str = "Counts bytes.";

    fn open(_settings: NoSettings, files: &Files) -> Result<(Self, Signature), OpenError> {
        files.read("vocabulary")?;
        Ok((
            Self,
            Signature::new().output("length", Datatype::Uint64, []),
        ))
    }

    fn accepts(&self) -> &[&str] {
        &["text/*", "application/json"]
    }

    fn preprocess(&mut self, _inputs: &mut Inputs, _outputs: &mut Outputs) -> Result<(), Failure> {
        Err(Failure::invalid_input("send text"))
    }

    fn raw(
        &mut self,
        _content_type: &str,
        body: &[u8],
        outputs: &mut Outputs,
    ) -> Result<(), Failure> {
        outputs.put_slice("length", &[], &[body.len() as u64])
    }
}

#[test]
fn a_raw_body_is_taken_if_its_type_is_accepted() {
    let mut bench =
        open_preprocessor::<Text>(json!({}), Files::from_map([("vocabulary", "a b c")])).unwrap();
    let answer = bench.call_raw("text/plain", b"four").unwrap();
    assert_eq!(answer.get("length").unwrap().slice::<u64>().unwrap(), [4]);
    bench.call_raw("application/json", b"{}").unwrap();
    let refusal = bench.call_raw("image/png", b"").unwrap_err().to_string();
    assert_eq!(
        refusal,
        "content type `image/png`; the stage accepts `text/*`, `application/json`"
    );
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let refusal = open_preprocessor::<Text>(json!({}), Files::from_map([("words", "a")]))
        .map(drop)
        .unwrap_err();
    let text =
        "no file `vocabulary`: add it to the stage's `files` in the manifest; given: `words`";
    assert_eq!(refusal, OpenError::File(text.to_owned()));
}

#[test]
fn a_signature_that_the_host_would_refuse_is_refused_here() {
    let check = |signature: Signature, text: &str| {
        assert_eq!(signature.check(), Err(OpenError::Settings(text.to_owned())));
    };
    let input = |name: &str| Signature::new().input(name, Datatype::Fp32, [any()]);
    check(
        input("x").input("x", Datatype::Fp32, []),
        "two inputs are called `x`",
    );
    check(
        input(""),
        "input 0 has a name of 0 bytes; 1 to 256 are allowed",
    );
    check(input("a\nb"), "input 0 has a control character in its name");
    check(
        Signature::new().output("y", Datatype::Fp32, [any(); 17]),
        "output `y` has 17 dimensions; at most 16 are allowed",
    );
}
