//! Comparison with NumPy and SciPy, whose answers `reference/make.py` wrote.

use hotstage_sdk::{Datatype, Files, Tensor, testing};
use serde_json::Value;

use crate::Labels;

const GOLDEN: &str = include_str!("../../reference/golden.json");
const TOLERANCE: f64 = 1e-6;

/// All elements of a JSON array of any depth.
fn flat(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(elements) => elements.iter().flat_map(flat).collect(),
        other => vec![other],
    }
}

#[track_caller]
fn check_floats(what: &str, expected: &Value, given: &Tensor) {
    let given = given.slice::<f32>().unwrap();
    let expected = flat(expected);
    assert_eq!(given.len(), expected.len(), "{what}");
    for (index, (given, expected)) in given.iter().zip(expected).enumerate() {
        let expected = expected.as_f64().unwrap();
        assert!(
            (f64::from(*given) - expected).abs() <= TOLERANCE,
            "{what}[{index}]: {given}, expected {expected}"
        );
    }
}

#[track_caller]
fn check_labels(what: &str, expected: &Value, given: &Tensor) {
    let given: Vec<Value> = match given.datatype() {
        Datatype::Int64 => given
            .slice::<i64>()
            .unwrap()
            .iter()
            .map(|label| Value::from(*label))
            .collect(),
        Datatype::Bool => given
            .slice::<bool>()
            .unwrap()
            .iter()
            .map(|label| Value::from(*label))
            .collect(),
        _ => given
            .bytes_elements()
            .unwrap()
            .map(|label| str::from_utf8(label).unwrap().into())
            .collect(),
    };
    assert_eq!(given.iter().collect::<Vec<_>>(), flat(expected), "{what}");
}

#[test]
fn answers_agree_with_numpy_and_scipy() {
    let cases: Vec<Value> = serde_json::from_str(GOLDEN).unwrap();
    assert_eq!(cases.len(), 8);
    for case in cases {
        let what = case["settings"].to_string();
        let mut bench =
            testing::open_postprocessor::<Labels>(case["settings"].clone(), Files::none()).unwrap();
        let scores: Vec<f32> = serde_json::from_value(case["scores"].clone()).unwrap();
        let columns: usize = serde_json::from_value(case["columns"].clone()).unwrap();
        let table = Tensor::f32(&[scores.len() / columns, columns], scores).unwrap();
        let answer = bench.call([("scores", table)]).unwrap();
        check_labels(
            &what,
            &case["answer"]["label"],
            answer.get("label").unwrap(),
        );
        check_floats(
            &what,
            &case["answer"]["score"],
            answer.get("score").unwrap(),
        );
        if let Ok(scores) = answer.get("scores") {
            check_floats(&what, &case["answer"]["scores"], scores);
        }
    }
}
