//! The response cache: equal requests get the cached answer, and other requests do not.

use serde_json::{Value, json};

use super::onnx::floats;
use crate::harness::admin::Admin;
use crate::harness::http::Response;
use crate::harness::manifest::{model, pipeline};
use crate::harness::server::Setup;

/// Scales two columns, with or without the cache.
fn example(cache: bool) -> Value {
    let mut scale = json!({ "name": "scale", "role": "preprocess", "component": "scale" });
    scale["settings"] = json!({ "mean": [1, 1], "std": [2, 2] });
    let mut manifest = pipeline("m", [scale]);
    manifest["spec"]["cache"] = json!(cache);
    manifest
}

fn ask(server: &crate::harness::server::Server, data: [f64; 2]) -> (Option<String>, Value) {
    let request = json!({ "inputs": [floats("features", &[1, 2], &data)] });
    let response: Response = server.infer("m", &request).ok();
    (
        response.header("hotstage-cache").map(str::to_owned),
        response.json()["outputs"][0]["data"].clone(),
    )
}

#[test]
fn the_same_question_is_answered_once() {
    let server = Setup::of([example(true)]).start();
    let hit = Some("hit".to_owned());
    let miss = Some("miss".to_owned());
    assert_eq!(ask(&server, [1.0, 3.0]), (miss.clone(), json!([0.0, 1.0])));
    assert_eq!(ask(&server, [1.0, 3.0]), (hit, json!([0.0, 1.0])));
    assert_eq!(ask(&server, [1.0, 5.0]), (miss, json!([0.0, 2.0])));
    // A different encoding of the same tensor.
    let bytes: Vec<u8> = [1.0_f32, 5.0]
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect();
    let parameters = json!({ "binary_data_size": bytes.len() });
    let input = json!({ "name": "features", "shape": [1, 2], "datatype": "FP32", "parameters": parameters });
    let answer = server
        .infer_binary("m", &json!({ "inputs": [input] }), &[&bytes])
        .ok();
    assert_eq!(answer.header("hotstage-cache"), Some("hit"));
    let counted = |result: &str| {
        let series = format!(
            "hotstage_cache_requests_total{{pipeline=\"m\",version=\"1\",result=\"{result}\"}}"
        );
        server.metrics().value(&series)
    };
    assert_eq!((counted("hit"), counted("miss")), (2.0, 2.0));
}

#[test]
fn another_version_has_answers_of_its_own() {
    let server = Setup::of([example(true)]).start();
    ask(&server, [1.0, 3.0]);
    let mut next = example(true);
    next["metadata"]["version"] = json!("2");
    next["spec"]["stages"][0]["settings"]["std"] = json!([1, 1]);
    Admin::of(&server).apply(&[next]).ok();
    assert_eq!(
        ask(&server, [1.0, 3.0]),
        (Some("miss".to_owned()), json!([0.0, 2.0]))
    );
}

#[test]
fn failures_are_not_kept_and_nothing_is_without_being_asked_for() {
    let mut failing = pipeline("failing", [model("traps")]);
    failing["spec"]["cache"] = json!(true);
    let server = Setup::of([failing, example(false)]).start();
    for _ in 0..2 {
        let request = json!({ "inputs": [floats("x", &[1], &[13.0])] });
        assert_eq!(server.infer("failing", &request).status, 500);
    }
    let missed = r#"hotstage_cache_requests_total{pipeline="failing",version="1",result="miss"}"#;
    assert_eq!(server.metrics().value(missed), 2.0);
    assert_eq!(ask(&server, [1.0, 3.0]).0, None);
    let off = Setup::of([example(true)])
        .args("--response-cache 0")
        .start();
    assert_eq!(ask(&off, [1.0, 3.0]).0, None);
}
