//! The components `text` and `embed` through the server: texts from JSON and from raw bodies,
//! clients' errors, and settings that are refused. Unit tests beside their code check their
//! numbers.

use serde_json::{Value, json};

use crate::harness::command::check;
use crate::harness::http::Request;
use crate::harness::manifest::{With as _, pipeline};
use crate::harness::root;
use crate::harness::server::Setup;
use crate::harness::state::Folder;

const TOKENS: &str = "/v2/models/tokens/infer";

fn tokens() -> Value {
    let file = root().join("plugins/text/reference/wordpiece.json");
    json!({
        "name": "tokens",
        "role": "preprocess",
        "component": "text",
        "files": { "tokenizer": file },
        "settings": { "outputs": { "input_ids": "input_ids" } },
    })
}

fn texts(texts: &[&str]) -> Value {
    json!({ "inputs": [{ "name": "text", "datatype": "BYTES", "shape": [texts.len()], "data": texts }] })
}

#[test]
fn texts_become_rows_of_tokens() {
    let server = Setup::of([pipeline("tokens", [tokens()])]).start();
    let answer = server
        .infer("tokens", &texts(&["the harbour", "the"]))
        .ok()
        .json();
    let output = &answer["outputs"][0];
    let data: Vec<u64> = serde_json::from_value(output["data"].clone()).unwrap();
    let width = usize::try_from(output["shape"][1].as_u64().unwrap()).unwrap();
    assert_eq!(
        (output["datatype"].as_str(), data.len()),
        (Some("INT64"), 2 * width)
    );
    // [CLS] is 2, [SEP] is 3, [PAD] is 0.
    assert_eq!(
        (data[0], data[width - 1], data[width], data[width + 2]),
        (2, 3, 2, 3)
    );
    assert!(data[width + 3..].iter().all(|token| *token == 0));
    let body = Request::post(TOKENS, "the").header("content-type", "text/plain; charset=utf-8");
    assert_eq!(
        server.ask(&body).ok().json()["outputs"][0]["data"],
        json!([2, data[width + 1], 3])
    );
}

#[test]
fn an_invalid_text_is_a_client_error() {
    let server = Setup::of([pipeline("tokens", [tokens()])]).start();
    let refused =
        server.ask(&Request::post(TOKENS, *b"caf\xe9.").header("content-type", "text/plain"));
    assert_eq!(refused.status, 400);
    assert_eq!(
        refused.error(),
        "the body is not UTF-8: byte 3 is 0xe9, which continues nothing"
    );
    let long = "a".repeat(70_000);
    let refused = server.infer("tokens", &texts(&["a", &long]));
    assert_eq!(refused.status, 400);
    assert_eq!(
        refused.error(),
        "input `text`: element 1 has 70000 bytes; at most 65536 fit"
    );
}

#[test]
fn a_damaged_tokenizer_is_not_served() {
    let folder = Folder::new();
    let damaged = folder.write(
        "damaged.json",
        r#"{"version":"1.0","model":{"type":"WordPi"#,
    );
    let stage = tokens().with("files", json!({ "tokenizer": damaged }));
    folder.write("tokens.yaml", pipeline("tokens", [stage]).to_string());
    let ran = check(folder.path(), ["tokens.yaml"]);
    let text =
        "spec.stages[0].files: file `tokenizer`: is no tokenizer.json: EOF while parsing a string";
    assert!(ran.stderr.contains(text), "{}", ran.stderr);
}

#[test]
fn token_embeddings_become_one_for_each_text() {
    let embed = json!({ "name": "embed", "role": "postprocess", "component": "embed", "settings": { "dimensions": 2 } });
    let server = Setup::of([pipeline("embed", [embed])]).start();
    let ask = |mask: [u8; 2]| {
        server.infer(
            "embed",
            &json!({ "inputs": [
                { "name": "last_hidden_state", "datatype": "FP32", "shape": [1, 2, 2], "data": [3, 4, 9, 9] },
                { "name": "attention_mask", "datatype": "INT64", "shape": [1, 2], "data": mask },
            ] }),
        )
    };
    let answer = ask([1, 0]).ok().json();
    assert_eq!(answer["outputs"][0]["shape"], json!([1, 2]));
    assert_eq!(answer["outputs"][0]["data"], json!([0.6, 0.8]));
    // A client of a whole pipeline can't correct this error.
    let refused = ask([0, 0]);
    assert_eq!(refused.status, 500);
    assert!(
        refused.error().starts_with(
            "stage `embed` of pipeline `embed` version 1 reported a defect of its own"
        )
    );
}
