//! A refused change leaves everything unchanged and names the reason.

use serde_json::json;

use crate::harness::admin::{Admin, times};
use crate::harness::http::Request;
use crate::harness::server::Setup;

#[test]
fn a_refused_change_leaves_no_trace() {
    let server = Setup::of([times("m", "1", 2.0)]).start();
    let admin = Admin::of(&server);
    let mut zero = times("n", "1", 2.0);
    zero["spec"]["stages"][0]["settings"]["std"] = json!([0.0]);
    let mut unknown = times("n", "1", 2.0);
    unknown["spec"]["stages"][0]["component"] = json!("./nowhere.wasm");
    for (manifests, status, says) in [
        (vec![times("n", "1", 1.0), zero], 422, "1.yaml:1:"),
        (vec![unknown], 422, "0.yaml:1:"),
        (
            vec![times("n", "1", 1.0), times("n", "1", 2.0)],
            422,
            "1.yaml:1:",
        ),
        (
            vec![times("n", "1", 1.0), times("m", "1", 3.0)],
            422,
            "1.yaml:1:",
        ),
        (vec![], 400, "nothing to apply"),
    ] {
        let refused = admin.apply(&manifests);
        assert_eq!(refused.status, status, "{}", refused.text());
        assert!(
            refused.error().contains(says),
            "{says}: {}",
            refused.error()
        );
        let models = admin.get("/v1/models");
        assert_eq!(
            (&models["head"], &models["total"]),
            (&json!(1), &json!(1)),
            "{says}"
        );
    }
    assert!(
        admin
            .apply(&[times("m", "1", 3.0)])
            .error()
            .contains("a version never changes")
    );
    let replaced = admin
        .apply_with(&[times("m", "1", 3.0)], &json!({ "replace": true }))
        .ok()
        .json();
    assert_eq!(replaced["changes"][0]["what"], "replaced");
}

#[test]
fn a_failed_golden_test_shows_the_answer() {
    let server = Setup::of([times("m", "1", 2.0)]).start();
    let admin = Admin::of(&server);
    let mut wrong = times("m", "2", 4.0);
    let tensor = |value: f64| json!([{ "name": "features", "datatype": "FP32", "shape": [1, 1], "data": [value] }]);
    wrong["spec"]["tests"] = json!([{ "name": "doubles", "request": { "inputs": tensor(1.0) }, "expect": { "outputs": tensor(2.0) } }]);
    let refused = admin.apply(&[wrong]);
    assert_eq!(refused.status, 422);
    let error = refused.error();
    assert!(
        error.contains("test `doubles`") && error.contains('4') && error.contains('2'),
        "{error}"
    );
    assert_eq!(admin.get("/v1/status")["head"], 1);
}

#[test]
fn a_dry_run_checks_everything_and_changes_nothing() {
    let server = Setup::of([times("m", "1", 2.0)]).start();
    let admin = Admin::of(&server);
    let report = admin
        .apply_with(
            &[times("m", "2", 4.0), times("m", "1", 2.0)],
            &json!({ "dry_run": true }),
        )
        .ok()
        .json();
    assert_eq!(
        (&report["revision"], &report["head"], &report["dry_run"]),
        (&json!(null), &json!(1), &json!(true))
    );
    assert_eq!(
        (&report["changes"][0]["version"], &report["unchanged"]),
        (&json!("2"), &json!(["m/1"]))
    );
    assert_eq!(admin.get("/v1/models/m")["answers"], "1");
}

#[test]
fn a_change_based_on_an_outdated_revision_is_refused() {
    let server = Setup::of([times("m", "1", 2.0)]).start();
    let admin = Admin::of(&server);
    let stale = admin.apply_with(&[times("m", "2", 4.0)], &json!({ "if_revision": 7 }));
    assert_eq!(
        (stale.status, stale.error().as_str()),
        (
            409,
            "the newest revision is 1, not 7: check what changed and try again"
        )
    );
    admin
        .apply_with(&[times("m", "2", 4.0)], &json!({ "if_revision": 1 }))
        .ok();
    assert_eq!(admin.post("/v1/rollback", &json!({ "to": 9 })).status, 404);
}

#[test]
fn requests_need_a_token_and_reader_tokens_only_read() {
    let server = Setup::of([times("m", "1", 2.0)]).start();
    let admin = Admin::of(&server);
    let reader = std::fs::read_to_string(server.starting.state.join("reader-token")).unwrap();
    let reader = reader.trim();
    assert_eq!(admin.ask_as("", Request::get("/v1/status")).status, 401);
    assert_eq!(
        admin.ask_as("nonsense", Request::get("/v1/nowhere")).status,
        401
    );
    admin.ask_as(reader, Request::get("/v1/status")).ok();
    let refused = admin.ask_as(reader, Request::new("DELETE", "/v1/models/m"));
    assert_eq!(refused.status, 403);
    assert!(!refused.error().contains(reader));
    // Inference needs no token.
    assert_eq!(server.get("/v1/status").status, 404);
    for name in ["admin-token", "reader-token"] {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(server.starting.state.join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn an_upload_resumes_at_its_offset_and_must_match_its_digest() {
    let server = Setup::of([times("m", "1", 2.0)]).start();
    let admin = Admin::of(&server);
    let bytes = vec![42_u8; 100_000];
    let digest = crate::harness::sha256(&bytes);
    let path = format!("/v1/uploads/{digest}");
    let part = |from: usize, to: usize, last: bool| {
        let part = Request::new("PATCH", &path)
            .body(&bytes[from..to])
            .header("upload-offset", from);
        admin.ask(if last {
            part.header("upload-complete", "?1")
        } else {
            part
        })
    };
    part(0, 40_000, false).ok();
    assert_eq!(admin.get(&path)["offset"], 40_000);
    let wrong = part(50_000, 60_000, false);
    assert!(
        wrong.status == 409 && wrong.error().contains("40000"),
        "{}",
        wrong.text()
    );
    assert_eq!(part(40_000, 100_000, true).ok().json()["complete"], true);
    let other = format!("/v1/uploads/{}", crate::harness::sha256(b"something else"));
    let damaged = Request::new("PATCH", &other)
        .body(b"not that".as_slice())
        .header("upload-offset", 0);
    let refused = admin.ask(damaged.header("upload-complete", "?1"));
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert_eq!(admin.get(&other)["offset"], 0);
}
