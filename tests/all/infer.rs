//! Inference with JSON: the forms of a request and of an answer.

use serde_json::{Value, json};

use crate::harness::manifest::{With as _, model, pipeline};
use crate::harness::server::{Server, Setup};
use crate::harness::{root, tumor};

#[test]
fn rows_get_the_answers_that_the_framework_gave() {
    let server = Setup::tumor().start();
    for path in ["tumor", "tumor/versions/1"] {
        for which in ["benign", "malignant", "batch"] {
            let answer = server.infer(path, &tumor::request(which)).ok().json();
            tumor::check(which, &answer);
            assert_eq!(
                (&answer["model_name"], &answer["model_version"]),
                (&json!("tumor"), &json!("1"))
            );
        }
    }
}

/// The example's folder contains both versions. They share golden requests and have different
/// answers.
#[test]
fn each_version_scores_the_held_out_rows_as_its_framework_did_and_the_newest_answers() {
    let server = Setup::files([root().join("examples/tumor")]).start();
    let rows = tumor::held_out();
    for (path, version) in [
        ("tumor/versions/1", "1"),
        ("tumor/versions/2", "2"),
        ("tumor", "2"),
    ] {
        let answer = server.infer(path, &rows).ok().json();
        assert_eq!(answer["model_version"], version, "{path}");
        let got: Vec<f64> = serde_json::from_value(answer["outputs"][1]["data"].clone()).unwrap();
        let expected = tumor::scores(&format!("scores-v{version}.csv"));
        assert_eq!((got.len(), expected.len()), (143, 143), "{path}");
        let furthest = got
            .iter()
            .zip(&expected)
            .map(|(got, expected)| (got - expected).abs())
            .fold(0.0, f64::max);
        assert!(furthest <= 1e-5, "{path}: {furthest}");
    }
    for which in ["benign", "malignant", "batch"] {
        let scores = ["1", "2"].map(|version| {
            let answer = server
                .infer(&format!("tumor/versions/{version}"), &tumor::request(which))
                .ok()
                .json();
            serde_json::from_value::<Vec<f64>>(answer["outputs"][1]["data"].clone()).unwrap()
        });
        assert!(
            scores[0]
                .iter()
                .zip(&scores[1])
                .all(|(one, two)| (one - two).abs() > 1e-4),
            "{which}: {scores:?}"
        );
    }
}

fn echo() -> Server {
    Setup::of([pipeline("echo", [model("echo")])]).start()
}

/// `echo` with one number, plus the test's keys.
fn one() -> Value {
    json!({ "inputs": [{ "name": "x", "datatype": "FP32", "shape": [1], "data": [7] }] })
}

fn answer() -> Value {
    let output = json!({ "name": "y", "datatype": "FP32", "shape": [1], "data": [7.0] });
    json!({ "model_name": "echo", "model_version": "1", "outputs": [output] })
}

#[test]
fn an_answer_holds_what_was_asked_for_and_never_null() {
    let server = echo();
    let requesting = |requesting: Value| one().with("outputs", json!([requesting]));
    let table = [
        (one(), answer()),
        (
            one().with("id", "a \"quoted\" id, é"),
            answer().with("id", "a \"quoted\" id, é"),
        ),
        (one().with("id", ""), answer().with("id", "")),
        (one().with("id", Value::Null), answer()),
        (
            one().with("id", "i".repeat(256)),
            answer().with("id", "i".repeat(256)),
        ),
        (
            one()
                .with("parameters", Value::Null)
                .with("outputs", Value::Null),
            answer(),
        ),
        (
            one().with(
                "parameters",
                json!({ "sequence_id": 5, "priority": "high", "mine": true }),
            ),
            answer(),
        ),
        (one().with("outputs", json!([])), answer()),
        (requesting(json!({ "name": "y" })), answer()),
        (
            requesting(
                json!({ "name": "y", "parameters": { "binary_data": false, "other": 1.5 } }),
            ),
            answer(),
        ),
        (
            one().with("something", json!({ "of": ["anything", "else's"] })),
            answer(),
        ),
    ];
    for (request, expected) in table {
        assert_eq!(
            server.infer("echo", &request).ok().json(),
            expected,
            "{request}"
        );
    }
}

#[test]
fn outputs_come_as_chosen_in_the_order_chosen() {
    let server = Setup::tumor().start();
    let names = |requested: &[&str]| {
        let requested: Vec<Value> = requested
            .iter()
            .map(|name| json!({ "name": name }))
            .collect();
        let answer = server
            .infer(
                "tumor",
                &tumor::request("benign").with("outputs", requested),
            )
            .ok()
            .json();
        let outputs = answer["outputs"].as_array().unwrap().iter();
        outputs
            .map(|output| output["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&[]), ["label", "score"]);
    assert_eq!(names(&["score"]), ["score"]);
    assert_eq!(names(&["label"]), ["label"]);
    assert_eq!(names(&["score", "label"]), ["score", "label"]);
}

/// Flat, nested by shape, spread over lines, keys in any order.
#[test]
fn data_may_be_laid_out_in_any_way_that_fits_its_shape() {
    let server = Setup::tumor().start();
    let request = tumor::request("batch");
    let rows: Vec<Value> = request["inputs"][0]["data"]
        .as_array()
        .unwrap()
        .chunks(30)
        .map(|row| json!(row))
        .collect();
    let mut nested = request.clone();
    nested["inputs"][0]["data"] = json!(rows);
    let turned = format!(
        "\n{{\t\"inputs\" : [ {{ \"data\" : {} , \"datatype\":\"FP\\u00332\",\r\n\"shape\":[ 3 , 30 ],\
         \"name\":\"features\"}} ] }} \n",
        request["inputs"][0]["data"]
    );
    for body in [
        request.to_string(),
        nested.to_string(),
        serde_json::to_string_pretty(&nested).unwrap(),
        turned,
    ] {
        tumor::check(
            "batch",
            &server.post("/v2/models/tumor/infer", body).ok().json(),
        );
    }
}

#[test]
fn no_rows_are_no_error() {
    let server = Setup::tumor().start();
    let inputs = json!([{ "name": "features", "datatype": "FP32", "shape": [0, 30], "data": [] }]);
    let answer = server
        .infer("tumor", &json!({ "inputs": inputs }))
        .ok()
        .json();
    let expected = json!([
        { "name": "label", "datatype": "BYTES", "shape": [0], "data": [] },
        { "name": "score", "datatype": "FP32", "shape": [0], "data": [] },
    ]);
    assert_eq!(answer["outputs"], expected);
}

#[test]
fn a_large_request_is_answered_like_a_small_one() {
    let server = echo();
    let numbers: Vec<f32> = (0..300_000_u32)
        .map(|n| f32::from(u16::try_from(n % 60_000).unwrap()) / 8.0)
        .collect();
    let mut request = one();
    request["inputs"][0]["shape"] = json!([numbers.len()]);
    request["inputs"][0]["data"] = json!(numbers);
    let answer = server.infer("echo", &request).ok().json();
    assert_eq!(answer["outputs"][0]["data"], json!(numbers));
}
