//! The headers and ids of every answer, and the single log line of each failed request.

use std::process::Output;

use serde_json::Value;

use crate::harness::http::{Request, Response};
use crate::harness::manifest::{model, pipeline};
use crate::harness::server::{Setup, program};
use crate::harness::{components, root, state, tumor};

const TUMOR: &str = "/v2/models/tumor/infer";

/// The report of `hotstage check -o json` for the example.
fn checked() -> Value {
    let state = state::warm();
    let mut check = program();
    check
        .args(["check", "-o", "json", "-f"])
        .arg(root().join("examples/tumor/tumor-v1.yaml"));
    let Output { stdout, .. } = check
        .arg("--state")
        .arg(state.path())
        .arg("--components")
        .arg(components())
        .output()
        .unwrap();
    serde_json::from_slice::<Value>(&stdout).unwrap()["pipelines"][0].take()
}

#[test]
fn an_answer_names_the_pipeline_that_gave_it_as_check_does() {
    let checked = checked();
    let server = Setup::tumor().start();
    let binary =
        Request::post(TUMOR, tumor::bytes("benign")).header("inference-header-content-length", 0);
    for request in [
        Request::post(TUMOR, tumor::request("benign").to_string()),
        Request::post(TUMOR, tumor::request("benign").to_string())
            .header("accept-encoding", "gzip"),
        binary,
        Request::get("/v2/models/tumor"),
        Request::get("/v2/models/tumor/versions/1/ready"),
    ] {
        let response = server.ask(&request).ok();
        for (header, key) in [
            ("hotstage-pipeline", "name"),
            ("hotstage-version", "version"),
            ("hotstage-digest", "digest"),
        ] {
            assert_eq!(
                response.header(header),
                checked[key].as_str(),
                "{request:?}"
            );
        }
    }
    let digest = checked["digest"].as_str().unwrap();
    let hex = digest.strip_prefix("sha256:").unwrap();
    assert!(
        hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{digest}"
    );
    assert_eq!(server.get("/v2").header("hotstage-digest"), None);
}

#[test]
fn an_answer_repeats_the_clients_id_or_has_one_of_its_own() {
    let server = Setup::tumor().start();
    let mut connection = server.connect();
    let mut id = |path: &str, id: Option<&str>| {
        let request = Request::get(path);
        let request = match id {
            Some(id) => request.header("X-Request-Id", id),
            None => request,
        };
        connection
            .ask(&request)
            .header("x-request-id")
            .unwrap()
            .to_owned()
    };
    let (longest, too_long) = ("i".repeat(256), "i".repeat(257));
    for path in ["/v2", "/v2/models/zebra"] {
        for given in ["mine", "with space; and=signs", &longest] {
            assert_eq!(id(path, Some(given)), given);
        }
        for given in [None, Some(""), Some(too_long.as_str()), Some("é")] {
            let (first, second) = (id(path, given), id(path, given));
            assert!(
                first.len() == 16 && first.bytes().all(|byte| byte.is_ascii_hexdigit()),
                "{first}"
            );
            assert_ne!(first, second);
        }
    }
}

/// Each request has an id, so that its log line can be found.
fn refusals() -> Vec<(&'static str, Request, u16, &'static str)> {
    vec![
        ("a", Request::post(TUMOR, "{}"), 400, "invalid_input"),
        ("b", Request::get("/v2/models/tumour"), 404, "not_found"),
        ("c", Request::get(TUMOR), 405, "method_not_allowed"),
        (
            "d",
            Request::post(TUMOR, "x".repeat(2000)),
            413,
            "body_too_large",
        ),
        (
            "e",
            Request::post(TUMOR, "{}").header("content-encoding", "br"),
            415,
            "unsupported_media_type",
        ),
        (
            "f",
            Request::get("/v2").header("x", &"y".repeat(20_000)),
            431,
            "headers_too_large",
        ),
    ]
}

#[test]
fn each_failed_request_has_one_line_in_the_log_and_no_other_has_any() {
    let server = Setup::tumor()
        .args("--log-format json --max-body 1000")
        .start();
    let fine = |id: &str| {
        Request::post(TUMOR, tumor::request("benign").to_string()).header("x-request-id", id)
    };
    server.ask(&fine("fine")).ok();
    let mut answers: Vec<(&str, Response)> = Vec::new();
    for (id, request, status, _) in refusals() {
        let response = server.ask(&request.header("x-request-id", id));
        assert_eq!(response.status, status);
        answers.push((id, response));
    }
    server.ask(&fine("fine as well")).ok();
    let ended = server.stop();

    let lines: Vec<Value> = ended
        .stderr
        .iter()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect();
    let of_requests: Vec<&Value> = lines
        .iter()
        .filter(|line| line["target"] == "request")
        .collect();
    assert_eq!(of_requests.len(), answers.len(), "{of_requests:#?}");
    for ((id, answer), (_, _, status, kind)) in answers.iter().zip(refusals()) {
        let line = of_requests.iter().find(|line| line["id"] == *id).unwrap();
        assert_eq!(
            (&line["status"], &line["kind"]),
            (&status.into(), &kind.into()),
            "{line}"
        );
        assert_eq!(line["error"], answer.error(), "{line}");
        assert_eq!(line["level"], "WARN", "{line}");
        for key in ["timestamp", "method", "path", "took"] {
            assert!(line[key].is_string(), "{line}");
        }
    }
}

#[test]
fn a_defect_is_logged_as_an_error_with_details_hidden_from_the_client() {
    let server = Setup::of([pipeline("traps", [model("traps")])])
        .args("--log-format json")
        .start();
    let input = serde_json::json!({ "name": "x", "datatype": "FP32", "shape": [1], "data": [13] });
    let response = server.infer("traps", &serde_json::json!({ "inputs": [input] }));
    assert_eq!(
        (response.status, response.header("hotstage-failure")),
        (500, Some("stage_trapped"))
    );
    let id = response.header("x-request-id").unwrap().to_owned();
    let ended = server.stop();
    let lines = ended
        .stderr
        .iter()
        .filter(|line| line.contains("\"target\":\"request\""));
    let lines: Vec<Value> = lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let [line] = lines.as_slice() else {
        panic!("{lines:#?}")
    };
    assert_eq!(
        (&line["id"], &line["level"], &line["status"]),
        (&id.into(), &"ERROR".into(), &500.into())
    );
    assert_eq!(line["error"], response.error());
    assert!(line["cause"].is_string(), "{line}");
    assert!(
        !response.text().contains(line["cause"].as_str().unwrap()),
        "{line}"
    );
}

/// Client text must not create a log line of its own or colour a terminal.
#[test]
fn client_text_never_breaks_a_log_line() {
    for format in ["json", "text"] {
        let server = Setup::tumor()
            .args(&format!("--log-format {format}"))
            .start();
        server.get("/v2/%0a%1b[31mfake");
        let mut request = tumor::request("benign");
        request["inputs"][0]["name"] = "a\nERROR fake \u{1b}[31m\r\u{0}".into();
        server.infer("tumor", &request);
        let ended = server.stop();
        let printed = ended.stderr.join("\n");
        let is_loud = |character: char| character.is_control() && character != '\n';
        assert!(!printed.contains(is_loud), "{format}: {printed:?}");
        assert!(
            !ended
                .stderr
                .iter()
                .any(|line| line.starts_with("ERROR fake")),
            "{format}: {printed}"
        );
        assert_eq!(
            ended
                .stderr
                .iter()
                .filter(|line| line.contains("refused"))
                .count(),
            2,
            "{format}: {printed}"
        );
    }
}
