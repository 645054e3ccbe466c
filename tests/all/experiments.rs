//! Experiments: feedback is matched to its answer, bad feedback is refused, accepted feedback is
//! kept, and weights follow rewards.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::admin::{Admin, one, times};
use crate::harness::command::hotstage;
use crate::harness::http::{Connection, Request, Response};
use crate::harness::metrics::Metrics;
use crate::harness::server::{Server, Setup};
use crate::harness::state::warm;
use crate::harness::{eventually, pause};

const INFER: &str = "/v2/models/m/infer";
const FEEDBACK: &str = "/v2/models/m/feedback";

fn route(experiment: &Value, more: &Value) -> Value {
    let mut spec = json!({
        "split": [{ "version": "1", "weight": 50 }, { "version": "2", "weight": 50 }], "experiment": experiment,
    });
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    json!({ "apiVersion": "hotstage.dev/v1", "kind": "Route", "metadata": { "name": "m" }, "spec": spec })
}

/// Two versions in an experiment.
fn tried(experiment: &Value, more: &Value) -> Setup {
    Setup::of([
        times("m", "1", 2.0),
        times("m", "2", 4.0),
        route(experiment, more),
    ])
}

fn clicked() -> Value {
    json!({ "reward": { "name": "clicked" } })
}

/// Sends a request with this id; returns the version that answered.
fn ask(connection: &mut Connection, id: &str, headers: &[(&str, &str)]) -> String {
    let mut request = one(1.0);
    request["id"] = json!(id);
    let request = Request::post(INFER, request.to_string());
    let request = headers.iter().fold(request, |request, (name, value)| {
        request.header(name, *value)
    });
    connection
        .ask(&request)
        .ok()
        .header("hotstage-version")
        .unwrap()
        .to_owned()
}

fn say(connection: &mut Connection, body: &Value) -> Response {
    connection.ask(&Request::post(FEEDBACK, body.to_string()))
}

fn status(server: &Server) -> Value {
    Admin::of(server).get("/v1/models/m/experiment")
}

/// For each version: answers, rewards, and their mean.
fn known(server: &Server) -> Vec<(u64, u64, f64)> {
    let status = status(server);
    let variants = status["variants"].as_array().unwrap().iter();
    let number = |variant: &Value, key: &str| variant[key].as_u64().unwrap();
    variants
        .map(|of| {
            (
                number(of, "answers"),
                number(of, "rewards"),
                of["mean"].as_f64().unwrap_or(-1.0),
            )
        })
        .collect()
}

/// The reward for each answer of a version.
fn worth(version: &str) -> f64 {
    if version == "2" { 1.0 } else { 0.25 }
}

#[test]
fn feedback_counts_once_for_the_version_that_answered_and_survives_a_restart() {
    let state = warm();
    let server = tried(&clicked(), &json!({})).state(state.path()).start();
    let mut connection = server.connect();
    let versions: Vec<String> = (0..40)
        .map(|id| ask(&mut connection, &id.to_string(), &[]))
        .collect();
    let second = versions.iter().filter(|version| *version == "2").count() as u64;
    assert!((5..=35).contains(&second), "{versions:?}");
    // Late and in any order; a repeated reward changes nothing.
    let reward = |id: usize| json!({ "id": id.to_string(), "reward": worth(&versions[id]) });
    let all: Value = (0..40).rev().map(reward).collect();
    let reply = say(&mut connection, &all).ok().json();
    assert_eq!(
        reply,
        json!({ "name": "m", "counted": 40, "duplicates": 0, "unknown": [] })
    );
    let reply = say(
        &mut connection,
        &json!([{ "id": "7", "reward": 0 }, { "id": "x", "reward": 1 }]),
    )
    .ok()
    .json();
    assert_eq!(
        reply,
        json!({ "name": "m", "counted": 0, "duplicates": 1, "unknown": ["x"] })
    );
    assert_eq!(
        known(&server),
        [(40 - second, 40 - second, 0.25), (second, second, 1.0)]
    );
    // A request without an id gets one from the server.
    let answer = connection
        .ask(&Request::post(INFER, one(1.0).to_string()))
        .ok();
    let id = answer.header("x-request-id").unwrap().to_owned();
    say(&mut connection, &json!({ "id": id, "reward": 0.5 })).ok();
    let before = known(&server);
    assert_eq!(before[0].1 + before[1].1, 41);
    ask(&mut connection, "not written yet", &[]);
    server.stop();
    let server = Setup::of([]).state(state.path()).start();
    let after = known(&server);
    assert_eq!(after[0].0 + after[1].0, 42);
    assert_eq!((after[0].1, after[1].1), (before[0].1, before[1].1));
    let mut connection = server.connect();
    assert_eq!(
        say(&mut connection, &json!({ "id": "7", "reward": 0 }))
            .ok()
            .json()["duplicates"],
        1
    );
    say(
        &mut connection,
        &json!({ "id": "not written yet", "reward": 1 }),
    )
    .ok();
    let metrics = Metrics::of(&mut connection);
    for (kind, expected) in [("counted", 1.0), ("duplicate", 1.0), ("unknown", 0.0)] {
        assert_eq!(
            metrics.value(&format!(
                r#"hotstage_experiment_feedback_total{{kind="{kind}"}}"#
            )),
            expected,
            "{kind}"
        );
    }
}

#[test]
fn feedback_that_was_acknowledged_survives_a_kill() {
    let state = warm();
    let mut setup = tried(&clicked(), &json!({}));
    for round in 1..=4 {
        let mut server = setup.state(state.path()).start();
        assert!(
            round == 1 || known(&server).iter().map(|of| of.1).sum::<u64>() == (round - 1) * 10
        );
        let mut connection = server.connect();
        for id in 0..10 {
            let id = format!("{round}-{id}");
            ask(&mut connection, &id, &[]);
            say(&mut connection, &json!({ "id": id, "reward": 0.5 })).ok();
        }
        server.starting.signal("KILL");
        server.starting.wait();
        setup = Setup::of([]);
    }
    let server = setup.state(state.path()).start();
    assert_eq!(known(&server).iter().map(|of| of.1).sum::<u64>(), 40);
}

#[test]
fn bad_feedback_is_refused_before_anything_is_counted() {
    let server = tried(
        &clicked(),
        &json!({ "rules": [{ "when": { "header": { "x-a": "b" } }, "version": "2" }] }),
    );
    let server = server.start();
    let mut connection = server.connect();
    ask(&mut connection, "a", &[]);
    let mut refused = |body: Value, status: u16, part: &str| {
        let response = say(&mut connection, &body);
        assert_eq!(response.status, status, "{body}: {}", response.text());
        assert!(
            response.error().contains(part),
            "{body}: {}",
            response.error()
        );
    };
    refused(
        json!({ "id": "missing", "reward": 1 }),
        404,
        "has no answer `missing`",
    );
    refused(
        json!({ "id": "a", "reward": 1.01 }),
        400,
        "feedback.reward: a reward is a number from 0 to 1, not 1.01",
    );
    refused(
        json!([{ "id": "a", "reward": 1 }, { "id": "a" }]),
        400,
        "feedback[1].reward is missing",
    );
    refused(json!([]), 400, "empty list");
    assert_eq!(known(&server).iter().map(|of| of.1).sum::<u64>(), 0);
    // Requests that a rule or a pin routes are not part of the comparison.
    assert_eq!(ask(&mut connection, "ruled", &[("x-a", "b")]), "2");
    assert_eq!(
        say(&mut connection, &json!({ "id": "ruled", "reward": 1 })).status,
        404
    );
    let direct = json!({ "id": "direct", "inputs": one(1.0)["inputs"] });
    server
        .post("/v2/models/m/versions/1/infer", direct.to_string())
        .ok();
    assert_eq!(
        say(&mut connection, &json!({ "id": "direct", "reward": 1 })).status,
        404
    );
    let other = server.post("/v2/models/other/feedback", r#"{"id":"a","reward":1}"#);
    assert_eq!(
        (other.status, other.error().contains("no model `other`")),
        (404, true)
    );
    Admin::of(&server).delete("/v1/models/m/route").ok();
    let without = server.post(FEEDBACK, r#"{"id":"a","reward":1}"#);
    assert_eq!(
        (
            without.status,
            without.error().contains("has no experiment")
        ),
        (404, true),
        "{}",
        without.text()
    );
    let response = Admin::of(&server).ask(Request::get("/v1/models/m/experiment"));
    assert_eq!(response.status, 404, "{}", response.text());
}

#[test]
fn the_command_line_shows_the_better_version() {
    let server = tried(
        &json!({ "reward": { "name": "clicked" }, "worth": 0.1 }),
        &json!({}),
    )
    .start();
    let mut connection = server.connect();
    let at = server.starting.state.to_str().unwrap();
    let shown = hotstage(["experiment", "status", "m", "--state", at])
        .ended(0)
        .stdout;
    assert!(
        shown.contains("clicked") && shown.ends_with("keep going"),
        "{shown}"
    );
    let mut rewards = Vec::new();
    for id in 0..600 {
        let reward = if ask(&mut connection, &id.to_string(), &[]) == "2" {
            0.9
        } else {
            0.1
        };
        rewards.push(json!({ "id": id.to_string(), "reward": reward }));
    }
    say(&mut connection, &Value::Array(rewards)).ok();
    let shown = hotstage(["experiment", "status", "m", "--state", at])
        .ended(0)
        .stdout;
    assert!(
        shown.ends_with("version 2 is better") && shown.contains("0.9000"),
        "{shown}"
    );
    let json = hotstage(["experiment", "status", "m", "--json", "--state", at])
        .ended(0)
        .stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&json["verdict"], &json["better"]),
        (&json!("better"), &json!("2"))
    );
    let difference = &json["variants"][1]["difference"];
    assert!(
        difference["low"].as_f64().unwrap() > 0.0 && difference["high"].as_f64().unwrap() < 1.0,
        "{difference}"
    );
    let none = hotstage(["experiment", "status", "zebra", "--state", at]).ended(8);
    assert!(
        none.stderr.contains("there is no pipeline `zebra`"),
        "{}",
        none.stderr
    );
}

#[test]
fn an_adaptive_experiment_moves_weights_by_revisions_and_leaves_keys_alone() {
    let experiment = json!({
        "reward": { "name": "clicked" }, "strategy": "adaptive", "every": "1s", "bounds": { "least": 10, "most": 85 },
    });
    let server = tried(&experiment, &json!({ "sticky": { "header": "x-user" } })).start();
    let mut connection = server.connect();
    let of_users = |connection: &mut Connection| -> Vec<String> {
        (0..60)
            .map(|user| ask(connection, "keyed", &[("x-user", &user.to_string())]))
            .collect()
    };
    let before = of_users(&mut connection);
    assert_eq!(
        say(&mut connection, &json!({ "id": "keyed", "reward": 1 })).status,
        404
    );
    for id in 0..200 {
        let reward = if ask(&mut connection, &id.to_string(), &[]) == "2" {
            1.0
        } else {
            0.0
        };
        say(
            &mut connection,
            &json!({ "id": id.to_string(), "reward": reward }),
        )
        .ok();
    }
    let percent = || status(&server)["variants"][1]["percent"].as_f64().unwrap();
    eventually("the weights moved", || {
        pause(Duration::from_millis(50));
        (percent() - 85.0).abs() < 1e-9
    });
    let admin = Admin::of(&server);
    let history = admin.get("/v1/revisions");
    let newest = &history["revisions"][0];
    assert_eq!(
        (&newest["actor"], &newest["changes"][0]["what"]),
        (&json!("experiment"), &json!("routed"))
    );
    assert!(
        newest["reason"].as_str().unwrap().contains("now 85 %"),
        "{newest}"
    );
    assert_eq!(admin.get("/v1/verify")["problems"], json!([]));
    assert_eq!(of_users(&mut connection), before);
    let second = (0..200)
        .filter(|_| ask(&mut connection, "again", &[]) == "2")
        .count();
    assert!(second > 140, "{second} of 200");
    // The evidence continues across revisions.
    assert_eq!(known(&server).iter().map(|of| of.1).sum::<u64>(), 200);
}

#[test]
fn an_invalid_experiment_is_refused_with_its_position() {
    let server = Setup::of([times("m", "1", 2.0), times("m", "2", 4.0)]).start();
    let admin = Admin::of(&server);
    let refused = |experiment: Value, part: &str| {
        let response = admin.apply(&[route(&experiment, &json!({}))]);
        assert_eq!(response.status, 422, "{}", response.text());
        assert!(response.error().contains(part), "{}", response.error());
    };
    refused(json!({}), "spec.experiment.reward: missing");
    refused(
        json!({ "reward": { "name": "x" }, "alpha": 1 }),
        "spec.experiment.alpha: 1 is not from 0.000001 on",
    );
    refused(
        json!({ "reward": { "name": "x" }, "every": "1m" }),
        "add `strategy: adaptive`",
    );
    refused(
        json!({ "reward": { "name": "x" }, "strategy": "adaptive", "bounds": { "most": 40 } }),
        "can't share 100 percent",
    );
    refused(
        json!({ "reward": { "name": "x" }, "strategy": "adaptiv" }),
        "did you mean `adaptive`?",
    );
}
