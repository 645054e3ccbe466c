//! Rows of `examples/tumor`, with the training framework's answers.

use std::fs;

use serde_json::{Value, json};

use super::root;

/// One row as a request: `"benign"`, `"malignant"`; or three rows: `"batch"`.
pub(crate) fn request(which: &str) -> Value {
    read(&format!("row-{which}.json"))
}

/// The expected outputs for it.
pub(crate) fn expected(which: &str) -> Value {
    read(&format!("row-{which}.out.json"))
}

/// All held-out rows, as one request.
pub(crate) fn held_out() -> Value {
    let rows = csv("held-out.csv");
    let data: Vec<f64> = rows
        .iter()
        .flat_map(|row| &row[..30])
        .map(|cell| cell.parse().unwrap())
        .collect();
    json!({ "inputs": [{ "name": "features", "datatype": "FP32", "shape": [rows.len(), 30], "data": data }] })
}

/// The framework's score for each of them, from the file of a version: `"scores-v1.csv"`.
pub(crate) fn scores(file: &str) -> Vec<f64> {
    csv(file)
        .iter()
        .map(|row| row[0].parse().unwrap())
        .collect()
}

/// The true class of each: `benign` or `malignant`.
pub(crate) fn diagnoses() -> Vec<String> {
    csv("held-out.csv")
        .into_iter()
        .map(|mut row| row.pop().unwrap())
        .collect()
}

/// The tensor of a request, in binary form.
pub(crate) fn bytes(which: &str) -> Vec<u8> {
    let request = request(which);
    let data = request["inputs"][0]["data"].as_array().unwrap().iter();
    data.flat_map(|value| value.to_string().parse::<f32>().unwrap().to_le_bytes())
        .collect()
}

/// Asserts both outputs in JSON, the score to `1e-5`.
#[track_caller]
pub(crate) fn check(which: &str, answer: &Value) {
    let (got, expected) = (answer["outputs"].as_array().unwrap(), expected(which));
    let expected = expected["outputs"].as_array().unwrap();
    assert_eq!(got.len(), expected.len(), "{answer}");
    for (got, expected) in got.iter().zip(expected) {
        for key in ["name", "datatype", "shape"] {
            assert_eq!(got[key], expected[key], "{answer}");
        }
        if expected["datatype"] == "BYTES" {
            assert_eq!(got["data"], expected["data"], "{answer}");
            continue;
        }
        let numbers = |tensor: &Value| {
            tensor["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|n| n.as_f64().unwrap())
                .collect()
        };
        let (got, expected): (Vec<f64>, Vec<f64>) = (numbers(got), numbers(expected));
        assert_eq!(got.len(), expected.len(), "{answer}");
        assert!(
            got.iter()
                .zip(&expected)
                .all(|(got, expected)| (got - expected).abs() <= 1e-5),
            "{answer}"
        );
    }
}

/// The rows of a CSV file, without its header.
fn csv(name: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(root().join("examples/tumor").join(name)).unwrap();
    text.lines()
        .skip(1)
        .map(|line| line.split(',').map(str::to_owned).collect())
        .collect()
}

fn read(name: &str) -> Value {
    let path = root().join("examples/tumor/tests").join(name);
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}
