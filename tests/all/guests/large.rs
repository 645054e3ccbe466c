//! Tensors that cross the ABI by handle because of their size, and raw bodies.

use serde_json::{Value, json};

use super::{ask, data};
use crate::harness::http::Request;
use crate::harness::manifest::{With as _, model, pipeline, stage};
use crate::harness::server::{Server, Setup};

/// Port name in the guest, bytes per element.
const FIXED: [(&str, usize); 13] = [
    ("bool", 1),
    ("uint8", 1),
    ("uint16", 2),
    ("uint32", 4),
    ("uint64", 8),
    ("int8", 1),
    ("int16", 2),
    ("int32", 4),
    ("int64", 8),
    ("fp16", 2),
    ("bf16", 2),
    ("fp32", 4),
    ("fp64", 8),
];

/// Adjacent bytes that differ; 0 and 1 if other values are invalid.
fn pattern(name: &str, length: usize) -> Vec<u8> {
    let modulus = if name == "bool" { 2 } else { 251 };
    (0..length)
        .map(|index| u8::try_from((index * 7 + length) % modulus).unwrap())
        .collect()
}

/// Elements of BYTES in wire format.
fn elements(lengths: &[usize]) -> Vec<u8> {
    let element = |&length: &usize| {
        [
            &u32::try_from(length).unwrap().to_le_bytes()[..],
            &pattern("", length),
        ]
        .concat()
    };
    lengths.iter().flat_map(element).collect()
}

/// Sends each datatype with this many bytes, and BYTES of these lengths; all must return unchanged.
#[track_caller]
fn passes_through(server: &Server, bytes: usize, lengths: &[usize]) {
    let mut blobs: Vec<Vec<u8>> = FIXED
        .iter()
        .map(|(name, size)| pattern(name, bytes / size * size))
        .collect();
    let mut inputs: Vec<Value> = FIXED
        .iter()
        .zip(&blobs)
        .map(|((name, size), blob)| input(name, blob.len() / size, blob.len()))
        .collect();
    blobs.push(elements(lengths));
    inputs.push(input("bytes", lengths.len(), blobs[13].len()));
    let request = json!({ "inputs": inputs, "parameters": { "binary_data_output": true } });
    let blobs: Vec<&[u8]> = blobs.iter().map(Vec::as_slice).collect();
    let response = server.infer_binary("p", &request, &blobs).ok();
    let (json, back) = response.binary();
    for (output, input) in json["outputs"].as_array().unwrap().iter().zip(&inputs) {
        for key in ["name", "datatype", "shape"] {
            assert_eq!(output[key], input[key]);
        }
        assert_eq!(
            output["parameters"]["binary_data_size"],
            input["parameters"]["binary_data_size"]
        );
    }
    assert!(back == blobs.concat(), "other bytes came back");
}

fn input(name: &str, elements: usize, bytes: usize) -> Value {
    json!({
        "name": name, "datatype": name.to_uppercase(), "shape": [elements],
        "parameters": { "binary_data_size": bytes },
    })
}

#[test]
fn large_tensors_of_every_datatype_pass_through_unchanged() {
    // Just enough handles for the inputs of one call, so a leaked handle would soon exceed the
    // limit.
    let guest = stage("preprocess", "identity_all")
        .with("limits", json!({ "handles": 14, "instances": 1 }));
    let server = Setup::of([pipeline("p", [guest])]).start();
    // 16 KiB cross by value, one more byte by handle.
    for bytes in [0, 8, (16 << 10) - 8, 16 << 10, (16 << 10) + 8, 1 << 20] {
        for _ in 0..2 {
            passes_through(&server, bytes, &[0, 1, bytes, 0, 3]);
        }
    }
    assert_eq!(
        server.metrics().value(
            r#"hotstage_stage_instances_ended_total{pipeline="p",version="1",stage="identity-all"}"#
        ),
        0.0
    );
}

#[test]
fn a_large_tensor_runs_through_a_chain() {
    let stages = [
        stage("preprocess", "echo_pre"),
        model("slow"),
        stage("postprocess", "echo_post").with("inputs", json!({ "x": "y" })),
    ];
    let server = Setup::of([pipeline("p", stages)]).start();
    let numbers: Vec<u8> = (0..200_000_u32)
        .flat_map(|number| f32::from_bits(number).to_le_bytes())
        .collect();
    let request = json!({ "inputs": [{
        "name": "x", "datatype": "FP32", "shape": [200_000], "parameters": { "binary_data_size": 800_000 },
    }], "parameters": { "binary_data_output": true }});
    let response = server.infer_binary("p", &request, &[&numbers]).ok();
    assert!(response.binary().1 == numbers);
}

#[test]
fn an_input_of_more_tensors_than_handles_is_a_named_limit() {
    let guest = stage("preprocess", "identity_all").with("limits", json!({ "handles": 3 }));
    let server = Setup::of([pipeline("p", [guest])]).start();
    passes_through(&server, 8, &[1]);
    let blob = pattern("bool", 20 << 10);
    let inputs: Vec<Value> = FIXED
        .iter()
        .map(|(name, size)| input(name, blob.len() / size, blob.len()))
        .collect();
    let inputs = [inputs, vec![input("bytes", 1, 5)]].concat();
    let mut blobs = vec![blob.as_slice(); 13];
    blobs.push(b"\x01\0\0\0a");
    let response = server.infer_binary(
        "p",
        &json!({ "inputs": inputs, "parameters": { "binary_data_output": true } }),
        &blobs,
    );
    let failure = (response.status, response.header("hotstage-failure"));
    assert_eq!(failure, (500, Some("stage_handles")), "{}", response.text());
    assert!(
        response
            .error()
            .contains("held more than 3 buffers; raise `limits.handles`"),
        "{response:?}"
    );
    passes_through(&server, 8, &[1]);
}

/// A body, its content type, and the stage's result; `None` if it is decoded as a request.
const BODIES: [(&str, Option<&str>); 8] = [
    ("text/plain", Some("ab")),
    ("text/plain; charset=utf-8", Some("\0\u{7f}")),
    ("TEXT/Plain", Some("c")),
    ("image/png", Some("png")),
    ("image/svg+xml", Some("")),
    ("imagex/png", None),
    ("text/html", None),
    ("application/json", None),
];

#[test]
fn a_stage_takes_raw_bodies_of_its_content_types() {
    let stages = [stage("preprocess", "raw_text"), model("echo")];
    let server = Setup::of([pipeline("raw", stages), pipeline("plain", [model("echo")])]).start();
    let post = |model: &str, content_type: &str, body: &[u8]| {
        server.ask(
            &Request::post(&format!("/v2/models/{model}/infer"), body)
                .header("content-type", content_type),
        )
    };
    for (content_type, body) in BODIES {
        let tensors = super::numbers(&[7.0]).to_string();
        let bytes = body.unwrap_or(&tensors).as_bytes();
        let expected: Vec<f64> =
            body.map_or(vec![7.0], |body| body.bytes().map(f64::from).collect());
        assert_eq!(
            data(&post("raw", content_type, bytes)),
            expected,
            "{content_type}"
        );
        // Other stages ignore the content type.
        assert_eq!(
            data(&post("plain", content_type, tensors.as_bytes())),
            [7.0],
            "{content_type}"
        );
    }
    assert_eq!(ask(&server, "raw", &[3.0, 4.0]), [3.0, 4.0]);
    let large = vec![200; 100_000];
    assert_eq!(data(&post("raw", "image/x", &large)), vec![200.0; 100_000]);
}
