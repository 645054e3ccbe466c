//! Fallbacks, circuit breakers and mirrors, from outside.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::guests::{numbers, request};
use crate::harness::admin::{Admin, one, times};
use crate::harness::command::hotstage;
use crate::harness::http::{Request, Response};
use crate::harness::manifest::{model, version};
use crate::harness::server::{Server, Setup};
use crate::harness::{PATIENCE, pause};

fn route(spec: &Value) -> Value {
    json!({ "apiVersion": "hotstage.dev/v1", "kind": "Route", "metadata": { "name": "m" }, "spec": spec })
}

/// A guest as a version.
fn guest(name: &str, as_version: &str) -> Value {
    version("m", as_version, [model(name)])
}

/// The route always chooses version 2; version 1 is its fallback.
fn falling(guest_of_2: &str, more: &Value) -> Setup {
    let mut fallback = json!({ "version": "1" });
    fallback
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let split = json!([{ "version": "1", "weight": 0 }, { "version": "2", "weight": 1 }]);
    Setup::of([
        guest("echo", "1"),
        guest(guest_of_2, "2"),
        route(&json!({ "split": split, "fallback": fallback })),
    ])
}

/// The version that answered, and the version that the answer names as the chosen one.
fn answered_by(response: &Response) -> (&str, Option<&str>) {
    assert_eq!(response.status, 200, "{}", response.text());
    (
        response.header("hotstage-version").unwrap(),
        response.header("hotstage-fallback"),
    )
}

fn ask(server: &Server, number: f32) -> Response {
    server.ask(&request("m", &[number]))
}

#[test]
fn a_failure_is_answered_by_the_fallback_and_a_clients_mistake_is_not() {
    let server = falling("fails_internal", &json!({})).start();
    let response = ask(&server, 13.0);
    assert_eq!(
        answered_by(&response),
        ("1", Some("\"2\";because=stage_failed"))
    );
    assert_eq!(response.json()["outputs"][0]["data"], json!([13.0]));
    assert_eq!(response.json()["model_version"], "1");
    assert_eq!(answered_by(&ask(&server, 1.0)), ("2", None));
    // If the fallback fails as well, the answer names both versions.
    let both = json!([{ "version": "1", "weight": 0 }, { "version": "2", "weight": 1 }]);
    let spec = json!({ "split": both, "fallback": { "version": "1" } });
    let failing = Setup::of([
        guest("traps", "1"),
        guest("fails_internal", "2"),
        route(&spec),
    ])
    .start();
    let response = ask(&failing, 13.0);
    assert_eq!(
        (response.status, response.header("hotstage-failure")),
        (500, Some("stage_trapped"))
    );
    assert_eq!(
        response.header("hotstage-fallback"),
        Some("\"2\";because=stage_failed")
    );
    assert_eq!(response.header("hotstage-version"), Some("1"));
    // Both failures are counted at their versions.
    let versions = &Admin::of(&server).get("/v1/models/m")["versions"];
    assert_eq!(
        (
            &versions[0]["answered"],
            &versions[1]["answered"],
            &versions[1]["failed"]
        ),
        (&json!(1), &json!(1), &json!(1))
    );
    let server = falling("fails_invalid", &json!({})).start();
    assert_eq!(ask(&server, 13.0).status, 400);
    // A request that names its version gets no fallback.
    let server = falling("traps", &json!({})).start();
    let direct = Request::post(
        "/v2/models/m/versions/2/infer",
        numbers(&[13.0]).to_string(),
    );
    assert_eq!(server.ask(&direct).status, 500);
    assert_eq!(
        answered_by(&ask(&server, 13.0)),
        ("1", Some("\"2\";because=stage_trapped"))
    );
}

#[test]
fn a_slow_variant_is_given_up_and_a_bad_one_is_left_alone_for_a_while() {
    let server = falling("spins", &json!({ "timeout": "50ms" })).start();
    assert_eq!(
        answered_by(&ask(&server, 13.0)),
        ("1", Some("\"2\";because=timeout"))
    );
    assert_eq!(answered_by(&ask(&server, 1.0)), ("2", None));
    let server = falling(
        "fails_internal",
        &json!({ "circuit": { "failures": 2, "open": "1s" } }),
    )
    .start();
    for _ in 0..2 {
        assert_eq!(
            answered_by(&ask(&server, 13.0)),
            ("1", Some("\"2\";because=stage_failed"))
        );
    }
    let opened = Instant::now();
    let open = answered_by(&ask(&server, 1.0)) == ("1", Some("\"2\";because=circuit"));
    assert!(open || opened.elapsed() >= Duration::from_secs(1));
    let described = Admin::of(&server).get("/v1/models/m")["route"]["open_circuits"].clone();
    assert!(
        described == json!(["2"]) || opened.elapsed() >= Duration::from_secs(1),
        "{described}"
    );
    while answered_by(&ask(&server, 1.0)).0 == "1" {
        assert!(opened.elapsed() < PATIENCE);
        pause(Duration::from_millis(50));
    }
    assert_eq!(answered_by(&ask(&server, 1.0)), ("2", None));
}

/// Polls the mirrors until the condition holds for the first one.
fn mirror(admin: &Admin, holds: impl Fn(&Value) -> bool) -> Value {
    let began = Instant::now();
    loop {
        let mirror = admin.get("/v1/models/m/mirrors")["mirrors"][0].clone();
        if holds(&mirror) {
            return mirror;
        }
        assert!(began.elapsed() < PATIENCE, "{mirror}");
        pause(Duration::from_millis(20));
    }
}

#[test]
fn a_mirror_gets_copies_and_says_how_its_answers_differ() {
    let spec = |factor: f64| {
        let mirrored = json!({ "version": "3", "tolerance": factor, "keep": 2 });
        json!({ "split": [{ "version": "1" }], "mirror": [mirrored] })
    };
    let versions = [times("m", "1", 2.0), times("m", "3", 2.5)];
    let server = Setup::of([versions[0].clone(), versions[1].clone(), route(&spec(3.0))]).start();
    let admin = Admin::of(&server);
    for number in 1..=10 {
        let response = server
            .post("/v2/models/m/infer", one(f64::from(number)).to_string())
            .ok();
        assert_eq!(response.header("hotstage-version"), Some("1"));
    }
    let seen = mirror(&admin, |mirror| mirror["compared"] == 10);
    // For 10 the answers are 20 and 25; from 7 on they differ by more than 3.
    assert_eq!(
        (&seen["disagreed"], &seen["dropped"], &seen["failed"]),
        (&json!(4), &json!(0), &json!(0))
    );
    let output = &seen["outputs"][0];
    assert_eq!(
        (&output["max_abs"], &output["mean_abs"]),
        (&json!(5.0), &json!(2.75))
    );
    assert_eq!(
        seen["windows"]
            .as_array()
            .unwrap()
            .iter()
            .map(|window| window["compared"].as_u64().unwrap())
            .sum::<u64>(),
        10
    );
    let worst = &seen["worst"];
    assert_eq!(worst.as_array().unwrap().len(), 2);
    assert_eq!(worst[0]["request"]["inputs"][0]["data"], json!([10.0]));
    assert_eq!(worst[0]["answer"]["outputs"][0]["data"], json!([20.0]));
    assert_eq!(worst[0]["mirrored"]["outputs"][0]["data"], json!([25.0]));
    // No client gets its answers: the version has answered nothing, and can't be deleted while a
    // route names it.
    assert_eq!(admin.get("/v1/models/m")["versions"][1]["answered"], 0);
    assert_eq!(admin.delete("/v1/models/m/versions/3").status, 409);
    let at = server.starting.state.to_str().unwrap();
    let shown = hotstage(["mirrors", "m", "--examples", "--state", at]).ended(0);
    assert!(
        shown.stdout.contains("4 (40.00%)") && shown.stdout.contains("example 1"),
        "{}",
        shown.stdout
    );
    for part in [
        "example 1: largest |Δ| 5.000000",
        "example 2: largest |Δ| 4.500000",
    ] {
        assert!(shown.stdout.contains(part), "{part}: {}", shown.stdout);
    }
    // A change elsewhere in the route keeps the mirror's counts; another mirror starts at zero.
    let mut pinned = spec(3.0);
    pinned["pin"] = json!(true);
    admin.apply(&[route(&pinned)]).ok();
    mirror(&admin, |mirror| mirror["compared"] == 10);
    admin.apply(&[route(&spec(1.0))]).ok();
    mirror(&admin, |mirror| mirror["compared"] == 0);
}

#[test]
fn a_mirror_that_stalls_or_fails_costs_its_copies_and_nothing_else() {
    let spec = json!({ "split": [{ "version": "1" }], "mirror": [{ "version": "2", "queue": 2 }] });
    let server = Setup::of([guest("echo", "1"), guest("spins", "2"), route(&spec)]).start();
    let admin = Admin::of(&server);
    for _ in 0..20 {
        assert_eq!(answered_by(&ask(&server, 13.0)), ("1", None));
    }
    let seen = mirror(&admin, |mirror| mirror["dropped"].as_u64() >= Some(1));
    assert_eq!(
        seen["dropped"].as_u64().unwrap() + seen["sent"].as_u64().unwrap(),
        20
    );
    let spec =
        json!({ "split": [{ "version": "1" }], "mirror": [{ "version": "3", "percent": 50 }] });
    admin.apply(&[guest("traps", "3"), route(&spec)]).ok();
    for _ in 0..100 {
        assert_eq!(answered_by(&ask(&server, 13.0)), ("1", None));
    }
    let seen = mirror(&admin, |mirror| mirror["failed"] == mirror["sent"]);
    assert!(
        (20..=80).contains(&seen["sent"].as_u64().unwrap()),
        "{seen}"
    );
    assert!(
        seen["failure"].as_str().unwrap().contains("trapped"),
        "{seen}"
    );
}

#[test]
fn what_can_never_fall_back_or_be_mirrored_is_refused() {
    let server = Setup::of([times("m", "1", 2.0), times("m", "2", 4.0)]).start();
    let admin = Admin::of(&server);
    let both = json!([{ "version": "1" }, { "version": "2" }]);
    for (spec, expect) in [
        (
            json!({ "split": [{ "version": "1" }], "fallback": { "version": "2" } }),
            "spec.fallback.version: the split has no",
        ),
        (
            json!({ "split": [{ "version": "1" }], "fallback": { "version": "1" } }),
            "spec.fallback: can never answer",
        ),
        (
            json!({ "split": [{ "version": "1" }], "mirror": [{ "version": "1" }] }),
            "spec.mirror[0]: would get copies of its own",
        ),
        (
            json!({ "split": [{ "version": "1" }], "mirror": [{ "version": "9" }] }),
            "spec.mirror[0].version: there is no version `9`",
        ),
        (
            json!({ "split": [{ "version": "1" }], "mirror": [{ "version": "2", "percent": 0 }] }),
            "percent is more than 0",
        ),
        (
            json!({ "split": both, "fallback": { "version": "1", "timeout": "1us" } }),
            "spec.fallback.timeout: 1us is less than the minimum",
        ),
    ] {
        let response = admin.apply(&[route(&spec)]);
        assert_eq!(response.status, 422, "{}", response.text());
        assert!(response.error().contains(expect), "{}", response.error());
    }
    let none = admin.ask(Request::get("/v1/models/m/mirrors"));
    assert_eq!(none.status, 404);
    assert!(
        none.error()
            .contains("nothing is mirrored for `m`: there is no route"),
        "{}",
        none.error()
    );
}
