//! Metrics that stages observe: at `/metrics`, and as guards of a rollout.

use serde_json::{Value, json};

use crate::harness::admin::{Admin, one, times};
use crate::harness::eventually;
use crate::harness::http::Request;
use crate::harness::manifest::{With as _, pipeline, stage};
use crate::harness::server::{Server, Setup};

/// Returns its input as a score and observes it.
fn scoring(as_version: &str, factor: f64) -> Value {
    let label = json!({
        "name": "label", "role": "postprocess", "component": "labels",
        "settings": { "labels": ["no", "yes"], "input": "features", "observe_score": true },
    });
    let mut pipeline = times("m", as_version, factor);
    pipeline["spec"]["stages"]
        .as_array_mut()
        .unwrap()
        .push(label);
    pipeline
}

fn ask(server: &Server, many: usize) {
    for _ in 0..many {
        server
            .ask(&Request::post("/v2/models/m/infer", one(0.5).to_string()))
            .ok();
    }
}

#[test]
fn values_are_counted_and_summed_up() {
    let server = Setup::of([scoring("1", 1.0)]).start();
    ask(&server, 4);
    let metrics = server.metrics();
    let series =
        |name: &str| format!(r#"{name}{{pipeline="m",version="1",stage="label",metric="score"}}"#);
    assert_eq!(
        metrics.value(&series("hotstage_stage_metric_values_total")),
        4.0
    );
    assert_eq!(metrics.value(&series("hotstage_stage_metric_sum")), 2.0);
}

/// Golden tests and warm-up calls are not requests, and neither is opening an instance.
#[test]
fn a_fresh_server_has_counted_nothing() {
    let request =
        json!({ "inputs": [{ "name": "x", "datatype": "FP32", "shape": [1], "data": [0.5] }] });
    let text = json!({ "label": "one", "boxes": [{ "score": 0.5 }] }).to_string();
    let expect = json!({ "outputs": [{ "name": "out", "datatype": "BYTES", "shape": [1], "data": [text] }] });
    let mut manifest = pipeline(
        "reports",
        [stage("postprocess", "reports").with("limits", json!({ "instances": { "min": 2 } }))],
    );
    manifest["spec"]["tests"] = json!([{ "name": "t", "request": request, "expect": expect }]);
    let graph = json!({
        "apiVersion": "hotstage.dev/v1", "kind": "Graph", "metadata": { "name": "graph", "version": "1" },
        "spec": {
            "nodes": [{ "name": "only", "pipeline": "reports", "version": "1" }],
            "tests": [{ "name": "t", "request": request, "expect": expect }],
        },
    });
    let server = Setup::of([manifest, graph]).start();
    let series = |name: &str, more: &str| {
        format!(r#"hotstage_stage_{name}{{pipeline="reports",version="1",stage="reports"{more}}}"#)
    };
    let metrics = server.metrics();
    assert_eq!(
        metrics.value(&series("metric_values_total", r#",metric="seen""#)),
        0.0
    );
    assert_eq!(metrics.value(&series("duration_seconds_count", "")), 0.0);
    server.infer("reports", &request).ok();
    let metrics = server.metrics();
    assert_eq!(
        metrics.value(&series("metric_values_total", r#",metric="seen""#)),
        1.0
    );
    assert_eq!(
        metrics.value(&series("metric_sum", r#",metric="seen""#)),
        1.0
    );
    assert_eq!(metrics.value(&series("duration_seconds_count", "")), 1.0);
}

#[test]
fn a_rollout_guards_on_observed_metrics() {
    for (factor, phase, reason) in [
        (1.0, "promoted", "every step held"),
        (
            0.5,
            "rolled_back",
            "guard `label.score`: label.score was 0.2500 of ",
        ),
    ] {
        let server = Setup::of([scoring("1", 1.0), scoring("2", factor)]).start();
        let admin = Admin::of(&server);
        let metric = json!({ "stage": "label", "name": "score", "min": 0.4 });
        let guards = json!([{ "metric": metric, "min_samples": 5 }]);
        let spec = json!({ "to": "2", "from": "1", "percent": 100, "strategy": "all-at-once", "bake": "10ms" });
        let spec = spec.with("guards", guards);
        let document = json!({
            "apiVersion": "hotstage.dev/v1", "kind": "Rollout", "metadata": { "name": "m" }, "spec": spec,
        });
        admin
            .post(
                "/v1/rollouts",
                &json!({ "document": document.to_string(), "file": "r.yaml" }),
            )
            .ok();
        let rollout = || admin.get("/v1/models/m/rollout");
        // Values from before the first measurement do not count for the step.
        eventually("it is over", || {
            ask(&server, 5);
            rollout()["phase"] != "running"
        });
        let (ended, why) = (rollout(), rollout()["reason"].as_str().unwrap().to_owned());
        assert_eq!(
            (&ended["phase"], why.contains(reason)),
            (&json!(phase), true),
            "{why}"
        );
    }
}

#[test]
fn a_guard_on_a_stage_that_is_not_there_is_refused() {
    let server = Setup::of([scoring("1", 1.0), scoring("2", 1.0)]).start();
    let guard = json!({ "metric": { "stage": "lable", "name": "score", "max": 1 } });
    let spec = json!({ "to": "2", "from": "1", "guards": [guard] });
    let document = json!({ "apiVersion": "hotstage.dev/v1", "kind": "Rollout", "metadata": { "name": "m" }, "spec": spec });
    let body = json!({ "document": document.to_string(), "file": "r.yaml" });
    let refused = Admin::of(&server).post("/v1/rollouts", &body);
    assert_eq!(refused.status, 422);
    let expect = "version `2` has no stage `lable`; did you mean `label`?";
    assert!(refused.error().contains(expect), "{}", refused.error());
}
