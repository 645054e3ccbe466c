//! ONNX graphs without code: the component `onnx` on tract, and the errors for invalid files,
//! settings and requests. The tests with ONNX Runtime are in `clients`.

use serde_json::{Value, json};

use crate::harness::admin::Admin;
use crate::harness::command::{check, hotstage};
use crate::harness::http::Response;
use crate::harness::manifest::{With as _, pipeline, version};
use crate::harness::onnx::{Model, Type};
use crate::harness::server::{Server, Setup};
use crate::harness::state::{self, Folder};

/// `y = x + 1`, any number of rows of three.
fn increment() -> Vec<u8> {
    Model::default()
        .input("x", Type::Float, &[None, Some(3)])
        .weights("one", &[1], &[1.0])
        .node("Add", &["x", "one"], &["y"])
        .output("y", Type::Float, &[None, Some(3)])
        .bytes()
}

/// `y = x[i]`: an index may be out of range.
pub(crate) fn gather() -> Vec<u8> {
    Model::default()
        .input("x", Type::Float, &[None])
        .input("i", Type::Int64, &[None])
        .node("Gather", &["x", "i"], &["y"])
        .output("y", Type::Float, &[None])
        .bytes()
}

/// The metric labels of that stage.
pub(crate) const NET: &str = r#"{pipeline="m",version="1",stage="net"}"#;

/// A stage with a graph from a folder, on tract unless the settings say otherwise.
pub(crate) fn net(folder: &Folder, graph: &[u8], settings: &Value) -> Value {
    let mut all = json!({ "engine": "tract" });
    all.as_object_mut()
        .unwrap()
        .extend(settings.as_object().unwrap().clone());
    let path = folder.write("net.onnx", graph);
    json!({ "name": "net", "role": "model", "component": "onnx", "settings": all, "files": { "model": path } })
}

pub(crate) fn floats(name: &str, shape: &[usize], data: &[f64]) -> Value {
    json!({ "name": name, "shape": shape, "datatype": "FP32", "data": data })
}

fn ask(server: &Server, inputs: impl Into<Vec<Value>>) -> Response {
    server.infer("m", &json!({ "inputs": inputs.into() }))
}

/// The error of `hotstage check` for a pipeline with this stage.
#[track_caller]
pub(crate) fn refused(stage: Value) -> String {
    let folder = Folder::new();
    folder.write("m.yaml", pipeline("m", [stage]).to_string());
    check(folder.path(), ["m.yaml"]).ended(3).stderr
}

#[test]
fn a_graph_answers_under_its_own_names() {
    let folder = Folder::new();
    let server = Setup::of([pipeline("m", [net(&folder, &increment(), &json!({}))])]).start();
    let about = server.get("/v2/models/m").ok().json();
    assert_eq!(
        about["inputs"],
        json!([{ "name": "x", "datatype": "FP32", "shape": [-1, 3] }])
    );
    assert_eq!(
        about["outputs"],
        json!([{ "name": "y", "datatype": "FP32", "shape": [-1, 3] }])
    );
    for rows in [1, 2, 5, 0] {
        let data: Vec<f64> = (0..rows * 3).map(f64::from).collect();
        let answer = ask(&server, [floats("x", &[rows as usize, 3], &data)])
            .ok()
            .json();
        let expected: Vec<f64> = data.iter().map(|x| x + 1.0).collect();
        assert_eq!(answer["outputs"][0]["data"], json!(expected));
    }
    let described = Admin::of(&server).get("/v1/models/m/versions/1");
    assert!(
        described["stages"][0]["engines"][0]
            .as_str()
            .unwrap()
            .starts_with("tract "),
        "{described}"
    );
    let wrong = ask(&server, [floats("x", &[3], &[1.0, 2.0, 3.0])]);
    assert_eq!(
        (wrong.status, wrong.error().as_str()),
        (400, "input `x`: expected shape [-1, 3], given [3]")
    );
}

#[test]
fn an_input_that_the_graph_rejects_is_a_client_error() {
    let folder = Folder::new();
    let server = Setup::of([pipeline("m", [net(&folder, &gather(), &json!({}))])]).start();
    let index =
        |index: i64| json!({ "name": "i", "shape": [1], "datatype": "INT64", "data": [index] });
    for _ in 0..3 {
        let wrong = ask(&server, [floats("x", &[2], &[5.0, 6.0]), index(7)]);
        assert_eq!(wrong.status, 400, "{}", wrong.text());
        assert!(
            wrong.error().contains("the graph has no answer to it"),
            "{}",
            wrong.error()
        );
    }
    let right = ask(&server, [floats("x", &[2], &[5.0, 6.0]), index(1)])
        .ok()
        .json();
    assert_eq!(right["outputs"][0]["data"], json!([6.0]));
    // One instance answered all four.
    assert_eq!(
        server
            .metrics()
            .value(&format!("hotstage_stage_instances_created_total{NET}")),
        1.0
    );
}

#[test]
fn an_invalid_graph_file_is_refused_with_a_reason() {
    let folder = Folder::new();
    let says = |graph: &[u8], settings: &Value| refused(net(&folder, graph, settings));
    assert!(
        says(&vec![0; 1 << 20], &json!({}))
            .contains("files: `model`: the file of 1048576 bytes is no ONNX model")
    );
    assert!(says(b"", &json!({})).contains("is no ONNX model: it holds no graph"));
    let whole = increment();
    for cut in [whole.len() / 4, whole.len() / 2, whole.len() - 1] {
        assert!(says(&whole[..cut], &json!({})).contains("spec.stages[0].files: `model`: "));
    }
    let unknown = Model::default()
        .input("x", Type::Float, &[None])
        .node("com.example:Frobnicate", &["x"], &["y"])
        .output("y", Type::Float, &[None]);
    assert!(says(&unknown.bytes(), &json!({})).contains("Frobnicate"));
    let error = says(&whole, &json!({ "outputs": ["z"] }));
    assert!(
        error.contains("the graph has no output `z`; it has `y`"),
        "{error}"
    );
    let text = Model::default()
        .input("s", Type::Text, &[None])
        .node("Identity", &["s"], &["t"]);
    let error = says(&text.output("t", Type::Text, &[None]).bytes(), &json!({}));
    assert!(
        error.contains("input `s` is BYTES, which tract has no tensors of"),
        "{error}"
    );
    let future = Model::default()
        .input("x", Type::Float, &[None])
        .node("Relu", &["x"], &["y"])
        .opset(99);
    let error = says(
        &future.output("y", Type::Float, &[None]).bytes(),
        &json!({}),
    );
    assert!(error.contains("opset 99"), "{error}");
}

#[test]
fn a_graph_that_fails_for_all_shapes_is_refused_with_advice() {
    let folder = Folder::new();
    // One branch returns as many numbers as its input has, the other returns their shape: ONNX
    // allows different shapes.
    let graph = Model::default()
        .input("c", Type::Bool, &[])
        .input("x", Type::Int64, &[None, None])
        .branches("c", ("Identity", "x"), ("Shape", "x"), "y")
        .output("y", Type::Int64, &[None]);
    let error = refused(net(&folder, &graph.bytes(), &json!({})));
    assert!(
        error.contains("tract 0.23 can't compute it: ")
            && error.contains("pip install onnxruntime"),
        "{error}"
    );
}

#[test]
fn a_missing_engine_is_refused_with_the_available_ones() {
    let folder = Folder::new();
    let error = refused(net(
        &folder,
        &increment(),
        &json!({ "providers": ["cuda"] }),
    ));
    assert!(
        error.contains("settings.providers: execution provider `cuda` needs ONNX Runtime"),
        "{error}"
    );
    let file = folder.write(
        "m.yaml",
        pipeline(
            "m",
            [net(&folder, &increment(), &json!({ "engine": "auto" }))],
        )
        .to_string(),
    );
    let with = |library: &str| {
        check(
            folder.path(),
            [file.to_str().unwrap(), "--onnxruntime", library],
        )
        .ended(3)
        .stderr
    };
    let error = with("/no/such/libonnxruntime.so");
    assert!(
        error.contains("settings.engine: there is no ONNX Runtime at /no/such/libonnxruntime.so"),
        "{error}"
    );
    let error = with(
        folder
            .write("libonnxruntime.so.1", "no library")
            .to_str()
            .unwrap(),
    );
    assert!(
        error.contains("settings.engine: ONNX Runtime can't be loaded"),
        "{error}"
    );
    let shown = hotstage(["engines", "-o", "json", "--onnxruntime", "/no/such"])
        .ended(0)
        .stdout;
    let engines: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(engines["engines"][0]["engine"], "tract");
}

#[test]
fn bytes_across_the_abi_are_counted_exactly() {
    let folder = Folder::new();
    let cost = |manifest: &Value, request: &Value| {
        let (file, input) = (
            folder.write("m.yaml", manifest.to_string()),
            folder.write("in.json", request.to_string()),
        );
        let state = state::warm();
        let (file, input, state) = (
            file.to_str().unwrap(),
            input.to_str().unwrap(),
            state.path().to_str().unwrap(),
        );
        let ended = hotstage([
            "run", file, "--input", input, "--state", state, "--repeat", "3", "-o", "json",
        ]);
        let shown: Value = serde_json::from_str(&ended.ended(0).stdout).unwrap();
        let copied = |stage: &Value| stage["copied_bytes"].as_u64().unwrap();
        shown["stages"]
            .as_array()
            .unwrap()
            .iter()
            .map(copied)
            .collect::<Vec<_>>()
    };
    // Small: twelve bytes into the stage and out to the engine, twelve back and out.
    let small = json!({ "inputs": [floats("x", &[1, 3], &[1.0, 2.0, 3.0])] });
    assert_eq!(
        cost(
            &pipeline("m", [net(&folder, &increment(), &json!({}))]),
            &small
        ),
        [48]
    );
    // Large: a picture's 602,112 bytes stay with the host, in either engine.
    let picture = Model::default()
        .input("x", Type::Float, &[None, Some(3), Some(224), Some(224)])
        .node("Relu", &["x"], &["y"])
        .output("y", Type::Float, &[None, Some(3), Some(224), Some(224)])
        .bytes();
    let large = json!({ "inputs": [floats("x", &[1, 3, 224, 224], &vec![0.5; 3 * 224 * 224])] });
    assert_eq!(
        cost(&pipeline("m", [net(&folder, &picture, &json!({}))]), &large),
        [0]
    );
    // The example: a row of thirty floats into and out of `scale`, into `mlp`, a score out and into
    // `labels`.
    let tumor = crate::harness::root().join("examples/tumor");
    let input = tumor.join("tests/row-benign.json");
    let state = state::warm();
    let manifest = tumor.join("tumor-v1.yaml");
    let words = [
        "run",
        manifest.to_str().unwrap(),
        "--input",
        input.to_str().unwrap(),
        "-o",
        "json",
        "--state",
    ];
    let ended = hotstage(words.into_iter().chain([state.path().to_str().unwrap()]));
    let shown: Value = serde_json::from_str(&ended.ended(0).stdout).unwrap();
    let copied: Vec<u64> = shown["stages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|stage| stage["copied_bytes"].as_u64().unwrap())
        .collect();
    assert_eq!(copied, [240, 124, 4 + 4 + 6 + 4]);
}

#[test]
fn versions_of_one_file_share_it() {
    let folder = Folder::new();
    let stage = net(&folder, &increment(), &json!({}));
    let server = Setup::of([
        version("m", "1", [stage.clone()]),
        version("m", "2", [stage]),
    ])
    .start();
    for path in [
        "/v2/models/m/versions/1/infer",
        "/v2/models/m/versions/2/infer",
    ] {
        let answer = server
            .post(
                path,
                json!({ "inputs": [floats("x", &[1, 3], &[0.0; 3])] }).to_string(),
            )
            .ok()
            .json();
        assert_eq!(answer["outputs"][0]["data"], json!([1.0, 1.0, 1.0]));
    }
}

#[test]
fn only_a_model_is_given_graphs_and_only_a_model_is_batched() {
    let folder = Folder::new();
    let error = refused(net(&folder, &increment(), &json!({})).with("role", "preprocess"));
    assert!(
        error.contains("model component; here its role is preprocess"),
        "{error}"
    );
    let scale = json!({ "name": "s", "role": "preprocess", "component": "scale", "batch": true,
                        "settings": { "mean": [0], "std": [1] } });
    assert!(refused(scale).contains("batch: only a model stage is batched"));
}
