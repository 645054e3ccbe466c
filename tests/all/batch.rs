//! Batching: concurrent requests share a call, each gets its own rows, and a bad request fails
//! alone.

use std::sync::Barrier;
use std::thread;

use serde_json::{Value, json};

use super::onnx::{NET, floats, gather, net, refused};
use crate::harness::http::Response;
use crate::harness::manifest::{With as _, model, pipeline};
use crate::harness::onnx::{Model, Type};
use crate::harness::server::{Server, Setup};
use crate::harness::state::Folder;

/// `y = 2 x`, row by row; any two dimensions.
fn double() -> Vec<u8> {
    Model::default()
        .input("x", Type::Float, &[None, None])
        .node("Add", &["x", "x"], &["y"])
        .output("y", Type::Float, &[None, None])
        .bytes()
}

/// A server whose model waits for other requests, so that simultaneous requests form one batch.
fn served(graph: &[u8], batch: Value) -> (Server, Folder) {
    let folder = Folder::new();
    let stage = net(&folder, graph, &json!({})).with("batch", batch);
    (
        Setup::of([pipeline("m", [stage])])
            .args("--compute-threads 1")
            .start(),
        folder,
    )
}

/// Sends all requests at once; returns the answers in order.
fn at_once(server: &Server, requests: &[Value]) -> Vec<Response> {
    let start = Barrier::new(requests.len());
    thread::scope(|scope| {
        let ask = |request| {
            let start = &start;
            scope.spawn(move || {
                start.wait();
                server.infer("m", request)
            })
        };
        let asked: Vec<_> = requests.iter().map(ask).collect();
        asked
            .into_iter()
            .map(|asked| asked.join().unwrap())
            .collect()
    })
}

/// A counter of the batched stage.
fn count(server: &Server, name: &str) -> f64 {
    server
        .metrics()
        .value(&format!("hotstage_batch_{name}{NET}"))
}

fn rows(request: usize, rows: usize, columns: usize) -> (Value, Value) {
    let data: Vec<f64> = (0..rows * columns)
        .map(|at| (request * 100 + at) as f64)
        .collect();
    let doubled: Vec<f64> = data.iter().map(|x| 2.0 * x).collect();
    (
        json!({ "inputs": [floats("x", &[rows, columns], &data)] }),
        json!(doubled),
    )
}

#[test]
fn concurrent_requests_share_a_call_and_get_their_own_rows() {
    let (server, _folder) = served(&double(), json!({ "max_rows": 64, "max_delay": "300ms" }));
    let asked: Vec<(Value, Value)> = (0..12)
        .map(|request| rows(request, 1 + request % 3, 2))
        .collect();
    let requests: Vec<Value> = asked.iter().map(|(request, _)| request.clone()).collect();
    // The warm-up sent one request.
    let counted = || ["requests_total", "rows_count", "rows_sum"].map(|name| count(&server, name));
    let [requests_before, batches_before, rows_before] = counted();
    for (answer, (_, expected)) in at_once(&server, &requests).into_iter().zip(&asked) {
        assert_eq!(answer.ok().json()["outputs"][0]["data"], *expected);
    }
    let [requests, batches, rows] = counted();
    assert_eq!(
        (requests - requests_before, rows - rows_before),
        (12.0, 24.0)
    );
    assert!(
        batches - batches_before < 12.0,
        "{} batches",
        batches - batches_before
    );
}

#[test]
fn a_bad_request_fails_alone() {
    let folder = Folder::new();
    // The model looks rows up in a table of two: an index beyond its end fails the whole call.
    let table = Model::default()
        .input("i", Type::Int64, &[None])
        .weights("table", &[2], &[10.0, 20.0])
        .node("Gather", &["table", "i"], &["y"])
        .output("y", Type::Float, &[None])
        .bytes();
    let stage = net(&folder, &table, &json!({})).with("batch", json!({ "max_delay": "300ms" }));
    let server = Setup::of([pipeline("m", [stage])])
        .args("--compute-threads 1")
        .start();
    let index = |index: i64| json!({ "inputs": [{ "name": "i", "shape": [1], "datatype": "INT64", "data": [index] }] });
    let answers = at_once(&server, &[index(0), index(1), index(9), index(1)]);
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 200, 400, 200]);
    assert_eq!(answers[3].json()["outputs"][0]["data"], json!([20.0]));
    assert!(count(&server, "retries_total") >= 2.0);
}

#[test]
fn shapes_that_differ_are_not_joined_and_none_is_lost() {
    let (server, _folder) = served(&double(), json!({ "max_rows": 4, "max_delay": "100ms" }));
    let asked: Vec<(Value, Value)> = (0..10)
        .map(|request| rows(request, 1 + request % 6, 1 + request % 2))
        .collect();
    let requests: Vec<Value> = asked.iter().map(|(request, _)| request.clone()).collect();
    for (answer, (_, expected)) in at_once(&server, &requests).into_iter().zip(&asked) {
        assert_eq!(answer.ok().json()["outputs"][0]["data"], *expected);
    }
    let (none, expected) = (json!({ "inputs": [floats("x", &[0, 2], &[])] }), json!([]));
    assert_eq!(
        server.infer("m", &none).ok().json()["outputs"][0]["data"],
        expected
    );
}

#[test]
fn a_single_request_does_not_wait_for_a_batch() {
    let (server, _folder) = served(&double(), json!(true));
    let empty = || {
        let series = r#"hotstage_batches_total{pipeline="m",version="1",stage="net",cut="empty"}"#;
        server.metrics().value(series)
    };
    let before = empty();
    for request in 0..40 {
        let (request, expected) = rows(request, 1, 2);
        assert_eq!(
            server.infer("m", &request).ok().json()["outputs"][0]["data"],
            expected
        );
    }
    assert_eq!(empty() - before, 40.0);
}

#[test]
fn a_request_that_waited_too_long_gets_503_with_retry_after() {
    const MOST: usize = 4;
    let batch = json!({ "timeout": "100ms", "max_rows": MOST });
    let spins = model("spins")
        .with("limits", json!({ "time": "2s", "instances": 1 }))
        .with("batch", batch);
    let server = Setup::of([pipeline("m", [spins])])
        .args("--compute-threads 1")
        .start();
    let ask = |x: &[f64]| server.infer("m", &json!({ "inputs": [floats("x", &[x.len()], x)] }));
    thread::scope(|scope| {
        // It fills a batch, so it joins no other request; in a batch with other rows first it would
        // not spin. A request that waits before it runs may get 503, and is retried.
        let busy = scope.spawn(|| {
            loop {
                let answer = ask(&[13.0; MOST]);
                if answer.status != 503 {
                    break answer;
                }
            }
        });
        // Requests that are answered came before it.
        let late = loop {
            let answer = ask(&[1.0]);
            if answer.status != 200 {
                break answer;
            }
        };
        assert_eq!(
            (late.status, late.header("hotstage-failure")),
            (503, Some("overloaded")),
            "{}",
            late.text()
        );
        assert!(
            late.error().contains("could not begin within 100ms"),
            "{}",
            late.error()
        );
        assert!(late.header("retry-after").is_some());
        assert_eq!(busy.join().unwrap().status, 504);
    });
    assert_eq!(ask(&[1.0]).status, 200);
}

#[test]
fn what_cannot_be_joined_is_refused_at_deploy() {
    let folder = Folder::new();
    let fixed = Model::default()
        .input("x", Type::Float, &[Some(1), Some(3)])
        .node("Relu", &["x"], &["y"])
        .output("y", Type::Float, &[Some(1), Some(3)])
        .bytes();
    let error = refused(net(&folder, &fixed, &json!({})).with("batch", true));
    assert!(
        error.contains("spec.stages[0].batch: input `x` has a first dimension of fixed size"),
        "{error}"
    );
    let error =
        refused(net(&folder, &gather(), &json!({})).with("batch", json!({ "max_rows": 0 })));
    assert!(
        error.contains("batch.max_rows: 0 is less than the minimum, 1"),
        "{error}"
    );
}
