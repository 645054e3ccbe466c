//! Graphs respect the limits of their stage: exceeding time or memory, or a crash, fails only the
//! call, in either process.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::guests::{data, request};
use crate::harness::command::check;
use crate::harness::http::{Request, Response};
use crate::harness::manifest::{With as _, model, pipeline};
use crate::harness::onnx::{Model, Type};
use crate::harness::process;
use crate::harness::server::{Server, Setup};
use crate::harness::state::Folder;
use crate::onnx::{floats, net};

/// Far more memory than a call needs otherwise; the product below exceeds it.
const PATIENCE: Duration = Duration::from_secs(20);

/// `most = max(0, 1, …, n - 1)`: the client chooses `n`.
fn range() -> Vec<u8> {
    Model::default()
        .input("n", Type::Int64, &[])
        .scalar("zero", 0)
        .scalar("one", 1)
        .node("Range", &["zero", "n", "one"], &["numbers"])
        .node("ReduceMax", &["numbers"], &["most"])
        .output("most", Type::Int64, &[Some(1)])
        .bytes()
}

/// The outer product of two columns, multiplied by itself `times` times: one operator of arbitrary
/// duration, or many operators.
fn product(times: usize) -> Vec<u8> {
    let mut graph = Model::default()
        .input("x", Type::Float, &[None, Some(1)])
        .input("y", Type::Float, &[Some(1), None])
        .node("Mul", &["x", "y"], &["p0"]);
    for time in 0..times {
        graph = graph.node(
            "MatMul",
            &["p0", &format!("p{time}")],
            &[&format!("p{}", time + 1)],
        );
    }
    graph
        .node("ReduceMax", &[&format!("p{times}")], &["most"])
        .output("most", Type::Float, &[Some(1), Some(1)])
        .bytes()
}

fn columns(side: usize) -> Value {
    let zeros = vec![0.0; side];
    json!({ "inputs": [floats("x", &[side, 1], &zeros), floats("y", &[1, side], &zeros)] })
}

/// A server with the graph under a name, and an unrelated stage.
fn beside(graph: &[u8], limits: Value, arguments: &str) -> (Server, Folder) {
    let folder = Folder::new();
    let stage = net(&folder, graph, &json!({})).with("limits", limits);
    let manifests = [
        pipeline("m", [stage]),
        pipeline("neighbour", [model("echo")]),
    ];
    // With backtraces enabled the server reads its symbols, which takes hundreds of megabytes.
    (
        Setup::of(manifests)
            .args(arguments)
            .env("RUST_BACKTRACE", "0")
            .start(),
        folder,
    )
}

#[track_caller]
fn failed(response: &Response, status: u16, kind: &str) {
    assert_eq!(
        (response.status, response.header("hotstage-failure")),
        (status, Some(kind)),
        "{}",
        response.text()
    );
}

fn neighbour(server: &Server) {
    assert_eq!(data(&server.ask(&request("neighbour", &[5.0]))), [5.0]);
}

#[track_caller]
fn a_size_of_the_clients_is_bounded(arguments: &str) {
    let (server, _folder) = beside(&range(), json!({ "memory": "64MiB" }), arguments);
    let ask = |n: i64| {
        let n = json!({ "name": "n", "shape": [], "datatype": "INT64", "data": [n] });
        server.infer("m", &json!({ "inputs": [n] }))
    };
    let before = process::resident(&server);
    for n in [1 << 40, 1 << 26] {
        assert_eq!(ask(5).ok().json()["outputs"][0]["data"], json!([4]));
        let refused = ask(n);
        failed(&refused, 500, "stage_memory");
        assert!(
            refused.error().contains("raise `limits.memory`"),
            "{}",
            refused.error()
        );
        neighbour(&server);
    }
    // Beyond the range of a size, so it is a client error.
    assert_eq!(ask(i64::MAX).status, 400);
    assert_eq!(
        ask(1 << 20).ok().json()["outputs"][0]["data"],
        json!([(1 << 20) - 1])
    );
    let after = process::resident(&server);
    assert!(
        after < before + 100e6,
        "{before} bytes before, {after} after"
    );
}

#[test]
fn a_size_of_the_clients_is_bounded_in_a_process_of_the_graphs() {
    a_size_of_the_clients_is_bounded("--graphs process");
}

#[test]
fn a_size_of_the_clients_is_bounded_in_the_servers_process() {
    a_size_of_the_clients_is_bounded("--graphs in-process");
}

#[test]
fn a_graph_of_many_operators_ends_with_its_time_in_the_servers_process() {
    let (server, _folder) = beside(
        &product(400),
        json!({ "time": "300ms" }),
        "--graphs in-process",
    );
    assert_eq!(
        server.infer("m", &columns(2)).ok().json()["outputs"][0]["data"],
        json!([0.0])
    );
    let began = Instant::now();
    let mut late = server.connect();
    late.send(&Request::post("/v2/models/m/infer", columns(1500).to_string()).bytes());
    neighbour(&server);
    failed(&late.answer().unwrap(), 504, "stage_timeout");
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    assert_eq!(
        server.infer("m", &columns(2)).ok().json()["outputs"][0]["data"],
        json!([0.0])
    );
}

#[test]
fn one_operator_without_an_end_is_ended_and_hurts_no_other_call() {
    let limits = json!({ "time": "3s", "memory": "3GiB" });
    let (server, _folder) = beside(&product(1), limits, "");
    let before = process::of_graphs(&server);
    let began = Instant::now();
    let mut late = server.connect();
    // A trillion multiplications.
    late.send(&Request::post("/v2/models/m/infer", columns(10_000).to_string()).bytes());
    // Calls of the same graph that are in its process when it is killed are retried.
    while began.elapsed() < Duration::from_secs(4) {
        neighbour(&server);
        assert_eq!(
            server.infer("m", &columns(2)).ok().json()["outputs"][0]["data"],
            json!([0.0])
        );
    }
    failed(&late.answer().unwrap(), 504, "stage_timeout");
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    assert_eq!(
        server.infer("m", &columns(2)).ok().json()["outputs"][0]["data"],
        json!([0.0])
    );
    assert_ne!(process::of_graphs(&server), before);
}

/// Memory pages of a process.
fn pages(process: u32) -> u64 {
    let statm = std::fs::read_to_string(format!("/proc/{process}/statm")).unwrap();
    statm.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_crash_of_the_engine_costs_the_call_alone() {
    let (server, _folder) = beside(&product(1), json!({ "time": "60s", "memory": "3GiB" }), "");
    for _ in 0..2 {
        let [process] = process::of_graphs(&server)[..] else {
            panic!("not one process")
        };
        let mut lost = server.connect();
        lost.send(&Request::post("/v2/models/m/infer", columns(10_000).to_string()).bytes());
        // When it computes, it has allocated the memory of the table.
        while pages(process) < 50_000 {
            neighbour(&server);
        }
        assert!(
            std::process::Command::new("kill")
                .args(["-ILL", &process.to_string()])
                .status()
                .unwrap()
                .success()
        );
        failed(&lost.answer().unwrap(), 500, "stage_failed");
        assert_eq!(
            server.infer("m", &columns(2)).ok().json()["outputs"][0]["data"],
            json!([0.0])
        );
        neighbour(&server);
    }
}

#[test]
fn the_process_of_a_graph_has_nothing_of_the_servers_and_ends_with_it() {
    let (mut server, _folder) = beside(&product(1), json!({}), "");
    let [process] = process::of_graphs(&server)[..] else {
        panic!("not one process")
    };
    let files: Vec<String> = std::fs::read_dir(format!("/proc/{process}/fd"))
        .unwrap()
        .map(|file| {
            std::fs::read_link(file.unwrap().path())
                .unwrap()
                .display()
                .to_string()
        })
        .collect();
    let fine = |file: &String| {
        file.contains("hotstage-graph") || file.starts_with("pipe:") || file == "/dev/null"
    };
    assert!(files.iter().all(fine), "{files:?}");
    let environment = std::fs::read_to_string(format!("/proc/{process}/environ")).unwrap();
    assert!(!environment.contains("HOME="), "{environment}");
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    assert!(
        status.contains("Seccomp:\t2") && status.contains("NoNewPrivs:\t1"),
        "{status}"
    );
    server.starting.signal("KILL");
    server.starting.wait();
    let began = Instant::now();
    while process::is_alive(process) {
        assert!(began.elapsed() < PATIENCE, "it outlives its server");
        std::thread::yield_now();
    }
}

#[test]
fn the_operator_says_where_graphs_compute() {
    let folder = Folder::new();
    let written = |isolation: Option<&str>| {
        let stage = net(&folder, &range(), &json!({}));
        let stage = match isolation {
            Some(isolation) => stage.with("isolation", json!(isolation)),
            None => stage,
        };
        folder.write("m.yaml", pipeline("m", [stage]).to_string())
    };
    let refused = |isolation, graphs: &str| {
        let file = written(isolation);
        check(folder.path(), [file.to_str().unwrap(), "--graphs", graphs])
            .ended(3)
            .stderr
    };
    let fine = |isolation, graphs: &str| {
        let file = written(isolation);
        check(folder.path(), [file.to_str().unwrap(), "--graphs", graphs]).ended(0);
    };
    assert!(refused(None, "refuse").contains("computes no graphs (`--graphs refuse`)"));
    let error = refused(Some("in-process"), "process");
    assert!(
        error.contains("`isolation: in-process` is refused"),
        "{error}"
    );
    fine(Some("in-process"), "allow-in-process");
    fine(Some("process"), "in-process");
    fine(None, "in-process");
    let error = refused(Some("proces"), "process");
    assert!(
        error.contains("unknown value `proces`; did you mean `process`?"),
        "{error}"
    );
}
