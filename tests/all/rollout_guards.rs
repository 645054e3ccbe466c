//! Rollouts: their time and samples, failures behind an open circuit, and the results that they
//! keep.

use std::time::Duration;

use serde_json::{Value, json};

use super::guests::request;
use crate::harness::admin::{Admin, one, times};
use crate::harness::command::hotstage;
use crate::harness::http::{Request, Response};
use crate::harness::manifest::{model, version};
use crate::harness::server::{Server, Setup};
use crate::harness::state::warm;
use crate::harness::{eventually, pause};

fn document(kind: &str, spec: &Value) -> Value {
    json!({ "apiVersion": "hotstage.dev/v1", "kind": kind, "metadata": { "name": "m" }, "spec": spec })
}

fn route() -> Value {
    document("Route", &json!({ "split": [{ "version": "1" }] }))
}

/// With a circuit that stays open.
fn with_circuit() -> Value {
    let fallback = json!({ "version": "1", "circuit": { "failures": 5, "open": "1h" } });
    let split = json!([{ "version": "1", "weight": 100 }, { "version": "2", "weight": 0 }]);
    document("Route", &json!({ "split": split, "fallback": fallback }))
}

fn start(admin: &Admin, spec: &Value) -> Response {
    admin.post(
        "/v1/rollouts",
        &json!({ "document": document("Rollout", spec).to_string(), "file": "r.yaml" }),
    )
}

fn steer(admin: &Admin, order: &str) -> Response {
    admin.post("/v1/models/m/rollout", &json!({ "order": order }))
}

fn status(admin: &Admin) -> Value {
    admin.get("/v1/models/m/rollout")
}

fn ask(server: &Server, times: u32) {
    let (mut connection, ask) = (
        server.connect(),
        Request::post("/v2/models/m/infer", one(1.0).to_string()),
    );
    (0..times).for_each(|_| drop(connection.ask(&ask).ok()));
}

/// A version that always fails, behind a route.
fn failing(route: Value) -> Server {
    let guest = |name: &str, as_version: &str| version("m", as_version, [model(name)]);
    Setup::of([guest("echo", "1"), guest("fails_internal", "2"), route]).start()
}

#[test]
fn a_rollout_right_after_another_with_the_same_plan_begins_at_zero() {
    let server = Setup::of([times("m", "1", 2.0), times("m", "2", 4.0), route()]).start();
    let admin = Admin::of(&server);
    let guards = json!([{ "errors": 0.01, "min_samples": 20 }]);
    let plan = json!({ "to": "2", "percent": 90, "bake": "1ms", "guards": guards });
    for end in ["abort", "promote", "abort"] {
        start(&admin, &plan).ok();
        steer(&admin, "pause").ok();
        ask(&server, 60);
        eventually("it has seen enough and waits", || {
            status(&admin)["guards"][0]["state"] == "holds"
        });
        steer(&admin, end).ok();
        if end == "promote" {
            admin.apply(&[route()]).ok();
        }
        start(&admin, &plan).ok();
        // Several measurements later.
        eventually("its step has lasted a while", || {
            let now = status(&admin);
            assert_eq!(
                (&now["phase"], &now["guards"][0]["samples"]),
                (&json!("running"), &json!(0)),
                "{now}"
            );
            now["baked_ms"].as_u64().is_some_and(|baked| baked >= 500)
        });
        let now = status(&admin);
        assert_eq!(now["started"], now["revision"]);
        ask(&server, 60);
        eventually("it is promoted by samples of its own", || {
            status(&admin)["phase"] == "promoted"
        });
        admin.apply(&[route()]).ok();
    }
}

#[test]
fn a_circuit_does_not_hide_a_version_that_fails() {
    let server = failing(with_circuit());
    let admin = Admin::of(&server);
    start(&admin, &json!({ "to": "2", "percent": 50, "bake": "1h" })).ok();
    let (mut connection, ask) = (server.connect(), request("m", &[13.0]));
    eventually("it is taken back", || {
        (0..20).for_each(|_| drop(connection.ask(&ask).ok()));
        status(&admin)["phase"] != "running"
    });
    let ended = status(&admin);
    assert_eq!(ended["phase"], "rolled_back", "{ended}");
    assert!(
        ended["reason"]
            .as_str()
            .unwrap()
            .starts_with("guard `errors`: errors was 100.00 % of "),
        "{ended}"
    );
    let met = admin.get("/v1/models/m")["versions"][1].clone();
    assert!(
        met["failed"].as_u64().unwrap() < 100,
        "the circuit kept nearly all from it: {met}"
    );
}

#[test]
fn a_step_without_enough_data_waits_and_says_so() {
    let server = failing(with_circuit());
    let admin = Admin::of(&server);
    let guards = json!([{ "errors": 0.01, "min_samples": 1_000_000, "window": "100ms" }]);
    start(
        &admin,
        &json!({ "to": "2", "percent": 50, "bake": "1ms", "guards": guards }),
    )
    .ok();
    let blocked = || {
        status(&admin)["blocked"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let nothing = "can't be judged: guard `errors` has 0 of 1000000 samples in ";
    eventually("it says that nothing comes", || {
        blocked().starts_with(nothing)
    });
    assert!(!blocked().contains("circuit"), "{}", blocked());
    (0..40).for_each(|_| drop(server.ask(&request("m", &[13.0])).ok()));
    eventually("it says that its circuit is open", || {
        blocked().ends_with(", circuit open")
    });
    let at = server.starting.state.to_str().unwrap();
    let shown = hotstage(["rollout", "status", "m", "--state", at])
        .ended(0)
        .stdout;
    assert!(
        shown.contains("blocked") && shown.contains("circuit open"),
        "{shown}"
    );
    pause(Duration::from_millis(300));
    assert_eq!(status(&admin)["phase"], "running");
}

#[test]
fn a_finished_rollout_keeps_the_results_of_its_steps() {
    let state = warm();
    let server = Setup::of([times("m", "1", 2.0), times("m", "2", 4.0), route()])
        .state(state.path())
        .start();
    let admin = Admin::of(&server);
    let steps = json!([{ "percent": 50, "bake": "1ms" }, { "percent": 90, "bake": "200ms" }]);
    let guards = json!([{ "errors": 0.5, "min_samples": 30 }]);
    start(
        &admin,
        &json!({ "to": "2", "steps": steps, "guards": guards }),
    )
    .ok();
    eventually("it is over", || {
        ask(&server, 20);
        status(&admin)["phase"] == "promoted"
    });
    server.stop();
    let server = Setup::of([]).state(state.path()).start();
    let admin = Admin::of(&server);
    let ended = status(&admin);
    let guard = &ended["guards"][0];
    assert_eq!(
        (&guard["state"], &guard["value"]),
        (&json!("holds"), &json!(0.0)),
        "{ended}"
    );
    assert!(
        guard["samples"].as_u64().unwrap() >= 30
            && guard["shown"]
                .as_str()
                .unwrap()
                .starts_with("0.00 % (0.00 % to")
    );
    let past = ended["past"].as_array().unwrap();
    assert_eq!(past.len(), 2, "{ended}");
    for (number, reason) in [(1, "step 1 held"), (2, "every step held")] {
        check_step(&admin, &past[number - 1], number, reason);
    }
    assert!(
        past[1]["evidence"]["baked_ms"].as_u64().unwrap() >= 200,
        "{ended}"
    );
    let run = |words: &str| {
        let words = words
            .split(' ')
            .chain(["--state", state.path().to_str().unwrap()]);
        hotstage(words).ended(0).stdout
    };
    let shown = run("rollout status m");
    assert!(
        shown.contains("steps that have ended") && shown.contains("2, 90%"),
        "{shown}"
    );
    let shown = run(&format!("history {}", past[1]["revision"]));
    assert!(
        shown.contains("step 2 baked") && shown.contains("errors: 0.00 % (0.00 % to"),
        "{shown}"
    );
}

/// A finished step: its guard's result, and the revision that records it.
#[track_caller]
fn check_step(admin: &Admin, step: &Value, number: usize, reason: &str) {
    let evidence = &step["evidence"];
    assert_eq!(
        (&evidence["step"], &step["reason"]),
        (&json!(number), &json!(reason))
    );
    let found = &evidence["guards"][0];
    assert!(found["samples"].as_u64().unwrap() >= 30, "{step}");
    let [low, high] = ["low", "high"].map(|key| found[key].as_f64().unwrap());
    assert!(low <= 0.0 && high > 0.0 && high < 0.5, "{step}");
    let revision = admin.get(&format!("/v1/revisions/{}", step["revision"]));
    let changes = revision["changes"].as_array().unwrap();
    let kept = changes
        .iter()
        .find(|change| change["what"] == "rollout")
        .unwrap();
    assert_eq!(&kept["evidence"], evidence);
}

#[test]
fn results_of_a_breach_and_of_an_abort_are_kept() {
    let server = failing(route());
    let admin = Admin::of(&server);
    let spec = |min_samples: u32| {
        let guards = json!([{ "errors": 0.05, "min_samples": min_samples }]);
        json!({ "to": "2", "percent": 50, "bake": "1h", "guards": guards })
    };
    start(&admin, &spec(10)).ok();
    eventually("it is taken back", || {
        server.ask(&request("m", &[13.0]));
        status(&admin)["phase"] == "rolled_back"
    });
    let found = status(&admin)["past"][0]["evidence"]["guards"][0].clone();
    assert_eq!(
        (&found["state"], &found["value"], &found["limit"]),
        (&json!("breached"), &json!(1.0), &json!(0.05))
    );
    assert!(
        found["low"].as_f64().unwrap() > 0.05 && found["samples"].as_u64().unwrap() >= 10,
        "{found}"
    );
    start(&admin, &spec(1000)).ok();
    eventually("it has seen some", || {
        server.ask(&request("m", &[13.0]));
        status(&admin)["guards"][0]["samples"]
            .as_u64()
            .is_some_and(|samples| samples >= 5)
    });
    steer(&admin, "abort").ok();
    let ended = status(&admin);
    assert_eq!(
        (&ended["phase"], ended["past"].as_array().unwrap().len()),
        (&json!("aborted"), 1),
        "{ended}"
    );
    assert!(
        ended["guards"][0]["samples"].as_u64().unwrap() >= 5
            && ended["guards"][0]["state"] == "waits",
        "{ended}"
    );
}

#[test]
fn the_command_line_has_every_key_of_the_document() {
    let server = Setup::of([times("m", "1", 2.0), times("m", "2", 4.0), route()]).start();
    let at = server.starting.state.to_str().unwrap();
    let run = |words: &[&str], code: i32| {
        let words = ["rollout", "start", "m", "--to", "2", "--state", at]
            .into_iter()
            .chain(words.iter().copied());
        hotstage(words).ended(code)
    };
    let guard = "metric=scale.score,min=0.3,window=30s,name=low";
    run(
        &[
            "--from",
            "1",
            "--steps",
            "0:1h,5:10m,50",
            "--labels",
            "stable,live",
            "--timeout",
            "2h",
            "--guard",
            guard,
        ],
        0,
    );
    let admin = Admin::of(&server);
    let spec = status(&admin)["manifest"]["spec"].clone();
    let steps = json!([
        { "percent": 0.0, "bake": "1h" }, { "percent": 5.0, "bake": "10m" }, { "percent": 50.0, "bake": "5m" },
    ]);
    let spec_steps =
        spec["steps"].as_array().unwrap().iter().map(
            |step| json!({ "percent": step["percent"].as_f64().unwrap(), "bake": step["bake"] }),
        );
    assert_eq!(spec_steps.collect::<Value>(), steps);
    assert_eq!(
        (&spec["labels"], &spec["timeout"], &spec["from"]),
        (&json!(["stable", "live"]), &json!("2h"), &json!("1"))
    );
    assert_eq!(
        (&spec["guards"][0]["name"], &spec["guards"][0]["window"]),
        (&json!("low"), &json!("30s"))
    );
    steer(&admin, "abort").ok();
    run(&["--labels", ""], 0);
    assert_eq!(status(&admin)["manifest"]["spec"]["labels"], json!([]));
    steer(&admin, "abort").ok();
    let refused = run(&["--steps", "ten"], 2).stderr;
    assert!(
        refused.contains("write its percent and its time"),
        "{refused}"
    );
    run(&["--steps", "5:1m", "--bake", "1m"], 2);
}

#[test]
fn without_a_route_it_says_what_is_missing() {
    let server = Setup::of([times("m", "1", 2.0), times("m", "2", 4.0)]).start();
    let at = server.starting.state.to_str().unwrap();
    let words = ["rollout", "start", "m", "--to", "2", "--state", at];
    let refused = hotstage(words).ended(3).stderr;
    for part in [
        "without a route",
        "--from 1",
        "a route that gives version `1` the share",
    ] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
    hotstage(words.into_iter().chain(["--from", "1"])).ended(0);
}
