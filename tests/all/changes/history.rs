//! The history: who changed what, and which version answered at which time.

use std::time::Duration;

use serde_json::json;

use crate::harness::admin::{Admin, times};
use crate::harness::http::Request;
use crate::harness::pause;
use crate::harness::server::Setup;

#[test]
fn every_change_is_a_revision_that_names_the_one_before() {
    let server = Setup::of([times("m", "1", 2.0)]).start();
    let admin = Admin::of(&server);
    let reason = json!({ "reason": "a better fit" });
    admin.apply_with(&[times("m", "2", 4.0)], &reason).ok();
    admin.label("m", "stable", "1").ok();
    admin
        .post(
            "/v1/rollback",
            &json!({ "to": 1, "reason": "worse on Fridays" }),
        )
        .ok();
    let history = admin.get("/v1/revisions");
    let revisions = history["revisions"].as_array().unwrap();
    let verbs: Vec<&str> = revisions
        .iter()
        .map(|revision| revision["verb"].as_str().unwrap())
        .collect();
    assert_eq!(verbs, ["rollback", "label", "apply", "apply"]);
    assert_eq!(revisions[0]["reason"], "worse on Fridays");
    assert_eq!(
        (&revisions[0]["to"], &revisions[3]["actor"]),
        (&json!(1), &json!("serve"))
    );
    for pair in revisions.windows(2) {
        assert_eq!(pair[0]["previous"], pair[1]["hash"]);
    }
    let page = admin.get("/v1/revisions?limit=3");
    assert_eq!(
        (
            page["revisions"].as_array().unwrap().len(),
            &page["next_before"]
        ),
        (3, &json!(2))
    );
    assert_eq!(
        admin.get("/v1/revisions?limit=3&before=2")["revisions"][0]["number"],
        1
    );
    let verified = admin.get("/v1/verify");
    assert_eq!(
        (&verified["ok"], &verified["revisions"]),
        (&json!(true), &json!(4))
    );
    assert_eq!(verified["hash"], revisions[0]["hash"]);
}

#[test]
fn the_version_that_answered_at_a_time_can_be_queried() {
    let server = Setup::of([times("m", "1", 2.0)]).start();
    let admin = Admin::of(&server);
    pause(Duration::from_millis(5));
    admin.apply(&[times("m", "2", 4.0)]).ok();
    // Times have milliseconds; each revision gets a distinct one.
    pause(Duration::from_millis(5));
    admin.delete("/v1/models/m").ok();
    let revisions = admin.get("/v1/revisions");
    let time = |index: usize| {
        revisions["revisions"][index]["time"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let answered = |time: &str| admin.get(&format!("/v1/models/m/answered?time={time}"));
    let then = answered(&time(2));
    assert_eq!(
        (&then["version"], &then["revision"], &then["until"]),
        (&json!("1"), &json!(1), &json!(time(1)))
    );
    let later = answered(&time(1));
    assert_eq!(
        (
            &later["version"],
            later["versions"].as_array().map(Vec::len)
        ),
        (&json!("2"), Some(2))
    );
    assert_eq!(answered(&time(0))["version"], json!(null));
    assert_eq!(
        admin
            .ask(Request::get(
                "/v1/models/unknown/answered?time=2026-01-01T00:00:00Z"
            ))
            .status,
        404
    );
    assert_eq!(
        admin
            .ask(Request::get("/v1/models/m/answered?time=yesterday"))
            .status,
        400
    );
}

#[test]
fn what_no_kept_revision_needs_is_freed() {
    let server = Setup::of([times("m", "1", 2.0)])
        .args("--keep-versions 0")
        .start();
    let admin = Admin::of(&server);
    let extra = admin.upload(b"unreferenced bytes");
    let sweep = |dry_run: bool| {
        let request = json!({ "dry_run": dry_run, "min_age_seconds": 0, "keep_revisions": 1 });
        admin.post("/v1/gc", &request).ok().json()
    };
    assert_eq!(
        (sweep(true)["blobs"].clone(), sweep(true)["blobs"].clone()),
        (json!(1), json!(1))
    );
    assert_eq!(sweep(false)["blobs"], 1);
    assert_eq!(
        admin.get(&format!("/v1/uploads/{extra}"))["complete"],
        false
    );
    admin
        .apply_with(&[times("m", "1", 8.0)], &json!({ "replace": true }))
        .ok();
    assert_eq!(sweep(false)["blobs"], 1, "the manifest that was replaced");
    assert_eq!(admin.get("/v1/verify")["problems"], json!([]));
    let gone = admin.post("/v1/rollback", &json!({ "to": 1 }));
    assert!(
        gone.status == 422 && gone.error().contains("is not in the store"),
        "{}",
        gone.text()
    );
}
