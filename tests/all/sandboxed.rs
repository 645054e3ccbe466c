//! The component `onnx-sandboxed`: for the same graphs it gives the same answers as `onnx` on
//! tract, without an engine of the host. One test, because compiling the component takes half a
//! minute.

use serde_json::{Value, json};

use crate::harness::admin::Admin;
use crate::harness::command::hotstage;
use crate::harness::components;
use crate::harness::http::Response;
use crate::harness::manifest::{With as _, pipeline};
use crate::harness::onnx::{Model, Type};
use crate::harness::server::{Server, Setup, program};
use crate::harness::state::{self, Folder};
use crate::onnx::{floats, net};

/// `y = relu(x · w + b)`, from any number of rows of three to two columns.
fn layer() -> Vec<u8> {
    Model::default()
        .input("x", Type::Float, &[None, Some(3)])
        .weights("w", &[3, 2], &[0.25, -1.5, 0.1, 0.7, -0.3, 2.0])
        .weights("b", &[2], &[0.05, -0.2])
        .node("MatMul", &["x", "w"], &["product"])
        .node("Add", &["product", "b"], &["sum"])
        .node("Relu", &["sum"], &["y"])
        .output("y", Type::Float, &[None, Some(2)])
        .bytes()
}

/// Matrix products with sizes that are no multiple of a tile, with fused operations: sums over
/// columns and rows, bounds, slopes, another product, and a transposed result.
fn products() -> Vec<u8> {
    let numbers = |count: u8| -> Vec<f32> {
        (0..count)
            .map(|at| f32::from(at.wrapping_mul(37) % 41) / 16.0 - 1.25)
            .collect()
    };
    Model::default()
        .input("x", Type::Float, &[None, Some(13)])
        .weights("w", &[13, 19], &numbers(247))
        .weights("b", &[19], &numbers(19))
        .weights("v", &[19, 9], &numbers(171))
        .weights("low", &[], &[-4.0])
        .weights("high", &[], &[5.5])
        .weights("k", &[11, 1, 1, 3], &numbers(33))
        .weights("c", &[11], &numbers(11))
        .integers("axes", &[1, 2])
        .node("MatMul", &["x", "w"], &["product"])
        .node("Add", &["product", "b"], &["sum"])
        .node("Clip", &["sum", "low", "high"], &["bounded"])
        .node("MatMul", &["bounded", "v"], &["second"])
        .node("LeakyRelu", &["second"], &["y"])
        .node("Transpose", &["bounded"], &["turned"])
        .node("MatMul", &["turned", "y"], &["z"])
        .node("Unsqueeze", &["x", "axes"], &["picture"])
        .node("Conv", &["picture", "k", "c"], &["filtered"])
        .node("Relu", &["filtered"], &["p"])
        .output("y", Type::Float, &[None, Some(9)])
        .output("z", Type::Float, &[Some(19), Some(9)])
        .output("p", Type::Float, &[None, Some(11), Some(1), Some(11)])
        .bytes()
}

fn sandboxed(folder: &Folder, graph: &[u8]) -> Value {
    net(folder, graph, &json!({})).with("component", "onnx-sandboxed")
}

fn ask(server: &Server, model: &str, shape: &[usize], data: &[f64]) -> Response {
    server.infer(model, &json!({ "inputs": [floats("x", shape, data)] }))
}

#[test]
fn the_sandbox_answers_as_the_native_engine_does_and_refuses_what_is_wrong() {
    let (folder, more) = (Folder::new(), Folder::new());
    let pipelines = [
        pipeline("native", [net(&folder, &layer(), &json!({}))]),
        pipeline("sandboxed", [sandboxed(&folder, &layer())]),
        pipeline("native-products", [net(&more, &products(), &json!({}))]),
        pipeline("products", [sandboxed(&more, &products())]),
    ];
    compile(&pipelines[1]);
    let server = Setup::of(pipelines).start();
    let about = |model: &str| {
        let about = server.get(&format!("/v2/models/{model}")).ok().json();
        (about["inputs"].clone(), about["outputs"].clone())
    };
    assert_eq!(about("sandboxed"), about("native"));
    let described = Admin::of(&server).get("/v1/models/sandboxed/versions/1");
    assert_eq!(
        described["stages"][0]["engines"]
            .as_array()
            .map_or(0, Vec::len),
        0,
        "{described}"
    );
    for rows in [1, 4, 33] {
        agree(&server, ["sandboxed", "native"], [rows, 3]);
    }
    // Every number of rows within a tile, a whole tile plus some rows, and many.
    for rows in (1..=9).chain([16, 100]) {
        agree(&server, ["products", "native-products"], [rows, 13]);
    }
    for (shape, data) in [(vec![1, 4], vec![0.0; 4]), (vec![3], vec![0.0; 3])] {
        let wrong = ask(&server, "sandboxed", &shape, &data);
        let text = format!("input `x`: expected shape [-1, 3], given {shape:?}");
        assert_eq!((wrong.status, wrong.error()), (400, text));
    }
    ask(&server, "sandboxed", &[1, 3], &[0.0; 3]).ok();

    let whole = layer();
    let at = server.starting.state.to_str().unwrap();
    let table: [(&[u8], &str); 3] = [
        (b"no ONNX model", "is no ONNX graph, or is cut short: "),
        (b"", "is no ONNX graph, or an empty one"),
        (
            &whole[..whole.len() / 2],
            "is no ONNX graph, or is cut short: ",
        ),
    ];
    let damaged = Folder::new();
    for (graph, text) in table {
        let manifest = pipeline("damaged", [sandboxed(&damaged, graph)]).to_string();
        let manifest = damaged.write("damaged.yaml", manifest);
        let refused = hotstage(["apply", "-f", manifest.to_str().unwrap(), "--state", at]).ended(3);
        let text = format!("spec.stages[0].files: file `model`: {text}");
        assert!(refused.stderr.contains(&text), "{}", refused.stderr);
        ask(&server, "sandboxed", &[1, 3], &[0.0; 3]).ok();
    }
    assert_eq!(server.get("/v2/models/damaged").status, 404);
}

/// Both give the same answers for this many rows.
#[track_caller]
fn agree(server: &Server, [model, native]: [&str; 2], shape: [usize; 2]) {
    let data: Vec<f64> = (0..shape[0] * shape[1])
        .map(|index| (index * 29 % 83) as f64 / 16.0 - 2.5)
        .collect();
    let answer = |model: &str| {
        ask(server, model, &shape, &data).ok().json()["outputs"]
            .as_array()
            .unwrap()
            .clone()
    };
    let (inside, outside) = (answer(model), answer(native));
    assert_eq!(inside.len(), outside.len());
    for (inside, outside) in inside.iter().zip(&outside) {
        assert_eq!(
            (&inside["name"], &inside["shape"]),
            (&outside["name"], &outside["shape"])
        );
        let numbers =
            |output: &Value| serde_json::from_value::<Vec<f64>>(output["data"].clone()).unwrap();
        // Sums in another order differ in their last bits.
        let close = |(inside, outside): (f64, f64)| {
            (inside - outside).abs() <= 1e-5 * outside.abs().max(1.0)
        };
        let (inside, outside) = (numbers(inside), numbers(outside));
        assert!(
            !inside.is_empty() && inside.iter().zip(&outside).all(|(a, b)| close((*a, *b))),
            "{inside:?}, {outside:?}"
        );
    }
}

/// Compiles the component before the server starts, because compiling takes longer than a server's
/// start may take.
fn compile(manifest: &Value) {
    let (folder, state) = (Folder::new(), state::warm());
    let manifest = folder.write("m.yaml", manifest.to_string());
    let mut check = program();
    check
        .arg("check")
        .arg("-f")
        .arg(manifest)
        .arg("--state")
        .arg(state.path())
        .arg("--components")
        .arg(components());
    let output = check.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    state::harvest(state.path());
}
