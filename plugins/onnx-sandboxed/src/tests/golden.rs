//! The graphs of `golden/` compared with ONNX Runtime's answers; `reference/make.py` writes both.

use hotstage_sdk::testing::open_model;
use hotstage_sdk::{Datatype, Element, Files, Tensor, f16};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Onnx;

#[derive(Deserialize)]
struct Case {
    graph: String,
    inputs: Vec<Given>,
    outputs: Vec<Given>,
}

#[derive(Deserialize)]
struct Given {
    name: String,
    shape: Vec<usize>,
    data: Vec<Value>,
}

impl Given {
    fn tensor(&self, datatype: Datatype) -> Tensor {
        let float = |value: &Value| value.as_f64().unwrap();
        match datatype {
            Datatype::Bool => self.make(|value| value.as_bool().unwrap()),
            Datatype::Int64 => self.make(|value| value.as_i64().unwrap()),
            Datatype::Fp16 => self.make(|value| f16::from_f64(float(value))),
            Datatype::Fp64 => self.make(float),
            #[expect(clippy::cast_possible_truncation, reason = "it was written as a float")]
            Datatype::Fp32 => self.make(|value| float(value) as f32),
            other => panic!("no case has {other}"),
        }
    }

    fn make<T: Element>(&self, from: impl Fn(&Value) -> T) -> Tensor {
        Tensor::new(&self.shape, &self.data.iter().map(from).collect::<Vec<_>>()).unwrap()
    }

    /// Equal, or for floats close: sums run in another order.
    #[track_caller]
    fn assert_is(&self, tensor: &Tensor) {
        let shape: Vec<u64> = self.shape.iter().map(|&size| size as u64).collect();
        assert_eq!(tensor.shape(), shape, "{}", self.name);
        let floats: Vec<f64> = match tensor.datatype() {
            Datatype::Fp32 => tensor
                .slice::<f32>()
                .unwrap()
                .iter()
                .copied()
                .map(f64::from)
                .collect(),
            Datatype::Fp64 => tensor.slice::<f64>().unwrap().to_vec(),
            other => {
                return assert_eq!(
                    tensor.as_bytes(),
                    self.tensor(other).as_bytes(),
                    "{}",
                    self.name
                );
            }
        };
        for (given, expected) in floats.iter().zip(&self.data) {
            let expected = expected.as_f64().unwrap();
            assert!(
                (given - expected).abs() < 1e-5,
                "{}: {given} is not {expected}",
                self.name
            );
        }
    }
}

#[track_caller]
fn check(graph: &str, file: &[u8]) {
    let cases: Vec<Case> = serde_json::from_str(include_str!("golden/answers.json")).unwrap();
    let case = cases.iter().find(|case| case.graph == graph).unwrap();
    let mut bench = open_model::<Onnx>(json!({}), Files::from_map([("model", file)])).unwrap();
    let datatypes: Vec<Datatype> = bench
        .signature()
        .inputs
        .iter()
        .map(|port| port.datatype)
        .collect();
    // Twice: state of a call must not affect the next one.
    for _ in 0..2 {
        let inputs = case
            .inputs
            .iter()
            .zip(&datatypes)
            .map(|(given, &datatype)| (&given.name, given.tensor(datatype)));
        let answer = bench.call(inputs).unwrap();
        for expected in &case.outputs {
            expected.assert_is(answer.get(&expected.name).unwrap());
        }
    }
}

#[test]
fn a_perceptron_answers_as_onnx_runtime_does() {
    check("perceptron", include_bytes!("golden/perceptron.onnx"));
}

#[test]
fn convolutions_answer_as_onnx_runtime_does() {
    check("convolutions", include_bytes!("golden/convolutions.onnx"));
}

#[test]
fn an_attention_layer_answers_as_onnx_runtime_does() {
    check("attention", include_bytes!("golden/attention.onnx"));
}

#[test]
fn numbers_of_all_kinds_answer_as_onnx_runtime_does() {
    check("numbers", include_bytes!("golden/numbers.onnx"));
}

#[test]
fn a_recurrent_layer_answers_as_onnx_runtime_does() {
    check("lstm", include_bytes!("golden/lstm.onnx"));
}
