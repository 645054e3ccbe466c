//! Opening a graph: its signature, or the error.

use hotstage_sdk::testing::open_model;
use hotstage_sdk::{Datatype, Files, any, size};
use prost::Message;
use serde_json::json;
use tract_onnx::pb::tensor_proto::{DataLocation, DataType};
use tract_onnx::pb::{FunctionProto, TensorProto};

use super::{Builder, affine};
use crate::Onnx;

fn refusal_of(bytes: &[u8]) -> String {
    open_model::<Onnx>(json!({}), Files::from_map([("model", bytes)]))
        .unwrap_err()
        .to_string()
}

#[test]
fn a_signature_is_the_graphs_own() {
    let bench = affine().open();
    let signature = bench.signature();
    let [input] = &*signature.inputs else {
        panic!("{signature:?}")
    };
    assert_eq!(
        (input.name.as_str(), input.datatype, &*input.shape),
        ("x", Datatype::Fp32, &[any(), size(2)][..])
    );
    let [output] = &*signature.outputs else {
        panic!("{signature:?}")
    };
    assert_eq!(
        (output.name.as_str(), output.datatype, &*output.shape),
        ("y", Datatype::Fp32, &[any(), size(3)][..])
    );
}

#[test]
fn weights_that_are_listed_as_inputs_are_no_inputs() {
    let bench = affine().input("w", DataType::Float, &["2", "3"]).open();
    assert_eq!(bench.signature().inputs.len(), 1);
}

#[test]
fn an_output_without_a_shape_gets_the_one_that_is_computed() {
    let forget = |builder: Builder| {
        builder.change(|model| {
            let output = &mut model.graph.as_mut().unwrap().output[0];
            let Some(tract_onnx::pb::type_proto::Value::TensorType(tensor)) =
                &mut output.r#type.as_mut().unwrap().value
            else {
                panic!("no tensor");
            };
            tensor.shape = None;
        })
    };
    assert_eq!(
        forget(affine()).open().signature().outputs[0].shape,
        [any(), size(3)]
    );
    let fixed = Builder::new()
        .input("x", DataType::Float, &["2"])
        .node("Relu", &["x"], "y");
    let fixed = fixed.output("y", DataType::Float, &["2"]);
    assert_eq!(forget(fixed).open().signature().outputs[0].shape, [size(2)]);
}

#[test]
fn outputs_are_picked_by_name_and_order() {
    let graph = affine()
        .node("Relu", &["y"], "z")
        .output("z", DataType::Float, &["rows", "3"]);
    let names = |outputs: &[&str]| {
        let bench = graph.open_with(json!({ "outputs": outputs })).unwrap();
        bench
            .signature()
            .outputs
            .iter()
            .map(|port| port.name.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&["z"]), ["z"]);
    assert_eq!(names(&[]), ["y", "z"]);
    assert_eq!(names(&["z", "y"]), ["z", "y"]);
    let refusal = |outputs: &[&str]| {
        graph
            .open_with(json!({ "outputs": outputs }))
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        refusal(&["y", "q"]),
        "settings.outputs[1]: the graph has no output `q`; it has `y`, `z`"
    );
    assert_eq!(
        refusal(&["y", "y"]),
        "settings.outputs[1]: `y` is named twice"
    );
}

#[test]
fn the_file_may_go_by_another_key() {
    let files = || Files::from_map([("net", affine().0.encode_to_vec())]);
    open_model::<Onnx>(json!({ "file": "net" }), files()).unwrap();
    let error = open_model::<Onnx>(json!({}), files())
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "no file `model`: add it to the stage's `files` in the manifest; given: `net`"
    );
}

#[test]
fn settings_of_the_native_component_are_taken_or_refused_by_name() {
    let open = |settings| affine().open_with(settings);
    open(json!({ "engine": "auto", "threads": 1, "providers": ["cpu"] })).unwrap();
    open(json!({ "engine": "tract" })).unwrap();
    let refusal = |settings| open(settings).unwrap_err().to_string();
    let text = "settings.engine: `onnxruntime` runs outside the sandbox; take the component `onnx`, or `tract` here";
    assert_eq!(refusal(json!({ "engine": "onnxruntime" })), text);
    let text =
        "settings.threads: 4; the sandbox has one thread: set 1, or take the component `onnx`";
    assert_eq!(refusal(json!({ "threads": 4 })), text);
    let text = "settings.providers[1]: `cuda` is outside the sandbox; set [cpu], or take the component `onnx`";
    assert_eq!(refusal(json!({ "providers": ["cpu", "cuda"] })), text);
    let text = "settings.concurrency: 2; calls at once run in instances of their own: set `limits.instances`";
    assert_eq!(refusal(json!({ "concurrency": 2 })), text);
}

#[test]
fn other_files_are_refused() {
    assert_eq!(
        refusal_of(b""),
        "file `model`: is no ONNX graph, or an empty one"
    );
    assert!(refusal_of(b"PK\x03\x04 a zip file").starts_with("file `model`: is no ONNX graph"));
    assert!(refusal_of(b"{\"a\": 1}").starts_with("file `model`: is no ONNX graph"));
}

#[test]
fn a_file_that_was_cut_short_or_damaged_never_panics() {
    let whole = affine().0.encode_to_vec();
    for length in 0..whole.len() {
        let text = refusal_of(&whole[..length]);
        assert!(text.starts_with("file `model`: "), "{length}: {text}");
    }
    for index in 0..whole.len() {
        for flipped in [0x01, 0x40, 0xff] {
            let mut bytes = whole.clone();
            bytes[index] ^= flipped;
            let _ = open_model::<Onnx>(json!({}), Files::from_map([("model", bytes)]));
        }
    }
}

#[test]
fn an_operator_that_is_not_known_is_named() {
    let builder = affine().node("Frobnicate", &["y"], "z");
    let text = "file `model`: node `the_frobnicate` (Frobnicate) needs the operator `Frobnicate` of the domain \
                `ai.onnx`, not known; take the component `onnx`, or export the model without it";
    assert_eq!(builder.refusal(), text);
    let of_a_domain = affine().change(|model| {
        let node = &mut model.graph.as_mut().unwrap().node[1];
        (node.domain, node.name) = ("com.example".to_owned(), String::new());
    });
    let text = "file `model`: node `y` (Add) needs the operator `Add` of the domain `com.example`, not known; take the \
                component `onnx`, or export the model without it";
    assert_eq!(of_a_domain.refusal(), text);
    let function = FunctionProto {
        name: Some("Frobnicate".to_owned()),
        ..Default::default()
    };
    let text = builder
        .change(|model| model.functions.push(function))
        .refusal();
    assert!(
        text.ends_with("it is a function of the model's own: inline it with `onnx.inliner`"),
        "{text}"
    );
}

#[test]
fn an_operator_set_that_is_not_known_is_refused() {
    let text = affine()
        .change(|model| model.opset_import[0].version = 99)
        .refusal();
    let expected = "file `model`: needs version 99 of ONNX's operators (its opset), and 7 to 24 are known; convert it \
                    with `onnx.version_converter`, or export it again";
    assert_eq!(text, expected);
    let text = affine()
        .change(|model| model.opset_import.clear())
        .refusal();
    let expected =
        "file `model`: does not say which version of ONNX's operators (which opset) it needs";
    assert_eq!(text, expected);
}

#[test]
fn weights_in_another_file_are_refused() {
    let text = affine().change(|model| {
        model.graph.as_mut().unwrap().initializer[0].data_location =
            Some(DataLocation::External as i32);
    });
    let expected = "file `model`: keeps the weights `w` in another file, and a stage can't follow paths; save it \
                    whole, with `onnx.save_model(…, save_as_external_data=False)`";
    assert_eq!(text.refusal(), expected);
}

#[test]
fn weights_of_another_size_than_they_say_are_refused() {
    let text = affine()
        .change(|model| model.graph.as_mut().unwrap().initializer[0].dims = vec![2, 4])
        .refusal();
    assert!(text.starts_with("file `model`: "), "{text}");
}

#[test]
fn dangling_names_are_refused() {
    let text = affine().node("Relu", &["lost"], "z").refusal();
    let expected = "file `model`: node `the_relu` (Relu) reads `lost`, which no node before it makes; the file is damaged";
    assert_eq!(text, expected);
    let text = affine().output("z", DataType::Float, &["3"]).refusal();
    assert_eq!(
        text,
        "file `model`: has an output `z` that no node makes; the file is damaged"
    );
    let text = affine().node("Relu", &["x"], "y").refusal();
    assert_eq!(
        text,
        "file `model`: node `the_relu` (Relu) makes `y`, which exists already"
    );
    let text = affine()
        .change(|model| model.graph.as_mut().unwrap().output.clear())
        .refusal();
    assert_eq!(text, "file `model`: has no output");
}

#[test]
fn shapes_that_can_not_go_together_are_refused_when_they_are_known() {
    let graph = Builder::new()
        .input("x", DataType::Float, &["4", "5"])
        .floats("w", &[2, 3], &[0.0; 6])
        .node("MatMul", &["x", "w"], "y")
        .output("y", DataType::Float, &["4", "3"]);
    let text = graph.refusal();
    assert!(
        text.starts_with("file `model`: ") && text.contains("the_matmul"),
        "{text}"
    );
}

#[test]
fn datatypes_that_no_tensor_has_are_refused() {
    let text = Builder::new()
        .input("x", DataType::Bfloat16, &["2"])
        .node("Relu", &["x"], "y");
    let text = text.output("y", DataType::Bfloat16, &["2"]).refusal();
    let expected = "file `model`: the input `x` is of BFLOAT16, which is not known here; cast it to FLOAT in the graph";
    assert_eq!(text, expected);
    let text = affine()
        .change(|model| model.graph.as_mut().unwrap().output[0].r#type = None)
        .refusal();
    assert!(
        text.starts_with("file `model`: the output `y` is no tensor; "),
        "{text}"
    );
}

#[test]
fn random_operators_need_a_seed() {
    let text = affine()
        .node("RandomUniformLike", &["x"], "z")
        .output("z", DataType::Float, &["rows", "2"])
        .refusal();
    let expected = "file `model`: node `the_randomuniformlike` (RandomUniformLike) draws lots without a `seed`; a \
                    stage answers the same each time: set one";
    assert_eq!(text, expected);
}

#[test]
fn sparse_weights_are_refused() {
    let values = TensorProto {
        name: "s".to_owned(),
        ..Default::default()
    };
    let sparse = tract_onnx::pb::SparseTensorProto {
        values: Some(values),
        ..Default::default()
    };
    let text = affine()
        .change(|model| {
            model
                .graph
                .as_mut()
                .unwrap()
                .sparse_initializer
                .push(sparse);
        })
        .refusal();
    let expected = "file `model`: holds the weights `s` in a sparse form, which is not known; store them densely";
    assert_eq!(text, expected);
}
