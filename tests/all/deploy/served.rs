//! Names and versions of a manifest, as clients see them.

use serde_json::{Value, json};

use crate::guests::data;
use crate::harness::manifest::{With as _, model, pipeline, stage, version};
use crate::harness::server::{Server, Setup};

fn input(name: &str, value: f32) -> Value {
    json!({ "name": name, "datatype": "FP32", "shape": [1], "data": [value] })
}

#[track_caller]
fn outputs(server: &Server, inputs: &[Value]) -> Value {
    let answer = server.infer("p", &json!({ "inputs": inputs })).ok().json();
    let outputs = answer["outputs"].as_array().unwrap().iter();
    outputs
        .map(|output| json!([output["name"], output["data"][0]]))
        .collect()
}

#[track_caller]
fn ports(about: &Value) -> Vec<&str> {
    about
        .as_array()
        .unwrap()
        .iter()
        .map(|port| port["name"].as_str().unwrap())
        .collect()
}

#[test]
fn renames_and_earlier_tensors_reach_clients_and_stages() {
    let stages = [
        stage("preprocess", "echo_pre")
            .with("inputs", json!({ "x": "request.first" }))
            .with("outputs", json!({ "x": "a" })),
        model("echo")
            .with("inputs", json!({ "x": "request.second" }))
            .with("outputs", json!({ "y": "b" })),
        // Not the tensor of the previous stage.
        stage("postprocess", "echo_post")
            .with("inputs", json!({ "x": "echo-pre.a" }))
            .with("outputs", json!({ "x": "c" })),
    ];
    let mut manifest = pipeline("p", stages);
    manifest["spec"]["outputs"] = json!(["c", "b", "a", "request.second"]);
    let server = Setup::of([manifest]).start();
    let about = server.get("/v2/models/p").ok().json();
    assert_eq!(ports(&about["inputs"]), ["first", "second"], "{about}");
    let expected = json!([["c", 1.0], ["b", 2.0], ["a", 1.0], ["second", 2.0]]);
    assert_eq!(
        outputs(&server, &[input("first", 1.0), input("second", 2.0)]),
        expected
    );
    assert_eq!(
        outputs(&server, &[input("second", 2.0), input("first", 1.0)]),
        expected
    );
    let text = server
        .infer(
            "p",
            &json!({ "inputs": [input("first", 1.0), input("x", 1.0)] }),
        )
        .error();
    assert!(
        text.contains('x') && text.contains("first") && text.contains("second"),
        "{text}"
    );
}

#[test]
fn an_input_comes_from_the_latest_stage_that_makes_it() {
    let stages = [
        stage("preprocess", "echo_pre"),
        stage("preprocess", "echo_pre")
            .with("name", "again")
            .with("inputs", json!({ "x": "request.other" })),
        model("echo"),
    ];
    let server = Setup::of([pipeline("p", stages)]).start();
    assert_eq!(
        outputs(&server, &[input("x", 1.0), input("other", 2.0)]),
        json!([["y", 2.0]])
    );
}

#[test]
fn the_newest_version_answers_and_each_other_by_its_number() {
    let versions = ["9", "10", "1"].map(|number| version("p", number, [model("echo")]));
    let server = Setup::of(versions).start();
    let request = json!({ "inputs": [input("x", 1.0)] });
    for (path, version) in [
        ("", "10"),
        ("/versions/10", "10"),
        ("/versions/9", "9"),
        ("/versions/1", "1"),
    ] {
        let response = server.post(&format!("/v2/models/p{path}/infer"), request.to_string());
        assert_eq!(data(&response), [1.0]);
        assert_eq!(response.header("hotstage-version"), Some(version));
        assert_eq!(response.json()["model_version"], version);
    }
    let response = server.post("/v2/models/p/versions/2/infer", request.to_string());
    assert_eq!(
        (response.status, response.error().contains("1, 9, 10")),
        (404, true),
        "{response:?}"
    );
}
