//! Rollouts: a version gets its share step by step, loses it on failures, and no request is lost.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::guests::request;
use crate::harness::admin::{Admin, one, times};
use crate::harness::command::hotstage;
use crate::harness::http::{Request, Response};
use crate::harness::manifest::{model, version};
use crate::harness::server::{Server, Setup};
use crate::harness::state::{Folder, warm};
use crate::harness::{PATIENCE, pause};

fn document(kind: &str, spec: &Value) -> Value {
    json!({ "apiVersion": "hotstage.dev/v1", "kind": kind, "metadata": { "name": "m" }, "spec": spec })
}

/// Version 1 has all of the share.
fn route() -> Value {
    document(
        "Route",
        &json!({ "split": [{ "version": "1", "weight": 50 }] }),
    )
}

fn start(admin: &Admin, spec: &Value) -> Response {
    let document = document("Rollout", spec).to_string();
    admin.post(
        "/v1/rollouts",
        &json!({ "document": document, "file": "r.yaml" }),
    )
}

fn steer(admin: &Admin, order: &str) -> Response {
    admin.post("/v1/models/m/rollout", &json!({ "order": order }))
}

fn guest(name: &str, as_version: &str) -> Value {
    version("m", as_version, [model(name)])
}

/// Two versions that multiply, behind a route.
fn two() -> Setup {
    Setup::of([times("m", "1", 2.0), times("m", "2", 4.0), route()])
}

/// Sends `request` until the rollout is over; returns its result and the answers.
fn traffic(server: &Server, admin: &Admin, request: &Request) -> (Value, Vec<Response>) {
    let (over, began) = (AtomicBool::new(false), Instant::now());
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let (mut connection, mut answers) = (server.connect(), Vec::new());
            while !over.load(Relaxed) {
                answers.push(connection.ask(request));
            }
            answers
        });
        let ended = loop {
            let rollout = admin.get("/v1/models/m/rollout");
            if !["running", "paused"].contains(&rollout["phase"].as_str().unwrap()) {
                break rollout;
            }
            assert!(began.elapsed() < PATIENCE, "{rollout}");
            pause(Duration::from_millis(20));
        };
        over.store(true, Relaxed);
        (ended, asking.join().unwrap())
    })
}

fn split(admin: &Admin) -> Value {
    let route = admin.get("/v1/models/m")["route"].clone();
    let shares = route["split"].as_array().unwrap().iter();
    shares
        .map(|share| json!([share["version"], share["percent"]]))
        .collect()
}

#[test]
fn a_good_version_gets_all_of_the_share_step_by_step() {
    let server = two().start();
    let admin = Admin::of(&server);
    admin.label("m", "stable", "1").ok();
    let guards = json!([{ "errors": 0.0, "min_samples": 20 }, { "p99": "60s", "min_samples": 20 }]);
    let spec = json!({ "to": "2", "strategy": "linear", "percent": 40, "bake": "200ms", "guards": guards });
    start(&admin, &spec).ok();
    assert_eq!(split(&admin), json!([["1", 60.0], ["2", 40.0]]));
    let ask = Request::post("/v2/models/m/infer", one(1.0).to_string());
    let (ended, answers) = traffic(&server, &admin, &ask);
    assert_eq!(
        (&ended["phase"], &ended["reason"]),
        (&json!("promoted"), &json!("every step held")),
        "{ended}"
    );
    assert_eq!(split(&admin), json!([["1", 0.0], ["2", 100.0]]));
    assert_eq!(
        admin.get("/v1/models/m")["labels"],
        json!([{ "label": "stable", "version": "2" }])
    );
    let of = |version: &str| {
        answers
            .iter()
            .filter(|answer| answer.header("hotstage-version") == Some(version))
            .count()
    };
    assert!(of("1") > 0 && of("2") >= 60 && of("1") + of("2") == answers.len());
    assert!(answers.iter().all(|answer| answer.status == 200));
    let history = admin.get("/v1/revisions?limit=4")["revisions"].clone();
    let verbs: Vec<&str> = history
        .as_array()
        .unwrap()
        .iter()
        .map(|revision| revision["verb"].as_str().unwrap())
        .collect();
    assert_eq!(verbs, ["rollout"; 4]);
    assert_eq!(history[1]["reason"], "step 2 held");
    assert_eq!(history[1]["actor"], "rollout");
}

#[test]
fn a_version_that_fails_is_taken_back_within_a_second_and_nothing_else_fails() {
    let server = Setup::of([guest("echo", "1"), guest("fails_internal", "2"), route()]).start();
    let admin = Admin::of(&server);
    let before = admin.get("/v1/models/m")["route"]["digest"].clone();
    let guards = json!([{ "name": "five in a hundred", "errors": 0.05, "min_samples": 10, "window": "10s" }]);
    start(
        &admin,
        &json!({ "to": "2", "percent": 20, "bake": "1h", "guards": guards }),
    )
    .ok();
    let (ended, answers) = traffic(&server, &admin, &request("m", &[13.0]));
    assert_eq!(ended["phase"], "rolled_back", "{ended}");
    let reason = ended["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("guard `five in a hundred`: errors was 100.00 % of"),
        "{reason}"
    );
    assert_eq!(admin.get("/v1/models/m")["route"]["digest"], before);
    for answer in &answers {
        let by = answer.header("hotstage-version").unwrap();
        assert_eq!(answer.status, if by == "1" { 200 } else { 500 });
    }
    assert_eq!(server.ask(&request("m", &[13.0])).status, 200);
    // Applying the same document again keeps the rollout; starting it again is a new attempt.
    let again = document(
        "Rollout",
        &json!({ "to": "2", "percent": 20, "bake": "1h", "guards": guards }),
    );
    assert_eq!(
        admin.apply(&[again]).ok().json()["unchanged"],
        json!(["rollout m"])
    );
    start(
        &admin,
        &json!({ "to": "2", "percent": 20, "bake": "1h", "guards": guards }),
    )
    .ok();
    assert_eq!(split(&admin), json!([["1", 80.0], ["2", 20.0]]));
}

#[test]
fn a_mirror_detects_a_bad_version_before_it_answers() {
    let server = two().start();
    let admin = Admin::of(&server);
    let guards = json!([{ "disagreement": 0.1, "tolerance": 0.5, "min_samples": 10 }]);
    start(
        &admin,
        &json!({ "to": "2", "strategy": "mirror-first", "bake": "1h", "guards": guards }),
    )
    .ok();
    let ask = Request::post("/v2/models/m/infer", one(1.0).to_string());
    let (ended, answers) = traffic(&server, &admin, &ask);
    assert_eq!(ended["phase"], "rolled_back", "{ended}");
    assert!(
        ended["reason"]
            .as_str()
            .unwrap()
            .contains("disagreement was 100.00 %"),
        "{ended}"
    );
    assert!(
        answers
            .iter()
            .all(|answer| answer.header("hotstage-version") == Some("1"))
    );
    assert_eq!(split(&admin), json!([["1", 100.0]]));
}

#[test]
fn it_pauses_resumes_and_ends_on_command_and_owns_the_route() {
    let server = two().start();
    let admin = Admin::of(&server);
    let ten = json!({ "to": "2", "bake": "1h" });
    start(&admin, &ten).ok();
    let under_way = start(&admin, &json!({ "to": "1" }));
    assert_eq!(under_way.status, 409, "{}", under_way.text());
    assert!(
        under_way
            .error()
            .contains("a rollout of `m` to version `2` is under way"),
        "{}",
        under_way.error()
    );
    for refused in [admin.apply(&[route()]), admin.delete("/v1/models/m/route")] {
        assert_eq!(refused.status, 409, "{}", refused.text());
        assert!(
            refused.error().contains("promote or abort it first"),
            "{}",
            refused.error()
        );
    }
    steer(&admin, "pause").ok();
    assert_eq!(admin.get("/v1/models/m/rollout")["phase"], "paused");
    assert_eq!(steer(&admin, "pause").ok().json()["revision"], Value::Null);
    steer(&admin, "resume").ok();
    assert_eq!(admin.get("/v1/models/m/rollout")["phase"], "running");
    steer(&admin, "abort").ok();
    assert_eq!(
        (&admin.get("/v1/models/m/rollout")["phase"], split(&admin)),
        (&json!("aborted"), json!([["1", 100.0]]))
    );
    assert!(
        steer(&admin, "promote")
            .error()
            .contains("no rollout of `m` is under way")
    );
    start(&admin, &ten).ok();
    steer(&admin, "promote").ok();
    assert_eq!(split(&admin), json!([["1", 0.0], ["2", 100.0]]));
    // A rollback restores the route of that time; it resumes no rollout.
    let head = admin.get("/v1/status")["head"].as_u64().unwrap();
    admin.post("/v1/rollback", &json!({ "to": head - 1 })).ok();
    assert_eq!(split(&admin), json!([["1", 90.0], ["2", 10.0]]));
    assert_eq!(admin.get("/v1/models/m/rollout")["phase"], "aborted");
    admin.apply(&[route()]).ok();
    assert_eq!(admin.get("/v1/verify")["problems"], json!([]));
}

#[test]
fn it_goes_on_after_a_restart_and_without_a_route_before() {
    let state = warm();
    let server = Setup::of([times("m", "1", 2.0), times("m", "2", 4.0)])
        .state(state.path())
        .start();
    let admin = Admin::of(&server);
    let newest = start(&admin, &json!({ "to": "2" }));
    assert!(newest.error().contains("r.yaml:1:"), "{}", newest.error());
    assert!(
        newest
            .error()
            .contains("spec.from: version `2` is the newest"),
        "{}",
        newest.error()
    );
    let guards = json!([{ "errors": 0.0, "min_samples": 5 }]);
    let spec = json!({ "to": "2", "from": "1", "percent": 25, "bake": "300ms", "guards": guards });
    start(&admin, &spec).ok();
    assert_eq!(split(&admin), json!([["1", 75.0], ["2", 25.0]]));
    server.stop();
    let server = Setup::of([]).state(state.path()).start();
    let admin = Admin::of(&server);
    admin
        .post(
            "/v1/gc",
            &json!({ "keep_revisions": 1, "min_age_seconds": 0 }),
        )
        .ok();
    let rollout = admin.get("/v1/models/m/rollout");
    assert_eq!(
        (&rollout["phase"], &rollout["percent"]),
        (&json!("running"), &json!(25.0))
    );
    let ask = Request::post("/v2/models/m/infer", one(1.0).to_string());
    let (ended, answers) = traffic(&server, &admin, &ask);
    assert_eq!(ended["phase"], "promoted", "{ended}");
    assert!(answers.iter().all(|answer| answer.status == 200));
    // It is the newest version, so no route is needed any more.
    assert_eq!(admin.get("/v1/models/m")["answers"], "2");
}

#[test]
fn an_invalid_rollout_is_refused_and_changes_nothing() {
    let server = two().start();
    let admin = Admin::of(&server);
    let head = admin.get("/v1/status")["head"].clone();
    for (spec, expect) in [
        (
            json!({ "to": "7" }),
            "spec.to: there is no version `7` of `m`",
        ),
        (
            json!({ "to": "1" }),
            "spec.from: no version except `1` has a share",
        ),
        (
            json!({ "to": "2", "from": "9" }),
            "spec.from: version `9` has no share",
        ),
        (
            json!({ "to": "2", "guards": [{ "disagreement": 0.1 }] }),
            "would never see a sample",
        ),
    ] {
        let response = start(&admin, &spec);
        assert_eq!(response.status, 422, "{}", response.text());
        assert!(response.error().contains(expect), "{}", response.error());
    }
    let none = admin.ask(Request::get("/v1/models/m/rollout"));
    assert_eq!(
        (none.status, none.error().as_str()),
        (404, "`m` has had no rollout")
    );
    let tried = document("Rollout", &json!({ "to": "2" })).to_string();
    admin
        .post(
            "/v1/rollouts",
            &json!({ "document": tried, "dry_run": true }),
        )
        .ok();
    let more = admin.post("/v1/rollouts", &json!({ "document": route().to_string() }));
    assert!(
        more.error().contains("needs one document of kind Rollout"),
        "{}",
        more.error()
    );
    assert_eq!(admin.get("/v1/status")["head"], head);
}

#[test]
fn the_command_line_begins_watches_and_steers() {
    let server = two().start();
    let at = server.starting.state.to_str().unwrap();
    let run = |words: &str, code: i32| {
        let words = words.split(' ').chain(["--state", at]);
        hotstage(["rollout"].into_iter().chain(words)).ended(code)
    };
    run(
        "start m --to 2 --percent 30 --bake 1h --guard errors=0.01,min_samples=5",
        0,
    );
    let status = run("status m", 0).stdout;
    for part in ["1 → 2", "30% to 2", "1 of 1", "0 of 5", "waits"] {
        assert!(status.contains(part), "{part}: {status}");
    }
    run("pause m", 0);
    run("resume m", 0);
    run("abort m --reason tired", 0);
    let status = run("status m --watch", 8).stdout;
    assert!(
        status.contains("aborted") && status.contains("tired"),
        "{status}"
    );
    let folder = Folder::new();
    let size = json!({ "Type": "CAPACITY_PERCENT", "Value": 25 });
    let config = json!({
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": { "Type": "CANARY", "CanarySize": size, "WaitIntervalInSeconds": 600 },
            "TerminationWaitInSeconds": 60,
        },
        "AutoRollbackConfiguration": { "Alarms": [{ "AlarmName": "wrong" }] },
    });
    let config = folder.write("config.json", config.to_string());
    let start = format!("start m --to 2 --deployment-config {}", config.display());
    let refused = run(&start, 3).stderr;
    assert!(
        refused.contains("--guard errors=0.01,name=wrong"),
        "{refused}"
    );
    run(&format!("{start} --guard errors=0.01,name=wrong"), 0);
    let status = run("status m", 0).stdout;
    assert!(
        status.contains("25% to 2") && status.contains("1 of 2"),
        "{status}"
    );
    run("promote m", 0);
    let status = run("status m --watch", 0).stdout;
    assert!(status.contains("promoted"), "{status}");
    let checked = folder.write(
        "r.yaml",
        document("Rollout", &json!({ "to": "2" })).to_string(),
    );
    assert!(
        hotstage(["check", checked.to_str().unwrap(), "--state", at])
            .ended(0)
            .stdout
            .contains("ok rollout m")
    );
}
