//! Rollback of one name or of all: other names do not change, and a rollback takes nothing else out
//! of service.

use serde_json::{Value, json};

use crate::harness::admin::{Admin, ask, times};
use crate::harness::command::{Ran, hotstage};
use crate::harness::eventually;
use crate::harness::http::Response;
use crate::harness::server::{Server, Setup};
use crate::harness::state::warm;

fn route(name: &str, version: &str) -> Value {
    json!({
        "apiVersion": "hotstage.dev/v1", "kind": "Route", "metadata": { "name": name },
        "spec": { "split": [{ "version": version }] },
    })
}

fn back(admin: &Admin, request: &Value) -> Response {
    admin.post("/v1/rollback", request)
}

/// The answer of a name to 1, and its version.
fn answer(server: &Server, name: &str) -> Result<(f64, String), u16> {
    ask(&mut server.connect(), &format!("/v2/models/{name}/infer"))
        .map_err(|response| response.status)
}

#[track_caller]
fn refused(response: &Response, parts: &[&str]) {
    assert_eq!(response.status, 409, "{}", response.text());
    for part in parts {
        assert!(
            response.error().contains(part),
            "{part}: {}",
            response.error()
        );
    }
}

#[test]
fn one_name_goes_back_and_its_neighbours_stay() {
    let server = Setup::of([times("m", "1", 2.0), times("n", "1", 3.0)]).start();
    let admin = Admin::of(&server);
    admin.apply(&[times("m", "2", 4.0)]).ok();
    admin.label("m", "stable", "1").ok();
    admin.apply(&[times("n", "2", 5.0)]).ok();
    admin.label("n", "stable", "2").ok();
    let neighbour = admin.get("/v1/models/n");
    // Without a revision: the state before the last change of the name, regardless of later changes
    // of other names.
    let tried = back(&admin, &json!({ "name": "m", "dry_run": true }))
        .ok()
        .json();
    assert_eq!(
        (&tried["revision"], &tried["changes"][0]["what"]),
        (&Value::Null, &json!("unlabelled"))
    );
    let done = back(&admin, &json!({ "name": "m", "reason": "mislabelled" }))
        .ok()
        .json();
    assert_eq!(
        (&done["changes"], &done["revision"]),
        (&tried["changes"], &json!(6))
    );
    assert_eq!(admin.get("/v1/models/m")["labels"], json!([]));
    // With a revision: the name's state at that revision.
    back(&admin, &json!({ "name": "m", "to": 1 })).ok();
    assert_eq!(
        (answer(&server, "m"), answer(&server, "n")),
        (Ok((2.0, "1".to_owned())), Ok((5.0, "2".to_owned())))
    );
    assert_eq!(
        admin.get("/v1/models/n")["versions"][1]["digest"],
        neighbour["versions"][1]["digest"]
    );
    assert_eq!(admin.get("/v1/models/n")["labels"], neighbour["labels"]);
    let revision = admin.get("/v1/revisions/7");
    assert_eq!(
        (&revision["verb"], &revision["name"], &revision["to"]),
        (&json!("rollback"), &json!("m"), &json!(1))
    );
    // A rollback is a change as well: the next rollback reverts it.
    back(&admin, &json!({ "name": "m" })).ok();
    assert_eq!(answer(&server, "m"), Ok((4.0, "2".to_owned())));
    // Concurrent changes of other names are no conflict; a revision other than the expected one is.
    refused(
        &back(&admin, &json!({ "name": "m", "if_revision": 7 })),
        &["the newest revision is 8, not 7"],
    );
    assert_eq!(back(&admin, &json!({ "name": "unknown" })).status, 404);
    assert_eq!(back(&admin, &json!({ "name": "m", "to": 99 })).status, 404);
    assert_eq!(admin.get("/v1/verify")["ok"], true);
}

#[test]
fn a_route_a_deleted_name_and_a_restart_come_back_too() {
    let state = warm();
    let server = Setup::of([
        times("m", "1", 2.0),
        times("m", "2", 4.0),
        route("m", "1"),
        times("n", "1", 3.0),
    ])
    .state(state.path())
    .start();
    let admin = Admin::of(&server);
    admin.apply(&[route("m", "2")]).ok();
    assert_eq!(answer(&server, "m"), Ok((4.0, "2".to_owned())));
    back(&admin, &json!({ "name": "m" })).ok();
    assert_eq!(answer(&server, "m"), Ok((2.0, "1".to_owned())));
    admin.delete("/v1/models/m").ok();
    assert_eq!(answer(&server, "m"), Err(404));
    back(&admin, &json!({ "name": "m" })).ok();
    assert_eq!(answer(&server, "m"), Ok((2.0, "1".to_owned())));
    assert_eq!(
        admin.get("/v1/models/m")["versions"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    server.stop();
    let server = Setup::of([]).state(state.path()).start();
    assert_eq!(
        (answer(&server, "m"), answer(&server, "n")),
        (Ok((2.0, "1".to_owned())), Ok((3.0, "1".to_owned())))
    );
}

#[test]
fn nothing_goes_out_of_service_by_a_rollback_unless_it_is_asked_for() {
    let server = Setup::of([]).start();
    let admin = Admin::of(&server);
    admin.apply(&[times("iris", "1", 2.0)]).ok();
    // A refused apply is not a revision, so one step back would change nothing.
    assert_eq!(admin.apply(&[json!({ "kind": "Pipelin" })]).status, 422);
    refused(
        &back(&admin, &json!({})),
        &[
            "revision 0 has no version of `iris`",
            "404",
            "hotstage rollback --to 0",
        ],
    );
    refused(
        &back(&admin, &json!({ "name": "iris" })),
        &[
            "`iris` had no version after revision 0",
            "hotstage delete iris",
            "hotstage rollback iris --to 0",
        ],
    );
    assert_eq!(answer(&server, "iris"), Ok((2.0, "1".to_owned())));
    // Nor does another name that was added later.
    admin.apply(&[times("iris", "2", 4.0)]).ok();
    admin.apply(&[times("rose", "1", 3.0)]).ok();
    refused(
        &back(&admin, &json!({ "to": 1 })),
        &[
            "revision 1 has no version of `rose`",
            "hotstage rollback NAME --to 1",
            "hotstage delete rose",
        ],
    );
    assert_eq!(admin.get("/v1/status")["head"], 3);
    back(&admin, &json!({ "name": "iris", "to": 1 })).ok();
    assert_eq!(
        (answer(&server, "iris"), answer(&server, "rose")),
        (Ok((2.0, "1".to_owned())), Ok((3.0, "1".to_owned())))
    );
    // On request it is done: for one name, and for all.
    back(&admin, &json!({ "name": "rose", "to": 0 })).ok();
    assert_eq!(
        (answer(&server, "rose"), answer(&server, "iris")),
        (Err(404), Ok((2.0, "1".to_owned())))
    );
    back(&admin, &json!({ "to": 0 })).ok();
    assert_eq!(admin.get("/v1/models")["total"], 0);
}

#[test]
fn a_rollout_is_one_change_and_one_that_is_under_way_ends_with_it() {
    let server = Setup::of([
        times("m", "1", 2.0),
        times("m", "2", 4.0),
        route("m", "1"),
        times("n", "1", 3.0),
    ])
    .start();
    let admin = Admin::of(&server);
    let start = |bake: &str| {
        let document = json!({
            "apiVersion": "hotstage.dev/v1", "kind": "Rollout", "metadata": { "name": "m" },
            "spec": { "to": "2", "percent": 10, "bake": bake, "guards": [] },
        });
        admin
            .post(
                "/v1/rollouts",
                &json!({ "document": document.to_string(), "file": "r.yaml" }),
            )
            .ok();
    };
    let before = admin.get("/v1/models/m")["route"]["digest"].clone();
    start("1h");
    let done = back(&admin, &json!({ "name": "m" })).ok().json();
    assert!(
        done["changes"]
            .as_array()
            .unwrap()
            .iter()
            .any(|change| change["what"] == "rollout"),
        "{done}"
    );
    assert_eq!(admin.get("/v1/models/m")["route"]["digest"], before);
    // No rollout continues after that, so a new one may begin.
    start("1ms");
    eventually("the rollout is promoted", || {
        admin.get("/v1/models/m/rollout")["phase"] == "promoted"
    });
    assert_eq!(answer(&server, "m"), Ok((4.0, "2".to_owned())));
    // From its end back to the state before its beginning, regardless of its steps.
    back(&admin, &json!({ "name": "m" })).ok();
    assert_eq!(admin.get("/v1/models/m")["route"]["digest"], before);
    assert_eq!(
        (answer(&server, "m"), answer(&server, "n")),
        (Ok((2.0, "1".to_owned())), Ok((3.0, "1".to_owned())))
    );
}

#[test]
fn a_graph_protects_its_members() {
    let member = |version: &str| json!({ "pipeline": "m", "version": version });
    let graph = json!({
        "apiVersion": "hotstage.dev/v1", "kind": "Graph", "metadata": { "name": "g", "version": "1" },
        "spec": { "nodes": [
            { "name": "both", "ensemble": [member("1"), member("2")], "merge": { "features": "mean" } },
        ] },
    });
    let server = Setup::of([times("m", "1", 2.0)]).start();
    let admin = Admin::of(&server);
    admin.apply(&[times("m", "2", 4.0), graph]).ok();
    refused(
        &back(&admin, &json!({ "name": "m" })),
        &["m/2 can't go: the graph g/1 names it"],
    );
    admin
        .apply_with(&[times("m", "1", 8.0)], &json!({ "replace": true }))
        .ok();
    refused(
        &back(&admin, &json!({ "name": "m" })),
        &["the graph g/1 uses m/1", "change both in one revision"],
    );
    // A rollback of all names together is valid.
    back(&admin, &json!({})).ok();
    assert_eq!(answer(&server, "g"), Ok((3.0, "1".to_owned())));
}

#[test]
fn the_command_line_rolls_back_one_name_and_records_the_actor() {
    let server = Setup::of([times("m", "1", 2.0), times("n", "1", 3.0)]).start();
    let admin = Admin::of(&server);
    let at = server.starting.state.to_str().unwrap();
    let run =
        |arguments: &[&str]| -> Ran { hotstage(arguments.iter().copied().chain(["--state", at])) };
    admin.apply(&[times("m", "2", 4.0)]).ok();
    admin.apply(&[times("n", "2", 5.0)]).ok();
    let tried = run(&["rollback", "m", "--dry-run"]).ended(0).stdout;
    assert!(
        tried.contains("removed m/2") && tried.contains("dry run: nothing was changed"),
        "{tried}"
    );
    let done = run(&[
        "rollback",
        "m",
        "--actor",
        "Zoë <zoe@example.org>",
        "--reason",
        "slow",
    ])
    .ended(0)
    .stdout;
    assert!(
        done.contains("removed m/2") && !done.contains("n/"),
        "{done}"
    );
    let history = run(&["history", "--limit", "1"]).ended(0).stdout;
    for part in ["rollback m to 1", "operator Zoë <zoe@example.org>", "slow"] {
        assert!(history.contains(part), "{part}: {history}");
    }
    assert!(
        run(&["rollback", "--to", "2"])
            .ended(0)
            .stdout
            .contains("removed n/2")
    );
    let lost = run(&["rollback", "m", "--to", "1", "--actor", "a\tb"]).ended(2);
    assert!(
        lost.stderr.contains("--actor") && lost.stderr.contains("\\t"),
        "{}",
        lost.stderr
    );
    let empty = run(&["rollback", "n", "--to", "0", "--dry-run"])
        .ended(0)
        .stdout;
    assert!(empty.contains("removed n/1"), "{empty}");
    run(&["label", "n", "stable=1", "--actor", "ci"]).ended(0);
    run(&["delete", "m", "--actor", "ci"]).ended(0);
    run(&["rollback", "--actor", "ci"]).ended(0);
    let actors = |limit: &str| {
        let revisions = admin.get(&format!("/v1/revisions?limit={limit}"));
        let actors = revisions["revisions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|revision| revision["actor"].clone());
        actors.collect::<Vec<Value>>()
    };
    assert_eq!(actors("3"), vec![json!("operator ci"); 3]);
}
