//! The binary tensor extension: the length of the JSON, the bytes of each tensor, and raw binary
//! bodies.
//!
//! Error texts that clients of other servers match are asserted exactly.

use serde_json::{Value, json};

use crate::harness::http::{Request, Response};
use crate::harness::manifest::{pipeline, stage};
use crate::harness::server::{Server, Setup};
use crate::harness::tumor;

const TUMOR: &str = "/v2/models/tumor/infer";
const HEADER: &str = "inference-header-content-length";

/// A request with binary rows, encoded like Triton's client.
fn rows(count: usize, bytes: usize) -> Value {
    let parameters = json!({ "binary_data_size": bytes });
    json!({ "inputs": [{ "name": "features", "shape": [count, 30], "datatype": "FP32", "parameters": parameters }] })
}

fn label(text: &str) -> Vec<u8> {
    [
        &u32::try_from(text.len()).unwrap().to_le_bytes(),
        text.as_bytes(),
    ]
    .concat()
}

#[track_caller]
fn score(bytes: &[u8], expected: f32) {
    let got = f32::from_le_bytes(bytes.try_into().unwrap());
    assert!((got - expected).abs() < 1e-5, "{got} is not {expected}");
}

/// The answer to the malignant row, with binary outputs.
#[track_caller]
fn check_malignant(response: &Response) {
    let (json, bytes) = response.binary();
    let expected = json!([
        { "name": "label", "datatype": "BYTES", "shape": [1], "parameters": { "binary_data_size": 13 } },
        { "name": "score", "datatype": "FP32", "shape": [1], "parameters": { "binary_data_size": 4 } },
    ]);
    assert_eq!(json["outputs"], expected);
    assert_eq!(bytes.len(), 17);
    assert_eq!(bytes[..13], label("malignant"));
    score(&bytes[13..], 0.871_966_1);
}

#[test]
fn a_request_may_ask_for_all_outputs_in_bytes_and_an_output_may_object() {
    let server = Setup::tumor().start();
    let bytes = tumor::bytes("malignant");
    let mut request = rows(1, bytes.len());
    tumor::check(
        "malignant",
        &server
            .infer_binary("tumor", &request, &[&bytes])
            .ok()
            .json(),
    );

    request["parameters"] = json!({ "binary_data_output": true });
    check_malignant(&server.infer_binary("tumor", &request, &[&bytes]).ok());

    request["outputs"] =
        json!([{ "name": "score" }, { "name": "label", "parameters": { "binary_data": false } }]);
    let response = server.infer_binary("tumor", &request, &[&bytes]).ok();
    let (json, bytes) = response.binary();
    assert_eq!(
        json["outputs"][0]["parameters"],
        json!({ "binary_data_size": 4 })
    );
    assert_eq!(
        json["outputs"][1],
        json!({ "name": "label", "datatype": "BYTES", "shape": [1], "data": ["malignant"] })
    );
    score(bytes, 0.871_966_1);
}

#[test]
fn json_may_be_answered_in_bytes_without_any_header() {
    let server = Setup::tumor().start();
    let mut request = tumor::request("malignant");
    request["parameters"] = json!({ "binary_data_output": true });
    request["id"] = json!("7");
    let response = server.infer("tumor", &request).ok();
    assert_eq!(response.binary().0["id"], "7");
    check_malignant(&response);
}

/// A header of 0: the body is the only input, and all outputs are binary.
#[test]
fn a_body_of_bytes_alone_is_the_only_input() {
    let server = Setup::tumor().start();
    let raw = |bytes: &[u8]| server.ask(&Request::post(TUMOR, bytes).header(HEADER, 0));
    let row = tumor::bytes("malignant");
    assert_eq!(row.len(), 120);
    check_malignant(&raw(&row).ok());

    // Shape [-1,30]: the number of bytes determines the rows.
    let (json, _) = (raw(&tumor::bytes("batch")).ok().binary().0, ());
    assert_eq!(json["outputs"][1]["shape"], json!([3]));
    let (json, _) = (raw(&[]).ok().binary().0, ());
    assert_eq!(json["outputs"][1]["shape"], json!([0]));

    let refused = raw(&row[..119]);
    assert_eq!(refused.status, 400);
    let expected =
        "input `features`: shape [-1, 30] of FP32 takes a multiple of 120 bytes, given 119";
    assert_eq!(refused.error(), expected);
}

#[test]
fn a_body_of_bytes_alone_needs_a_model_of_one_input() {
    let server = Setup::of([pipeline("identity", [stage("preprocess", "identity_all")])]).start();
    let response = server.ask(&Request::post("/v2/models/identity/infer", [1]).header(HEADER, 0));
    let expected = "Raw request must only have 1 input (found 1) to be deduced but got 14 inputs in \
                    'identity' model configuration";
    assert_eq!(
        (response.status, response.error().as_str()),
        (400, expected)
    );
}

#[test]
fn a_header_that_fits_no_body_is_refused() {
    let server = Setup::tumor().start();
    let body = rows(1, 120).to_string();
    let length = body.len();
    let range = |given: &str| {
        format!("inference header size should be in range (0, {length}), got: {given}")
    };
    let parse =
        |given: &str| format!("Unable to parse Inference-Header-Content-Length, got: {given}");
    for (value, expected) in [
        ((length + 1).to_string(), range(&(length + 1).to_string())),
        ("-1".to_owned(), range("-1")),
        (
            "99999999999999999999999".to_owned(),
            range("99999999999999999999999"),
        ),
        ("12a".to_owned(), parse("12a")),
        (String::new(), parse("")),
        ("0x10".to_owned(), parse("0x10")),
    ] {
        let response = server.ask(&Request::post(TUMOR, body.clone()).header(HEADER, &value));
        assert_eq!(
            (response.status, response.error()),
            (400, expected),
            "{value}"
        );
    }
    // A length that truncates the JSON.
    let response = server.ask(&Request::post(TUMOR, body).header(HEADER, 10));
    assert_eq!(response.status, 400);
    assert!(
        response.error().starts_with("the request isn't JSON: "),
        "{}",
        response.error()
    );
}

#[track_caller]
fn refused(server: &Server, request: &Value, blob: &[u8], expected: &str) {
    let response = server.infer_binary("tumor", request, &[blob]);
    assert_eq!(
        (response.status, response.error().as_str()),
        (400, expected)
    );
}

#[test]
fn bytes_of_wrong_length_are_refused_with_texts_that_clients_match() {
    let server = Setup::tumor().start();
    let row = [0; 120];
    let short =
        "unexpected size for input 'features', expecting 20 additional bytes for model 'tumor'";
    refused(&server, &rows(1, 120), &row[..100], short);
    refused(
        &server,
        &rows(1, 120),
        &[0; 121],
        "unexpected additional input data for model 'tumor'",
    );
    refused(
        &server,
        &tumor::request("benign"),
        &[0],
        "unexpected additional input data for model 'tumor'",
    );
    refused(
        &server,
        &rows(1, 116),
        &row[..116],
        "input `features`: shape [1, 30] of FP32 takes 120 bytes, given 116",
    );

    let mut both = tumor::request("benign");
    both["inputs"][0]["parameters"] = json!({ "binary_data_size": 120 });
    let expected = "input `features`: both data and parameters.binary_data_size are given; it takes one of them";
    refused(&server, &both, &row, expected);
    let mut negative = rows(1, 120);
    negative["inputs"][0]["parameters"]["binary_data_size"] = json!(-1);
    let expected = "inputs[0].parameters.binary_data_size must be a number of bytes, given -1";
    refused(&server, &negative, &row, expected);

    let response = server.post(TUMOR, rows(1, 120).to_string());
    let expected = "must specify valid 'Infer-Header-Content-Length' in request header and 'binary_data_size' \
                    when passing inputs in binary data format";
    assert_eq!(
        (response.status, response.error().as_str()),
        (400, expected)
    );
}

/// A datatype restricts the values, not only the number of bytes.
#[test]
fn bytes_that_are_no_such_elements_are_refused() {
    let server = Setup::of([pipeline("identity", [stage("preprocess", "identity_all")])]).start();
    for (datatype, shape, bytes, expected) in [
        (
            "BOOL",
            2,
            &[1, 2][..],
            "element 1 of BOOL is the byte 2; it must be 0 or 1",
        ),
        (
            "BYTES",
            1,
            &[1, 0, 0],
            "element 0 of BYTES needs 4 bytes where 3 are left",
        ),
        (
            "BYTES",
            1,
            &[0xff, 0xff, 0xff, 0xff, 1],
            "element 0 of BYTES needs 4294967295 bytes where 1 are left",
        ),
        (
            "BYTES",
            1,
            &[0, 0, 0, 0, 9],
            "shape [1] takes 1 elements of BYTES; there are 1 bytes after the last",
        ),
        (
            "INT64",
            1,
            &[0; 7],
            "shape [1] of INT64 takes 8 bytes, given 7",
        ),
    ] {
        let name = datatype.to_lowercase();
        let parameters = json!({ "binary_data_size": bytes.len() });
        let input = json!({ "name": name, "datatype": datatype, "shape": [shape], "parameters": parameters });
        let request = json!({ "inputs": [input], "outputs": [{ "name": "bool" }] });
        let response = server.infer_binary("identity", &request, &[bytes]);
        assert_eq!(
            (response.status, response.error()),
            (400, format!("input `{name}`: {expected}"))
        );
    }
}
