//! Table rows as users have them: CSV files and JSON lines, through the example's classifier.

use std::fs;

use serde_json::{Value, json};

use crate::harness::http::Request;
use crate::harness::server::{Server, Setup};
use crate::harness::{root, tumor};

const INFER: &str = "/v2/models/tumor-csv/infer";

fn served() -> Server {
    Setup::files([root().join("examples/tumor/csv")]).start()
}

fn held_out() -> String {
    fs::read_to_string(root().join("examples/tumor/held-out.csv")).unwrap()
}

fn output<'a>(answer: &'a Value, name: &str) -> &'a Vec<Value> {
    let outputs = answer["outputs"].as_array().unwrap();
    outputs
        .iter()
        .find(|output| output["name"] == name)
        .unwrap()["data"]
        .as_array()
        .unwrap()
}

#[test]
fn a_file_gets_the_scores_that_training_gave_its_rows() {
    let server = served();
    let answer = server
        .ask(&Request::post(INFER, held_out()).header("content-type", "text/csv; charset=utf-8"))
        .ok()
        .json();
    let expected = fs::read_to_string(root().join("examples/tumor/scores-v2.csv")).unwrap();
    let expected: Vec<f64> = expected
        .lines()
        .skip(1)
        .map(|line| line.parse().unwrap())
        .collect();
    // The scores of the first and the second label, for each row.
    let malignant: Vec<f64> = output(&answer, "scores")
        .iter()
        .skip(1)
        .step_by(2)
        .map(|score| score.as_f64().unwrap())
        .collect();
    assert_eq!(malignant.len(), expected.len());
    for (row, (given, expected)) in malignant.iter().zip(&expected).enumerate() {
        assert!(
            (given - expected).abs() < 1e-5,
            "row {row}: {given}, expected {expected}"
        );
    }
    let unsure = output(&answer, "label")
        .iter()
        .filter(|label| **label == "unsure")
        .count();
    assert_eq!(
        unsure,
        expected
            .iter()
            .filter(|score| (0.1..0.9).contains(*score))
            .count()
    );
}

#[test]
fn json_lines_and_tensors_get_the_same_as_a_file() {
    let server = served();
    let file = held_out();
    let (header, rows) = file.split_once('\n').unwrap();
    let row = |line: &str| {
        let value = |value: &str| {
            value
                .parse::<f64>()
                .map_or_else(|_| json!(value), |number| json!(number))
        };
        let values = line.split(',').map(value);
        Value::Object(header.split(',').map(str::to_owned).zip(values).collect()).to_string()
    };
    let lines: Vec<String> = rows.lines().take(3).map(row).collect();
    let json = server
        .ask(&Request::post(INFER, lines.join("\n")).header("content-type", "application/x-ndjson"))
        .ok();
    let csv: String = file.split_inclusive('\n').take(4).collect();
    let csv = server
        .ask(&Request::post(INFER, csv).header("content-type", "text/csv"))
        .ok();
    assert_eq!(json.json(), csv.json());
    // Without a content type, the body is a request of the protocol.
    let tensors = server
        .infer("tumor-csv", &tumor::request("benign"))
        .ok()
        .json();
    assert_eq!(output(&tensors, "label").as_slice(), ["benign"]);
}

#[test]
fn an_invalid_file_is_refused_with_the_position() {
    let server = served();
    let check = |body: String, expected: &str| {
        let response = server.ask(&Request::post(INFER, body).header("content-type", "text/csv"));
        assert_eq!(
            (response.status, response.error().as_str()),
            (400, expected)
        );
    };
    let with = |from: &str, to: &str| held_out().replacen(from, to, 1);
    let number = "row 1 (line 2), column `mean_radius`: is `wide`; a finite number is needed";
    check(with("\n16.65,", "\nwide,"), number);
    check(
        with("\n16.65,", "\nNA,"),
        "row 1 (line 2), column `mean_radius`: is missing; a number is needed",
    );
    check(
        with("mean_area", "Mean Area"),
        "the header has no column `mean_area`, but `Mean Area`; rename it",
    );
}
