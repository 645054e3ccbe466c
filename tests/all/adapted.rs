//! Variants whose signature differs from the route's, used through an adapter that the route
//! defines.

use serde_json::{Value, json};

use super::guests::request;
use crate::harness::admin::{Admin, one, scale, times};
use crate::harness::eventually;
use crate::harness::http::{Request, Response};
use crate::harness::manifest::{With as _, model, version};
use crate::harness::server::{Server, Setup};

/// Version 2 multiplies by 4. Its input is `x`, its output `y`, and another output `z` comes before
/// `y`.
fn other() -> Value {
    let first = scale("first", 0.0, 1.0).with("inputs", json!({ "features": "request.x" }));
    let first = first.with("outputs", json!({ "features": "z" }));
    let second = scale("second", 0.0, 0.25).with("inputs", json!({ "features": "request.x" }));
    let mut other = version(
        "m",
        "2",
        [first, second.with("outputs", json!({ "features": "y" }))],
    );
    other["spec"]["outputs"] = json!(["z", "y"]);
    other
}

fn route(second: &Value, more: &Value) -> Value {
    let mut spec = json!({ "split": [{ "version": "1", "weight": 1 }, second], "pin": true });
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    json!({ "apiVersion": "hotstage.dev/v1", "kind": "Route", "metadata": { "name": "m" }, "spec": spec })
}

fn adapted() -> Value {
    json!({ "version": "2", "weight": 1, "inputs": { "x": "features" }, "outputs": { "y": "features" } })
}

fn ask(server: &Server, version: &str) -> Response {
    server
        .ask(
            &Request::post("/v2/models/m/infer", one(1.0).to_string())
                .header("hotstage-version", version),
        )
        .ok()
}

#[test]
fn a_route_reads_and_writes_as_its_first_version() {
    let server = Setup::of([times("m", "1", 2.0), other(), route(&adapted(), &json!({}))]).start();
    for (version, answer) in [("1", 2.0), ("2", 4.0)] {
        let response = ask(&server, version);
        assert_eq!(response.header("hotstage-version"), Some(version));
        let output =
            json!({ "name": "features", "datatype": "FP32", "shape": [1, 1], "data": [answer] });
        assert_eq!(response.json()["outputs"], json!([output]), "{version}");
        assert_eq!(response.json()["model_version"], version);
    }
    // Called directly, the version keeps its own signature.
    let request =
        json!({ "inputs": [{ "name": "x", "datatype": "FP32", "shape": [1, 1], "data": [1.0] }] });
    let direct = server
        .post("/v2/models/m/versions/2/infer", request.to_string())
        .ok()
        .json();
    assert_eq!(
        (&direct["outputs"][0]["name"], &direct["outputs"][1]["name"]),
        (&json!("z"), &json!("y"))
    );
    // An error uses the client's names.
    let wrong = one(1.0).to_string().replace("FP32", "INT32");
    let refused =
        server.ask(&Request::post("/v2/models/m/infer", wrong).header("hotstage-version", "2"));
    assert_eq!(refused.status, 400);
    assert!(refused.error().contains("features"), "{}", refused.error());
}

#[test]
fn a_mirror_uses_the_adapter() {
    let silent = json!({ "version": "2", "weight": 0, "inputs": { "x": "features" }, "outputs": { "y": "features" } });
    let more = json!({ "mirror": [{ "version": "2", "keep": 1 }] });
    let server = Setup::of([times("m", "1", 4.0), other(), route(&silent, &more)]).start();
    let admin = Admin::of(&server);
    ask(&server, "1");
    let mirror = || admin.get("/v1/models/m/mirrors")["mirrors"][0].clone();
    eventually("the copy is compared", || mirror()["compared"] == 1);
    // Both multiply by 4, so values agree as well as shapes.
    assert_eq!(
        (&mirror()["disagreed"], &mirror()["failed"]),
        (&json!(0), &json!(0))
    );
}

#[test]
fn a_fallback_uses_the_adapter() {
    let echo = model("echo")
        .with("inputs", json!({ "x": "request.q" }))
        .with("outputs", json!({ "y": "z" }));
    let second =
        json!({ "version": "2", "weight": 0, "inputs": { "q": "x" }, "outputs": { "z": "y" } });
    let spec = route(&second, &json!({ "fallback": { "version": "2" } }));
    let server = Setup::of([
        version("m", "1", [model("traps")]),
        version("m", "2", [echo]),
        spec,
    ])
    .start();
    let response = server.ask(&request("m", &[13.0])).ok();
    assert_eq!(
        response.header("hotstage-fallback"),
        Some("\"1\";because=stage_trapped")
    );
    assert_eq!(
        (
            response.header("hotstage-version"),
            &response.json()["outputs"][0]["name"]
        ),
        (Some("2"), &json!("y"))
    );
    assert_eq!(response.json()["outputs"][0]["data"], json!([13.0]));
}

#[test]
fn an_adapter_that_does_not_match_is_refused_with_the_available_names() {
    for (second, expect) in [
        (
            json!({ "version": "2" }),
            "version `2` has other inputs than version `1`: x FP32 [-1, 1] in place of features FP32 [-1, 1]; a \
             route's versions take and give the same, unless the split says under `inputs` and `outputs` how this one \
             stands in",
        ),
        (
            json!({ "version": "2", "inputs": { "x": "features" } }),
            "version `2` can't stand in: none of its outputs is the route's `features`; it has `z`, `y`; say which \
             under `outputs`",
        ),
        (
            json!({ "version": "2", "inputs": { "q": "features" } }),
            "version `2` can't stand in: `q` is none of its inputs; known: `x`",
        ),
    ] {
        let setup = Setup::of([times("m", "1", 2.0), other(), route(&second, &json!({}))]);
        let ended = setup.args("--require-all").try_start().err().unwrap();
        let errors = ended.stderr.concat();
        assert!(errors.contains(expect), "{errors}");
        assert!(errors.contains("spec.split[1].version"), "{errors}");
    }
}
