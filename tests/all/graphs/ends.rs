//! Cancellation of a request's branches, and the effect of a member's failure.

use serde_json::json;

use super::graph;
use crate::guests::{data, request};
use crate::harness::admin::Admin;
use crate::harness::command::hotstage;
use crate::harness::manifest::{With as _, model, pipeline};
use crate::harness::server::{Server, Setup};

#[test]
fn a_soft_members_failure_is_left_out_and_a_hard_ones_is_the_answer() {
    let ensemble = |soft: bool| {
        json!([{
            "name": "both", "merge": { "y": "max" },
            "ensemble": [
                { "pipeline": "traps", "version": "1", "soft": soft }, { "pipeline": "echo", "version": "1" },
            ],
        }])
    };
    let alone = json!([{
        "name": "alone", "merge": { "y": "first" },
        "ensemble": [{ "pipeline": "traps", "version": "1", "soft": true }],
    }]);
    let server = Setup::of([
        pipeline("traps", [model("traps")]),
        pipeline("echo", [model("echo")]),
        graph("soft", &ensemble(true)),
        graph("hard", &ensemble(false)),
        graph("alone", &alone),
    ])
    .start();
    for name in ["soft", "hard", "alone"] {
        assert_eq!(data(&server.ask(&request(name, &[1.0]))), [1.0], "{name}");
    }
    let soft = server.ask(&request("soft", &[13.0]));
    assert_eq!(
        soft.header("hotstage-asked"),
        Some("both=traps/1 (stage_trapped)")
    );
    assert_eq!(data(&soft), [13.0]);
    for name in ["hard", "alone"] {
        let failed = server.ask(&request(name, &[13.0]));
        assert_eq!(
            (failed.status, failed.header("hotstage-failure")),
            (500, Some("stage_trapped")),
            "{name}"
        );
        assert_eq!(failed.header("hotstage-pipeline"), Some(name));
    }
}

#[test]
fn a_soft_member_that_is_late_is_left_out_and_a_hard_one_is_not_waited_for() {
    let ensemble = |soft: bool| {
        let slow = json!({ "pipeline": "spins", "version": "1", "soft": soft, "timeout": "100ms" });
        let mut graph = graph(
            if soft { "soft" } else { "hard" },
            &json!([{
                "name": "both", "merge": { "y": "max" },
                "ensemble": [{ "pipeline": "echo", "version": "1" }, slow],
            }]),
        );
        graph["spec"]["deadline"] = json!("50s");
        graph
    };
    let alone =
        json!([{ "name": "alone", "pipeline": "spins", "version": "1", "timeout": "100ms" }]);
    let limits = json!({ "time": "60s", "instances": 1 });
    let server = Setup::of([
        pipeline("echo", [model("echo")]),
        pipeline("spins", [model("spins").with("limits", limits)]),
        ensemble(true),
        ensemble(false),
        graph("alone", &alone),
    ])
    .start();
    for _ in 0..3 {
        let soft = server.ask(&request("soft", &[13.0]));
        assert_eq!(data(&soft), [13.0]);
        assert_eq!(
            soft.header("hotstage-asked"),
            Some("both=spins/1 (deadline_exceeded)")
        );
    }
    // The member's only instance is free each time, because its call is cancelled.
    assert_eq!(data(&server.ask(&request("spins", &[1.0]))), [1.0]);
    assert_eq!(data(&server.ask(&request("soft", &[1.0]))), [1.0]);
    for (name, node) in [("hard", "both"), ("alone", "alone")] {
        let late = server.ask(&request(name, &[13.0]));
        assert_eq!(
            (late.status, late.header("hotstage-failure")),
            (504, Some("deadline_exceeded")),
            "{name}"
        );
        assert_eq!(
            late.error(),
            format!("spins/1 in node `{node}` took longer than its timeout of 100ms")
        );
    }
    let failed =
        r#"hotstage_requests_total{pipeline="spins",version="1",outcome="deadline_exceeded"}"#;
    assert_eq!(server.metrics().value(failed), 5.0);
    let at = server.starting.state.to_str().unwrap();
    let described = hotstage(["describe", "soft", "--state", at])
        .ended(0)
        .stdout;
    for part in [
        "hard",
        "soft, within 100 ms",
        "y max",
        "spec.nodes[0].ensemble[1]",
    ] {
        assert!(described.contains(part), "{part}: {described}");
    }
    let about = Admin::of(&server).get("/v1/models/soft/versions/1");
    let member = &about["nodes"][0]["members"][1];
    assert_eq!(
        (&member["soft"], &member["timeout_ms"]),
        (&json!(true), &json!(100.0)),
        "{about}"
    );
}

/// A member that spins, with at most one concurrent call.
fn spinning(deadline: Option<&str>) -> Server {
    let limits = json!({ "time": "60s", "instances": 1 });
    let mut graph = graph(
        "g",
        &json!([{
            "name": "both", "merge": { "y": "max" },
            "ensemble": [{ "pipeline": "echo", "version": "1" }, { "pipeline": "spins", "version": "1" }],
        }]),
    );
    if let Some(deadline) = deadline {
        graph["spec"]["deadline"] = json!(deadline);
    }
    Setup::of([
        pipeline("echo", [model("echo")]),
        pipeline("spins", [model("spins").with("limits", limits)]),
        graph,
    ])
    .start()
}

#[test]
fn a_deadline_bounds_every_branch_and_ends_what_still_runs() {
    let server = spinning(Some("300ms"));
    assert_eq!(data(&server.ask(&request("g", &[2.0]))), [2.0]);
    let late = server.ask(&request("g", &[13.0]));
    assert_eq!(
        (late.status, late.header("hotstage-failure")),
        (504, Some("deadline_exceeded")),
        "{}",
        late.text()
    );
    assert_eq!(
        late.error(),
        "graph `g` took longer than its deadline of 300ms"
    );
    // Otherwise its only instance would be busy for a minute.
    assert_eq!(data(&server.ask(&request("spins", &[1.0]))), [1.0]);
    assert_eq!(data(&server.ask(&request("g", &[2.0]))), [2.0]);
}

#[test]
fn a_disconnected_client_cancels_every_branch() {
    let server = spinning(None);
    let waiting = r#"hotstage_requests_total{pipeline="echo",version="1",outcome="answered"}"#;
    let mut connection = server.connect();
    connection.send(&request("g", &[13.0]).bytes());
    // One member has answered, so the other one runs.
    crate::harness::eventually("the graph has begun", || {
        server.metrics().value(waiting) >= 1.0
    });
    drop(connection);
    assert_eq!(data(&server.ask(&request("spins", &[1.0]))), [1.0]);
}
