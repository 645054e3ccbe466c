//! The component without a server: its settings, and the order of tensors.

use hotstage_sdk::{Datatype, Tensor, any, testing};
use serde_json::json;

use super::*;

fn refused(settings: serde_json::Value) -> String {
    testing::open_model::<Onnx>(settings, Files::none())
        .unwrap_err()
        .to_string()
}

#[test]
fn invalid_settings_are_named() {
    assert!(refused(json!({ "threads": 0 })).starts_with("settings.threads: is 0"));
    assert!(refused(json!({ "concurrency": 0 })).starts_with("settings.concurrency: is 0"));
    assert!(
        refused(json!({ "outputs": ["a", "b", "a"] })).starts_with("settings.outputs[2]: is `a`")
    );
    assert!(refused(json!({ "engine": "tflite" })).contains("settings.engine"));
}

#[test]
fn an_error_of_opening_names_the_file_or_the_setting() {
    let settings = |text: &str| serde_json::from_str::<Settings>(text).unwrap();
    let missing = GraphError::Unavailable("ONNX Runtime was not found".to_owned());
    assert_eq!(
        settings("{}").explain(&missing),
        OpenError::settings("settings.engine: ONNX Runtime was not found")
    );
    let absent = GraphError::Unavailable("no `cuda` here".to_owned());
    assert_eq!(
        settings(r#"{ "providers": ["cuda"] }"#).explain(&absent),
        OpenError::settings("settings.providers: no `cuda` here")
    );
    let broken = GraphError::Refused("no ONNX model".to_owned());
    assert_eq!(
        settings(r#"{ "file": "net" }"#).explain(&broken),
        OpenError::file("`net`: no ONNX model")
    );
}

#[test]
fn tensors_pass_in_the_order_of_the_graph() {
    let signature = Signature::new()
        .input("a", Datatype::Fp32, [any()])
        .input("b", Datatype::Fp32, [any()])
        .output("first", Datatype::Fp32, [any()])
        .output("second", Datatype::Fp32, [any()]);
    graphs::stand_in("net", signature, |mut inputs| {
        inputs.reverse();
        Ok(inputs)
    });
    let mut bench = testing::open_model::<Onnx>(json!({ "file": "net" }), Files::none()).unwrap();
    let (a, b) = (
        Tensor::f32(&[1], [1.0]).unwrap(),
        Tensor::f32(&[2], [2.0, 3.0]).unwrap(),
    );
    let answer = bench.call([("a", a), ("b", b)]).unwrap();
    assert_eq!(
        answer.get("first").unwrap().as_f32().unwrap().as_slice(),
        Some(&[2.0, 3.0][..])
    );
    assert_eq!(
        answer.get("second").unwrap().as_f32().unwrap().as_slice(),
        Some(&[1.0][..])
    );
}
