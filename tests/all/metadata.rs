//! Metadata of the server and its models, and health checks.

use serde_json::{Value, json};

use crate::harness::http::Request;
use crate::harness::manifest::{model, version};
use crate::harness::server::{Server, Setup, program};

#[track_caller]
fn check(server: &Server, table: &[(&str, Value)]) {
    for (path, expected) in table {
        assert_eq!(&server.get(path).ok().json(), expected, "{path}");
    }
}

fn tumor() -> Value {
    json!({
        "name": "tumor",
        "versions": ["1"],
        "platform": "hotstage",
        "inputs": [{ "name": "features", "datatype": "FP32", "shape": [-1, 30] }],
        "outputs": [
            { "name": "label", "datatype": "BYTES", "shape": [-1] },
            { "name": "score", "datatype": "FP32", "shape": [-1] },
        ],
    })
}

fn echoes() -> Setup {
    Setup::of(["9", "10"].map(|label| version("echo", label, [model("echo")])))
}

#[test]
fn server_and_models_say_what_they_are() {
    let output = program().arg("--version").output().unwrap();
    let number = String::from_utf8(output.stdout)
        .unwrap()
        .trim()
        .strip_prefix("hotstage ")
        .unwrap()
        .to_owned();
    let server = Setup::tumor().start();
    let about = json!({ "name": "hotstage", "version": number, "extensions": ["binary_tensor_data", "parameters"] });
    check(
        &server,
        &[
            ("/v2", about.clone()),
            ("/v2/", about),
            ("/v2/models", json!({ "models": ["tumor"] })),
            ("/v2/models/tumor", tumor()),
            ("/v2/models/tumor/versions/1", tumor()),
        ],
    );
}

/// Triton's client checks only the status, KServe's the keys `live` and `ready` of the JSON.
#[test]
fn health_satisfies_clients_of_both_kinds() {
    let server = Setup::tumor().start();
    check(
        &server,
        &[
            ("/v2/health/live", json!({ "live": true })),
            ("/v2/health/ready", json!({ "live": true, "ready": true })),
            (
                "/v2/models/tumor/ready",
                json!({ "name": "tumor", "ready": true }),
            ),
            (
                "/v2/models/tumor/versions/1/ready",
                json!({ "name": "tumor", "ready": true }),
            ),
        ],
    );
}

#[test]
fn a_slash_at_the_end_and_needless_quoting_change_nothing() {
    let server = Setup::tumor().start();
    check(
        &server,
        &[
            ("/v2/health/live/", json!({ "live": true })),
            ("/v2/models/", json!({ "models": ["tumor"] })),
            ("/v2/models/tumor/", tumor()),
            ("/v2/models/%74umo%72", tumor()),
            ("/v2/models/tumor/versions/%31", tumor()),
            (
                "/v2/models/t%75mor/versions/1/ready/",
                json!({ "name": "tumor", "ready": true }),
            ),
            (
                "/v2/health/ready?probe=1",
                json!({ "live": true, "ready": true }),
            ),
        ],
    );
}

#[test]
fn head_is_get_without_the_body() {
    let server = Setup::tumor().start();
    let mut connection = server.connect();
    for path in [
        "/v2",
        "/v2/health/ready",
        "/v2/models/tumor",
        "/v2/models/unknown",
        "/metrics",
    ] {
        let head = connection.ask(&Request::new("HEAD", path));
        let get = connection.ask(&Request::get(path));
        assert_eq!(
            (head.status, head.header("content-type")),
            (get.status, get.header("content-type")),
            "{path}"
        );
        if path != "/metrics" {
            assert_eq!(
                head.header("content-length"),
                Some(get.body.len().to_string().as_str()),
                "{path}"
            );
        }
        assert!(head.body.is_empty(), "{path}");
    }
}

#[test]
fn all_versions_are_listed_and_the_newest_answers() {
    let server = echoes().start();
    let versions = |path| server.get(path).ok().json()["versions"].clone();
    assert_eq!(versions("/v2/models/echo"), json!(["9", "10"]));
    assert_eq!(versions("/v2/models/echo/versions/9"), json!(["9", "10"]));
    let request =
        json!({ "inputs": [{ "name": "x", "datatype": "FP32", "shape": [1], "data": [1] }] });
    for (path, expected) in [
        ("echo", "10"),
        ("echo/versions/9", "9"),
        ("echo/versions/10", "10"),
    ] {
        let answer = server.infer(path, &request).ok();
        assert_eq!(answer.json()["model_version"], expected, "{path}");
        assert_eq!(answer.header("hotstage-version"), Some(expected), "{path}");
    }
}
