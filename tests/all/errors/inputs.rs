//! Requests whose inputs, outputs or parameters do not match the model.

use serde_json::{Value, json};

use super::{TUMOR, check, with};
use crate::harness::http::Request;
use crate::harness::manifest::With as _;
use crate::harness::server::Setup;
use crate::harness::tumor;

/// The benign row without one key of its input.
fn without(key: &str) -> Value {
    let mut request = tumor::request("benign");
    request["inputs"][0].as_object_mut().unwrap().remove(key);
    request
}

fn numbers(count: usize) -> Value {
    json!(vec![0.5; count])
}

fn nested(rows: &[usize]) -> Value {
    rows.iter().map(|count| numbers(*count)).collect()
}

/// A request and its error.
type Unfit = (Value, &'static str);

/// Inputs with the wrong name or datatype.
fn names_and_datatypes() -> Vec<Unfit> {
    vec![
        (
            with("name", "feature"),
            "there is no input `feature`; did you mean `features`? the only input is `features`",
        ),
        (
            with("name", "x"),
            "there is no input `x`; the only input is `features`",
        ),
        (with("name", 5), "inputs[0].name must be a string, given 5"),
        (without("name"), "inputs[0].name is missing"),
        (
            with("datatype", "FP64"),
            "input `features`: expected datatype FP32, given FP64",
        ),
        (without("datatype"), "inputs[0].datatype is missing"),
    ]
}

/// Inputs with the wrong shape.
fn shapes() -> Vec<Unfit> {
    let huge = json!([1_u64 << 63, 30]);
    vec![
        (
            with("shape", json!([1, 29])),
            "input `features`: expected shape [-1, 30], given [1, 29]",
        ),
        (
            with("shape", json!([30])),
            "input `features`: expected shape [-1, 30], given [30]",
        ),
        (
            with("shape", json!([])),
            "input `features`: expected shape [-1, 30], given []",
        ),
        (
            with("shape", "1,30"),
            "inputs[0].shape must be a list of sizes, given \"1,30\"",
        ),
        (
            with("shape", json!([-1, 30])),
            "input `features`: shape [-1,30] contains one or more invalid dimensions",
        ),
        (
            with("shape", json!([1.5, 30])),
            "input `features`: shape [1.5,30] contains one or more invalid dimensions",
        ),
        (
            with("shape", vec![1; 17]),
            "input `features`: the shape has 17 dimensions; at most 16 are allowed",
        ),
        (
            with("shape", huge),
            "input `features`: the shape [9223372036854775808, 30] has more elements than memory can hold",
        ),
        (without("shape"), "inputs[0].shape is missing"),
    ]
}

/// Inputs whose elements do not match their shape.
fn data() -> Vec<Unfit> {
    vec![
        (
            with("data", numbers(29)),
            "input `features`: shape [1, 30] takes 30 elements, given 29",
        ),
        (
            with("data", numbers(31)),
            "input `features`: shape [1, 30] takes 30 elements, given 31",
        ),
        (
            with("data", json!([])),
            "input `features`: shape [1, 30] takes 30 elements, given 0",
        ),
        (
            with("data", nested(&[29])),
            "input `features`: data[0] has 29 values, where shape [1, 30] takes 30",
        ),
        (
            with("data", nested(&[30, 30])),
            "input `features`: data has 2 values, where shape [1, 30] takes 1",
        ),
        (
            with("data", json!([nested(&[30])])),
            "input `features`: data is nested deeper than shape [1, 30]",
        ),
        (
            with("data", json!({ "a": 1 })),
            "input `features`: data must be a list, given {\"a\":1}",
        ),
        (with("data", Value::Null), "inputs[0].data is missing"),
    ]
}

/// Inputs that are missing or duplicate.
fn lists() -> Vec<Unfit> {
    let input = tumor::request("benign")["inputs"][0].clone();
    let twice = json!({ "inputs": [input, input] });
    vec![
        (twice, "input `features`: it is given twice"),
        (json!({ "inputs": [] }), "input `features` is missing"),
        (json!({}), "inputs is missing"),
        (json!({ "inputs": null }), "inputs is missing"),
    ]
}

#[test]
fn a_wrong_input_is_refused_with_the_expected_one() {
    let server = Setup::tumor().start();
    let mut connection = server.connect();
    for (request, message) in [names_and_datatypes(), shapes(), data(), lists()].concat() {
        check(
            &mut connection,
            &Request::post(TUMOR, request.to_string()),
            400,
            "invalid_input",
            message,
        );
    }
}

#[test]
fn the_rest_of_a_request_is_checked_like_its_inputs() {
    let server = Setup::tumor().start();
    let mut connection = server.connect();
    let request = || tumor::request("benign");
    let requesting = |requested: Value| request().with("outputs", requested);
    let parameters =
        |parameters: Value| requesting(json!([{ "name": "label", "parameters": parameters }]));
    for (request, message) in [
        (request().with("id", 5), "id must be a string, given 5"),
        (
            request().with("id", "i".repeat(257)),
            "id has 257 bytes; at most 256 are allowed",
        ),
        (
            requesting(json!([{ "name": "labels" }])),
            "there is no output `labels`; did you mean `label`? the outputs are `label` and `score`",
        ),
        (
            requesting(json!([{ "name": "label" }, { "name": "label" }])),
            "output `label` is asked for twice",
        ),
        (requesting(json!([{}])), "outputs[0].name is missing"),
        (
            parameters(json!({ "binary_data": "yes" })),
            "outputs[0].parameters.binary_data must be true or false, given \"yes\"",
        ),
        (
            parameters(json!({ "classification": 2 })),
            "outputs[0].parameters.classification: classification isn't supported; \
             ask for the output itself, or let a stage make the classes",
        ),
        (
            parameters(json!({ "shared_memory_region": "r" })),
            "outputs[0].parameters.shared_memory_region: shared memory isn't supported; send the tensor in the body",
        ),
        (
            with("parameters", json!({ "shared_memory_region": "r" })),
            "inputs[0].parameters.shared_memory_region: shared memory isn't supported; send the tensor in the body",
        ),
        (
            request().with("parameters", json!({ "triton_enable": true })),
            "parameter keys starting with 'triton_' are reserved",
        ),
        (
            request().with("parameters", json!([1])),
            "parameters must be an object, given [1]",
        ),
        (
            request().with("parameters", json!({ "mine": { "a": 1 } })),
            "parameters.mine must be a string, a number or a boolean, given {\"a\":1}",
        ),
        (
            request().with("parameters", json!({ "binary_data_output": 1 })),
            "parameters.binary_data_output must be true or false, given 1",
        ),
    ] {
        check(
            &mut connection,
            &Request::post(TUMOR, request.to_string()),
            400,
            "invalid_input",
            message,
        );
    }
}
