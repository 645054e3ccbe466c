//! Versions are swapped under traffic; every answer is complete and of one version.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use serde_json::json;

use crate::harness::admin::{Admin, ask, times};
use crate::harness::http::Request;
use crate::harness::server::Setup;

const PATH: &str = "/v2/models/m/infer";

#[test]
fn a_new_version_answers_at_once_and_a_rollback_brings_the_old_one_back() {
    let server = Setup::of([times("m", "1", 2.0)]).start();
    let admin = Admin::of(&server);
    let mut connection = server.connect();
    assert_eq!(ask(&mut connection, PATH).unwrap(), (2.0, "1".to_owned()));
    let applied = admin.apply(&[times("m", "2", 4.0)]).ok().json();
    assert_eq!(
        (&applied["revision"], &applied["changes"][0]["what"]),
        (&json!(2), &json!("added"))
    );
    assert_eq!(ask(&mut connection, PATH).unwrap(), (4.0, "2".to_owned()));
    // The old version can still be called by its number.
    assert_eq!(
        ask(&mut connection, "/v2/models/m/versions/1/infer").unwrap(),
        (2.0, "1".to_owned())
    );
    let back = admin.post("/v1/rollback", &json!({})).ok().json();
    assert_eq!((&back["revision"], &back["loaded"]), (&json!(3), &json!(0)));
    assert_eq!(ask(&mut connection, PATH).unwrap(), (2.0, "1".to_owned()));
    assert_eq!(
        ask(&mut connection, "/v2/models/m/versions/2/infer")
            .unwrap_err()
            .status,
        404
    );
    // And forward again: a rollback is a revision as well, and versions that stay loaded are not
    // opened again.
    let forward = admin.post("/v1/rollback", &json!({ "to": 2 })).ok().json();
    assert_eq!(
        (&forward["revision"], &forward["loaded"]),
        (&json!(4), &json!(0))
    );
    assert_eq!(ask(&mut connection, PATH).unwrap(), (4.0, "2".to_owned()));
}

/// Stops the client threads when it is dropped.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

#[test]
fn no_request_fails_or_mixes_versions_while_versions_are_swapped() {
    let server = Setup::of([times("m", "1", 1.0)]).start();
    let admin = Admin::of(&server);
    let (stop, asked) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        // The threads must stop even if a change fails.
        let _stopping = Stop(&stop);
        for _ in 0..4 {
            scope.spawn(|| {
                let mut connection = server.connect();
                while !stop.load(SeqCst) {
                    let (value, version) = ask(&mut connection, PATH)
                        .unwrap_or_else(|response| panic!("{response:?}"));
                    assert_eq!(
                        value.to_string(),
                        version,
                        "an answer of one version with another\'s name"
                    );
                    asked.fetch_add(1, SeqCst);
                }
            });
        }
        for number in 2..=40_u32 {
            let version = number.to_string();
            admin.apply(&[times("m", &version, f64::from(number))]).ok();
            // A version that was rolled back is already gone.
            if number % 3 == 0 && (number - 1) % 7 != 0 {
                let older = (number - 1).to_string();
                admin.delete(&format!("/v1/models/m/versions/{older}")).ok();
            }
            if number % 5 == 0 {
                // A bad version among them changes nothing.
                let mut bad = times("m", "999", 999.0);
                bad["spec"]["stages"][0]["settings"]["std"] = json!([0.0]);
                assert_eq!(admin.apply(&[bad]).status, 422);
            }
            if number % 7 == 0 {
                admin.post("/v1/rollback", &json!({})).ok();
            }
        }
    });
    assert!(asked.load(SeqCst) > 100, "{asked:?}");
    assert_eq!(admin.get("/v1/verify")["ok"], true);
}

#[test]
fn a_label_is_accepted_in_place_of_a_version() {
    let server = Setup::of([times("m", "1", 2.0), times("m", "2", 4.0)]).start();
    let admin = Admin::of(&server);
    let mut connection = server.connect();
    let stable = "/v2/models/m/versions/stable/infer";
    assert_eq!(ask(&mut connection, stable).unwrap_err().status, 404);
    admin.label("m", "stable", "1").ok();
    assert_eq!(ask(&mut connection, stable).unwrap(), (2.0, "1".to_owned()));
    admin.label("m", "stable", "2").ok();
    assert_eq!(ask(&mut connection, stable).unwrap(), (4.0, "2".to_owned()));
    let held = admin.delete("/v1/models/m/versions/2");
    assert_eq!(held.status, 409);
    assert_eq!(
        held.error(),
        "m/2 can\'t go: the label `stable` points at it; move or delete the label first"
    );
    assert_eq!(admin.label("m", "canary", "3").error(), "there is no m/3");
    assert_eq!(
        admin.label("m", "1", "2").error(),
        "`1` can\'t be a label of `m`: a version has this name"
    );
    admin.delete("/v1/models/m/labels/stable").ok();
    assert_eq!(ask(&mut connection, stable).unwrap_err().status, 404);
}

#[test]
fn tritons_repository_calls_load_and_unload() {
    let server = Setup::of([times("m", "1", 2.0)]).start();
    let admin = Admin::of(&server);
    let mut connection = server.connect();
    let index = |admin: &Admin| {
        admin
            .ask(Request::post("/v2/repository/index", ""))
            .ok()
            .json()
    };
    assert_eq!(
        index(&admin),
        json!([{ "name": "m", "version": "1", "state": "READY", "reason": "" }])
    );
    admin
        .ask(Request::post("/v2/repository/models/m/unload", ""))
        .ok();
    assert_eq!(ask(&mut connection, PATH).unwrap_err().status, 404);
    assert_eq!(index(&admin)[0]["state"], "UNAVAILABLE");
    admin
        .ask(Request::post("/v2/repository/models/m/load", ""))
        .ok();
    assert_eq!(ask(&mut connection, PATH).unwrap(), (2.0, "1".to_owned()));
    assert_eq!(
        admin
            .ask(Request::post("/v2/repository/models/unknown/load", ""))
            .status,
        404
    );
}
