//! Every refusal: the status, the error code, and the message.
//!
//! All rows of a table use one connection: a refusal must not end it.

mod inputs;

use serde_json::Value;

use crate::harness::http::{Connection, Request};
use crate::harness::server::Setup;
use crate::harness::tumor;

const TUMOR: &str = "/v2/models/tumor/infer";

#[track_caller]
fn check(connection: &mut Connection, request: &Request, status: u16, kind: &str, message: &str) {
    let response = connection.ask(request);
    assert_eq!(
        (response.status, response.error().as_str()),
        (status, message)
    );
    assert_eq!(response.header("hotstage-failure"), Some(kind), "{message}");
    assert!(response.header("x-request-id").is_some(), "{message}");
    assert_eq!(response.header("retry-after"), None, "{message}");
}

/// The benign row with one key of its input changed.
fn with(key: &str, value: impl Into<Value>) -> Value {
    let mut request = tumor::request("benign");
    request["inputs"][0][key] = value.into();
    request
}

#[test]
fn invalid_json_is_refused_with_its_position() {
    let server = Setup::tumor().start();
    let mut connection = server.connect();
    let deep = format!(
        "{{\"inputs\":[{{\"name\":\"features\",\"data\":{}",
        "[".repeat(200_000)
    );
    for (body, start) in [
        (&b""[..], "the request is empty"),
        (b"hello", "the request isn't JSON: "),
        (
            b"{\"inputs\":[",
            "the request isn't JSON: EOF while parsing a list at line 1 column 11",
        ),
        (
            b"{\"inputs\":[]}}",
            "the request isn't JSON: trailing characters at line 1 column 14",
        ),
        (
            b"{\"id\":\"\xff\"}",
            "the request isn't JSON: byte 7 isn't UTF-8",
        ),
        (b"[]", "the request is not valid: "),
        (b"{\"inputs\":{}}", "the request is not valid: "),
        (b"{\"inputs\":[5]}", "the request is not valid: "),
        (
            b"{\"id\":\"a\",\"id\":\"b\"}",
            "the request is not valid: duplicate field `id`",
        ),
        (deep.as_bytes(), "the request isn't JSON: EOF"),
    ] {
        let response = connection.ask(&Request::post(TUMOR, body));
        assert_eq!(response.status, 400);
        assert!(response.error().starts_with(start), "{}", response.error());
        assert!(response.body.len() < 400, "{}", response.body.len());
    }
}

/// A message repeats the client's text, but shortened, and escaped as JSON text.
#[test]
fn client_text_in_a_message_is_short_and_escaped() {
    let server = Setup::tumor().start();
    let response = server.infer(
        "tumor",
        &with("name", format!("<\"\\\u{1}é{}", "x".repeat(1 << 20))),
    );
    let error = response.error();
    assert!(
        error.starts_with("there is no input `<\"\\\u{1}éx") && error.contains("x…`"),
        "{error}"
    );
    assert!(response.body.len() < 300, "{}", response.body.len());
}

#[test]
fn an_unknown_name_is_404_with_the_known_ones() {
    let server = Setup::tumor().start();
    let mut connection = server.connect();
    let near = "there is no model `tumour`; did you mean `tumor`?";
    let far = "there is no model `zebra`; known: `tumor`";
    let version = "model `tumor` has no version `2`; it has 1";
    let body = tumor::request("benign").to_string();
    for (path, message) in [
        ("/v2/models/tumour/infer", near),
        ("/v2/models/zebra/infer", far),
        ("/v2/models/tumor/versions/2/infer", version),
    ] {
        check(
            &mut connection,
            &Request::post(path, body.clone()),
            404,
            "not_found",
            message,
        );
    }
    for (path, message) in [
        ("/v2/models/tumour", near),
        ("/v2/models/tumour/ready", near),
        ("/v2/models/zebra/versions/1/ready", far),
        ("/v2/models/tumor/versions/2", version),
        ("/v2/models/tumor/versions/2/ready", version),
    ] {
        check(
            &mut connection,
            &Request::get(path),
            404,
            "not_found",
            message,
        );
    }
    for path in [
        "/",
        "/v1/models/tumor:predict",
        "/v2/health",
        "/v2/models/tumor/config",
        "/v2/models/tumor/versions",
        "/v2/models//infer",
        "/v2/models/tumor/infer/more",
        "/v2/models/%ff",
        "/../etc/passwd",
    ] {
        let message = format!("there is nothing at `{path}`; the API starts at /v2");
        check(
            &mut connection,
            &Request::get(path),
            404,
            "not_found",
            &message,
        );
    }
}

#[test]
fn a_wrong_method_is_405_with_those_that_are_right() {
    let server = Setup::tumor().start();
    let mut connection = server.connect();
    for (method, path, allow) in [
        ("GET", TUMOR, "POST"),
        ("HEAD", TUMOR, "POST"),
        ("PUT", TUMOR, "POST"),
        ("DELETE", "/v2/models/tumor", "GET, HEAD"),
        ("POST", "/v2", "GET, HEAD"),
        ("POST", "/v2/health/ready", "GET, HEAD"),
        ("POST", "/v2/models/tumor/ready", "GET, HEAD"),
        ("OPTIONS", "/v2/models", "GET, HEAD"),
        ("POST", "/metrics", "GET, HEAD"),
    ] {
        let response = connection.ask(&Request::new(method, path));
        assert_eq!(
            (response.status, response.header("allow")),
            (405, Some(allow)),
            "{method} {path}"
        );
        if method != "HEAD" {
            assert_eq!(
                response.error(),
                format!("{method} is not allowed here; allowed: {allow}")
            );
        }
    }
}

/// Triton's Python client sends none, curl sends that of a form, others send anything.
#[test]
fn a_content_type_is_never_a_reason_to_refuse() {
    let server = Setup::tumor().start();
    let mut connection = server.connect();
    let body = tumor::request("benign").to_string();
    for content_type in [
        None,
        Some("application/json"),
        Some("application/json; charset=utf-8"),
        Some("application/octet-stream"),
        Some("application/x-www-form-urlencoded"),
        Some("text/plain"),
        Some("image/png"),
        Some("nonsense"),
        Some(""),
    ] {
        let request = Request::post(TUMOR, body.clone());
        let request = match content_type {
            Some(content_type) => request.header("content-type", content_type),
            None => request,
        };
        tumor::check("benign", &connection.ask(&request).ok().json());
    }
}

/// A body with an unsupported content type is not reported as broken JSON.
#[test]
fn a_body_of_another_type_is_refused_with_the_accepted_types() {
    let server = Setup::tumor().start();
    let mut connection = server.connect();
    let takes = "it takes tensors, in JSON (application/json) or binary (application/octet-stream with \
                 inference-header-content-length)";
    let csv = "; for CSV put the stage `tabular` first, or send the rows with `hotstage infer tumor FILE.csv`";
    for (content_type, body, more) in [
        ("text/csv; charset=utf-8", "a,b\n1,2\n", csv),
        ("Text/CSV", "", csv),
        ("image/png", "\u{89}PNG", ""),
    ] {
        let name = content_type.split(';').next().unwrap().to_ascii_lowercase();
        let message = format!("a body of type `{name}` is not taken by `tumor`: {takes}{more}");
        let request = Request::post(TUMOR, body).header("content-type", content_type);
        check(&mut connection, &request, 400, "invalid_input", &message);
    }
    // A body that claims to be JSON, has no type, or looks like JSON is refused with the position.
    for (content_type, body) in [
        ("application/json", "a,b"),
        ("text/plain", "a,b"),
        ("text/csv", "{\"inputs\":"),
    ] {
        let response =
            connection.ask(&Request::post(TUMOR, body).header("content-type", content_type));
        assert!(
            response.error().starts_with("the request isn't JSON: "),
            "{}",
            response.error()
        );
    }
}
