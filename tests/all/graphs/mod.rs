//! Graphs: their answers are composed of their members' answers.

use serde_json::{Value, json};

use crate::guests::{data, numbers};
use crate::harness::admin::{one, times};
use crate::harness::http::{Request, Response};
use crate::harness::manifest::{With as _, model, pipeline};
use crate::harness::server::{Server, Setup};
use crate::harness::{root, tumor};

mod changes;
mod ends;

fn graph(name: &str, nodes: &Value) -> Value {
    json!({
        "apiVersion": "hotstage.dev/v1", "kind": "Graph",
        "metadata": { "name": name, "version": "1" }, "spec": { "nodes": nodes },
    })
}

fn infer(server: &Server, path: &str, body: &Value) -> Response {
    server.post(&format!("/v2/models/{path}/infer"), body.to_string())
}

/// The answer of a graph over `times` to 1.
fn value(server: &Server, name: &str) -> f64 {
    infer(server, name, &one(1.0)).ok().json()["outputs"][0]["data"][0]
        .as_f64()
        .unwrap()
}

fn member(version: &str) -> Value {
    json!({ "pipeline": "m", "version": version })
}

/// The mean of two versions of `m`.
fn mean(name: &str) -> Value {
    graph(
        name,
        &json!([{ "name": "both", "ensemble": [member("1"), member("2")], "merge": { "features": "mean" } }]),
    )
}

fn two() -> Setup {
    Setup::of([times("m", "1", 2.0), times("m", "2", 4.0)])
}

fn refused(response: &Response, status: u16, part: &str) {
    assert_eq!(response.status, status, "{}", response.text());
    assert!(response.error().contains(part), "{}", response.error());
}

/// Label and score of each row.
fn answers(answer: &Value) -> Vec<(String, f64)> {
    let column = |index: usize| answer["outputs"][index]["data"].as_array().unwrap().clone();
    let pairs = column(0).into_iter().zip(column(1));
    pairs
        .map(|(label, score)| (label.as_str().unwrap().to_owned(), score.as_f64().unwrap()))
        .collect()
}

#[test]
fn the_examples_answers_are_those_of_its_members() {
    let server = Setup::files([root().join("examples/tumor")]).start();
    let rows = tumor::held_out();
    let of = |path: &str| answers(&infer(&server, path, &rows).ok().json());
    let (first, second) = (of("tumor/versions/1"), of("tumor/versions/2"));
    let mut differ = 0;
    for ((panel, first), second) in of("tumor-panel").iter().zip(&first).zip(&second) {
        assert_eq!(panel.0, first.0, "the first of two wins a tie");
        assert!(
            (panel.1 - f64::midpoint(first.1, second.1)).abs() < 1e-6,
            "{panel:?} of {first:?} and {second:?}"
        );
        differ += usize::from(first.0 != second.0);
    }
    assert_eq!((first.len(), differ), (143, 1));
    // Row by row, because a switch decides for all rows of a request.
    let data = rows["inputs"][0]["data"].as_array().unwrap();
    let mut unsure = 0;
    for (index, row) in data.chunks(30).enumerate() {
        let input =
            json!({ "name": "features", "datatype": "FP32", "shape": [1, 30], "data": row });
        let answer = infer(&server, "tumor-careful", &json!({ "inputs": [input] })).ok();
        let is_unsure = (0.3..=0.7).contains(&first[index].1);
        let expected = if is_unsure {
            &second[index]
        } else {
            &first[index]
        };
        assert_eq!(
            answers(&answer.json()),
            std::slice::from_ref(expected),
            "row {index}"
        );
        let asked = if is_unsure {
            "second=tumor/2"
        } else {
            "second=pass"
        };
        assert_eq!(answer.header("hotstage-asked"), Some(asked), "row {index}");
        assert_eq!(answer.header("hotstage-pipeline"), Some("tumor-careful"));
        unsure += usize::from(is_unsure);
    }
    assert_eq!(unsure, 6);
    // A single unsure row is enough.
    assert_eq!(of("tumor-careful"), second);
    let metrics = server.metrics();
    let answered = |name: &str, version: &str| {
        metrics.value(&format!(
            r#"hotstage_requests_total{{pipeline="{name}",version="{version}",outcome="answered"}}"#
        ))
    };
    assert_eq!(
        [answered("tumor-careful", "1"), answered("tumor-panel", "1")],
        [144.0, 1.0]
    );
    assert_eq!(
        [answered("tumor", "1"), answered("tumor", "2")],
        [146.0, 9.0]
    );
}

#[test]
fn tensors_stay_binary_and_are_the_members_to_the_bit() {
    let server = Setup::files([root().join("examples/tumor")]).start();
    let head = json!({
        "inputs": [{
            "name": "features", "datatype": "FP32", "shape": [1, 30], "parameters": { "binary_data_size": 120 },
        }],
        "outputs": [{ "name": "score", "parameters": { "binary_data": true } }],
    });
    let ask = |path: &str| {
        let request = Request::binary(
            &format!("/v2/models/{path}/infer"),
            &head,
            &[&tumor::bytes("benign")],
        );
        let response = server.ask(&request).ok();
        f32::from_le_bytes(response.binary().1.try_into().unwrap())
    };
    let (first, second) = (ask("tumor/versions/1"), ask("tumor/versions/2"));
    assert_eq!(ask("tumor-careful").to_bits(), first.to_bits());
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the mean of two 32-bit floats is returned in 32 bits"
    )]
    let mean = f64::midpoint(first.into(), second.into()) as f32;
    assert_eq!(ask("tumor-panel").to_bits(), mean.to_bits());
}

#[test]
fn nodes_are_wired_like_stages() {
    let nodes = json!([
        { "name": "twice", "pipeline": "m", "version": "1", "outputs": { "features": "twice" } },
        { "name": "eight", "pipeline": "m", "version": "2", "inputs": { "features": "twice.twice" } },
        { "name": "again", "pipeline": "m", "version": "2", "inputs": { "features": "request.features" },
          "outputs": { "features": "four" } },
    ]);
    let mut chain = graph("g", &nodes);
    chain["spec"]["outputs"] = json!(["four", "eight.features", "twice"]);
    let over = graph(
        "over",
        &json!([{ "name": "inner", "pipeline": "g", "version": "1" }]),
    );
    let server = two().and([over, chain]).start();
    for name in ["g", "over"] {
        let answer = infer(&server, name, &one(1.0)).ok().json();
        let values: Vec<(&str, f64)> = answer["outputs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|output| {
                (
                    output["name"].as_str().unwrap(),
                    output["data"][0].as_f64().unwrap(),
                )
            })
            .collect();
        assert_eq!(values, [("four", 4.0), ("features", 8.0), ("twice", 2.0)]);
    }
    let metadata = server.get("/v2/models/over").ok().json();
    assert_eq!(metadata["outputs"].as_array().unwrap().len(), 3);
}

#[test]
fn a_splitter_chooses_by_weight_and_a_key_gets_a_stable_arm() {
    let arms = json!([
        { "pipeline": "m", "version": "1", "weight": 70 }, { "pipeline": "m", "version": "2", "weight": 30 },
    ]);
    let node = json!({ "name": "arm", "splitter": arms });
    let sticky = node.clone().with("sticky", "request.features");
    let server = two()
        .and([
            graph("chance", &json!([node])),
            graph("keyed", &json!([sticky])),
        ])
        .start();
    let seconds = |name: &str| {
        let second = |number: &usize| {
            let answer = infer(&server, name, &one(*number as f64)).ok();
            let factor = answer.json()["outputs"][0]["data"][0].as_f64().unwrap() / *number as f64;
            let asked = if factor == 4.0 { "arm=m/2" } else { "arm=m/1" };
            assert_eq!(answer.header("hotstage-asked"), Some(asked));
            factor == 4.0
        };
        (1..=300).filter(second).collect::<Vec<usize>>()
    };
    let (chance, keyed) = (seconds("chance"), seconds("keyed"));
    assert!(
        (60..=120).contains(&chance.len()) && (60..=120).contains(&keyed.len()),
        "{chance:?} {keyed:?}"
    );
    assert_eq!(seconds("keyed"), keyed);
}

#[test]
fn tensors_between_nodes_are_checked_as_between_stages() {
    let nodes = json!([
        { "name": "a", "pipeline": "echo", "version": "1" },
        { "name": "b", "pipeline": "echo", "version": "1", "inputs": { "x": "a.y" } },
    ]);
    let server = Setup::of([pipeline("echo", [model("echo")]), graph("g", &nodes)]).start();
    assert_eq!(
        data(&infer(&server, "g", &numbers(&[1.0, 2.0, 3.0]))),
        [1.0, 2.0, 3.0]
    );
    let wrong = infer(&server, "g", &json!({ "inputs": [] }));
    assert_eq!(
        (wrong.status, wrong.header("hotstage-failure")),
        (400, Some("invalid_input"))
    );
}
