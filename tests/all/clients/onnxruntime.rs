//! ONNX Runtime as installed by `pip`, used by the component `onnx`.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::admin::Admin;
use crate::harness::command::hotstage;
use crate::harness::manifest::{With as _, pipeline};
use crate::harness::onnx::{Model, Type};
use crate::harness::process;
use crate::harness::server::{Server, Setup};
use crate::harness::state::Folder;
use crate::onnx::{NET, floats, gather, net};

/// The folder of the installed library.
fn onnxruntime() -> PathBuf {
    let python =
        std::env::var_os("HOTSTAGE_PYTHON").expect("run the tests with `cargo xtask test`");
    let code = "import onnxruntime, os; print(os.path.join(os.path.dirname(onnxruntime.__file__), 'capi'))";
    let output = Command::new(python).args(["-c", code]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().into()
}

/// A server that runs the folder's graphs on ONNX Runtime.
fn on_runtime(graphs: &[(&str, Vec<u8>, Value)]) -> (Server, Vec<Folder>) {
    on_runtime_with(graphs, "")
}

/// The same with more arguments.
fn on_runtime_with(graphs: &[(&str, Vec<u8>, Value)], arguments: &str) -> (Server, Vec<Folder>) {
    let mut folders = Vec::new();
    let manifests: Vec<Value> = graphs
        .iter()
        .map(|(name, graph, keys)| {
            let folder = Folder::new();
            let mut stage = net(&folder, graph, &json!({ "engine": "onnxruntime" }));
            folders.push(folder);
            for (key, value) in keys.as_object().unwrap() {
                stage = stage.with(key, value.clone());
            }
            pipeline(name, [stage])
        })
        .collect();
    (
        Setup::of(manifests)
            .args(&format!(
                "--onnxruntime {} {arguments}",
                onnxruntime().display()
            ))
            .start(),
        folders,
    )
}

#[test]
fn it_computes_numbers_and_strings_and_says_what_it_cannot() {
    let strings = Model::default()
        .input("s", Type::Text, &[None])
        .node("Identity", &["s"], &["t"])
        .output("t", Type::Text, &[None])
        .bytes();
    let (server, _folders) = on_runtime(&[
        ("gather", gather(), json!({})),
        ("strings", strings, json!({})),
    ]);
    let engine =
        Admin::of(&server).get("/v1/models/gather/versions/1")["stages"][0]["engines"][0].clone();
    assert!(
        engine.as_str().unwrap().starts_with("onnxruntime 1."),
        "{engine}"
    );
    let ask = |indices: &[i64]| {
        let index =
            json!({ "name": "i", "shape": [indices.len()], "datatype": "INT64", "data": indices });
        server.infer(
            "gather",
            &json!({ "inputs": [floats("x", &[3], &[5.0, 6.0, 7.0]), index] }),
        )
    };
    assert_eq!(
        ask(&[2, 0]).ok().json()["outputs"][0]["data"],
        json!([7.0, 5.0])
    );
    assert_eq!(ask(&[]).ok().json()["outputs"][0]["data"], json!([]));
    let wrong = ask(&[9]);
    assert_eq!(wrong.status, 400);
    assert!(
        wrong
            .error()
            .contains("indices element out of data bounds, idx=9"),
        "{}",
        wrong.error()
    );
    let texts = |data: Value| {
        let shape = [data.as_array().unwrap().len()];
        server.infer(
            "strings",
            &json!({ "inputs": [{ "name": "s", "shape": shape, "datatype": "BYTES", "data": data }] }),
        )
    };
    assert_eq!(
        texts(json!(["häl", "", "日本"])).ok().json()["outputs"][0]["data"],
        json!(["häl", "", "日本"])
    );
    let zero = texts(json!(["a\u{0}b"]));
    assert_eq!(zero.status, 400, "{}", zero.text());
    assert!(
        zero.error()
            .contains("input `s`: element 0 holds a zero byte"),
        "{}",
        zero.error()
    );
    let bytes = [1, 0, 0, 0, 0xff];
    let input = json!({ "name": "s", "shape": [1], "datatype": "BYTES", "parameters": { "binary_data_size": 5 } });
    let wrong = server.infer_binary("strings", &json!({ "inputs": [input] }), &[&bytes]);
    assert!(
        wrong
            .error()
            .contains("input `s`: element 0 is not UTF-8 from byte 0 on"),
        "{}",
        wrong.error()
    );
}

#[test]
fn what_it_refuses_the_other_engine_computes_and_says_so() {
    let old = Model::default()
        .input("x", Type::Float, &[Some(2)])
        .node("Relu", &["x"], &["y"])
        .output("y", Type::Float, &[Some(2)])
        .opset(5)
        .bytes();
    let settings = json!({ "settings": { "engine": "auto" } });
    let (server, _folders) = on_runtime(&[("m", old.clone(), settings)]);
    let engine =
        Admin::of(&server).get("/v1/models/m/versions/1")["stages"][0]["engines"][0].clone();
    let engine = engine.as_str().unwrap();
    assert!(
        engine.starts_with("tract ") && engine.contains("ONNX Runtime 1."),
        "{engine}"
    );
    let answer = server
        .infer("m", &json!({ "inputs": [floats("x", &[2], &[-1.0, 2.0])] }))
        .ok()
        .json();
    assert_eq!(answer["outputs"][0]["data"], json!([0.0, 2.0]));
    // A manifest that requires ONNX Runtime is refused.
    let folder = Folder::new();
    let stage = net(&folder, &old, &json!({ "engine": "onnxruntime" }));
    let file = folder.write("m.yaml", pipeline("m", [stage]).to_string());
    let library = onnxruntime();
    let words = [
        "check",
        file.to_str().unwrap(),
        "--onnxruntime",
        library.to_str().unwrap(),
        "--state",
    ];
    let error = hotstage(
        words
            .into_iter()
            .chain([folder.path().join("s").to_str().unwrap()]),
    )
    .ended(3)
    .stderr;
    assert!(error.contains("can't open it"), "{error}");
}

#[test]
fn its_weights_are_in_memory_once() {
    // 40 MB of weights.
    const SIDE: u16 = 3200;
    let (side, wide) = (usize::from(SIDE), u64::from(SIDE));
    let weights = vec![0.5; side * side];
    let graph = Model::default()
        .input("x", Type::Float, &[None, Some(wide)])
        .weights("w", &[wide, wide], &weights)
        .node("MatMul", &["x", "w"], &["y"])
        .output("y", Type::Float, &[None, Some(wide)])
        .bytes();
    let resident = |concurrency: u32| {
        let settings = json!({ "engine": "onnxruntime", "concurrency": concurrency });
        let graphs = [("m", graph.clone(), json!({ "settings": settings }))];
        let (server, _folders) = on_runtime_with(&graphs, "--graphs in-process");
        let ones = floats("x", &[1, side], &vec![1.0; side]);
        for _ in 0..4 {
            let answer = server.infer("m", &json!({ "inputs": [ones] })).ok().json();
            assert_eq!(answer["outputs"][0]["data"][7], json!(1600.0));
        }
        process::resident(&server)
    };
    let (one, eight) = (resident(1), resident(8));
    assert!(
        eight < one * 1.3,
        "{one} bytes for one at once, {eight} for eight"
    );
}

#[test]
fn it_answers_for_trees_as_scikit_learn_does() {
    crate::trees::check(
        "onnxruntime",
        &format!("--onnxruntime {}", onnxruntime().display()),
    );
}

#[test]
fn it_reads_a_large_tensor_where_it_lies_and_is_batched() {
    let double = Model::default()
        .input("x", Type::Float, &[None, Some(20_000)])
        .node("Add", &["x", "x"], &["y"])
        .output("y", Type::Float, &[None, Some(20_000)])
        .bytes();
    let (server, _folders) = on_runtime(&[("m", double, json!({ "batch": true }))]);
    let counted = || {
        server
            .metrics()
            .value(&format!("hotstage_batch_rows_sum{NET}"))
    };
    // The warm-up sent one request.
    let before = counted();
    for rows in [1, 3] {
        let numbers: Vec<f32> = (0..rows * 20_000_u16).map(f32::from).collect();
        let bytes: Vec<u8> = numbers
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect();
        let parameters = json!({ "binary_data_size": bytes.len() });
        let input = json!({ "name": "x", "shape": [rows, 20_000], "datatype": "FP32", "parameters": parameters });
        let request = json!({ "inputs": [input], "parameters": { "binary_data_output": true } });
        let response = server.infer_binary("m", &request, &[&bytes]).ok();
        let doubled: Vec<u8> = numbers
            .iter()
            .flat_map(|number| (2.0 * number).to_le_bytes())
            .collect();
        assert_eq!(response.binary().1, doubled);
    }
    assert_eq!(counted() - before, 4.0);
}

#[test]
fn its_arena_is_kept_or_given_back() {
    // The products of all pairs of numbers, and their maximum: 64 MB between two operators, and
    // almost nothing otherwise.
    const SIDE: usize = 4000;
    let outer = Model::default()
        .input("x", Type::Float, &[None, Some(1)])
        .input("y", Type::Float, &[Some(1), None])
        .node("Mul", &["x", "y"], &["products"])
        .node("ReduceMax", &["products"], &["most"])
        .output("most", Type::Float, &[Some(1), Some(1)])
        .bytes();
    let numbers: Vec<f64> = (0..4000).map(f64::from).collect();
    let inputs = [
        floats("x", &[SIDE, 1], &numbers),
        floats("y", &[1, SIDE], &numbers),
    ];
    let resident = |arena: &str| {
        let settings = json!({ "engine": "onnxruntime", "arena": arena });
        let graphs = [("m", outer.clone(), json!({ "settings": settings }))];
        let (server, _folders) = on_runtime_with(&graphs, "--graphs in-process");
        for _ in 0..2 {
            let answer = server.infer("m", &json!({ "inputs": inputs })).ok().json();
            assert_eq!(answer["outputs"][0]["data"], json!([15_992_001.0_f32]));
        }
        process::resident(&server)
    };
    let (kept, given_back) = (resident("keep"), resident("shrink"));
    assert!(
        given_back + 32e6 < kept,
        "{kept} bytes with the arena, {given_back} without"
    );
}

#[test]
fn it_is_found_by_its_package_and_says_what_it_has() {
    let shown = hotstage([
        "engines",
        "--onnxruntime",
        onnxruntime().to_str().unwrap(),
        "-o",
        "json",
    ])
    .ended(0)
    .stdout;
    let engines: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(engines["engines"][0]["engine"], "onnxruntime");
    assert_eq!(engines["engines"][0]["note"], "used by `auto`");
    assert_eq!(engines["engines"][1]["engine"], "tract");
    let folder = Folder::new();
    let stage = net(
        &folder,
        &gather(),
        &json!({ "engine": "auto", "providers": ["tensorrt"] }),
    );
    let file = folder.write("m.yaml", pipeline("m", [stage]).to_string());
    let library = onnxruntime();
    let words = [
        "check",
        file.to_str().unwrap(),
        "--onnxruntime",
        library.to_str().unwrap(),
        "--state",
    ];
    let error = hotstage(
        words
            .into_iter()
            .chain([folder.path().join("s").to_str().unwrap()]),
    )
    .ended(3)
    .stderr;
    assert!(
        error.contains("has no execution provider `tensorrt`; it has cpu"),
        "{error}"
    );
}
