//! HTTP/1.1 as real clients use it: persistent connections, requests in pieces, and clients that
//! disconnect.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::admin::Admin;
use crate::harness::http::{Connection, Request};
use crate::harness::metrics::Metrics;
use crate::harness::server::Setup;
use crate::harness::{eventually, pause, tumor};

const TUMOR: &str = "/v2/models/tumor/infer";

fn benign() -> String {
    tumor::request("benign").to_string()
}

#[test]
fn a_connection_lives_on_until_the_client_says_otherwise() {
    let server = Setup::tumor().start();
    let mut connection = server.connect();
    for _ in 0..3 {
        let response = connection.ask(&Request::post(TUMOR, benign())).ok();
        assert_eq!(response.header("connection"), None);
    }
    connection
        .ask(&Request::get("/v2").header("connection", "close"))
        .ok();
    connection.expect_closed();

    let mut old = server.connect();
    old.send(b"GET /v2/health/live HTTP/1.0\r\n\r\n");
    assert_eq!(old.answer().unwrap().ok().json(), json!({ "live": true }));
    old.expect_closed();
}

#[test]
fn requests_sent_at_once_are_answered_in_their_order() {
    let server = Setup::tumor().start();
    let with = |id: &str| {
        let mut request = tumor::request("benign");
        request["id"] = json!(id);
        Request::post(TUMOR, request.to_string()).bytes()
    };
    let mut connection = server.connect();
    connection.send(&[with("1"), with("2"), Request::get("/v2").bytes(), with("3")].concat());
    let mut next = || connection.answer().unwrap().ok().json();
    let answers: Vec<Value> = (0..4).map(|_| next()).collect();
    assert_eq!(
        [&answers[0]["id"], &answers[1]["id"], &answers[3]["id"]],
        ["1", "2", "3"]
    );
    assert_eq!(answers[2]["name"], "hotstage");
}

/// If an answer waited for the rest of the next request, it would wait for ever.
#[test]
fn an_answer_does_not_wait_for_the_rest_of_the_next_request() {
    let server = Setup::tumor().start();
    let next = Request::post(TUMOR, benign()).bytes();
    let mut connection = server.connect();
    for length in [3, next.len() - 1] {
        connection.send(&[Request::get("/v2").bytes(), next[..length].to_vec()].concat());
        assert_eq!(connection.answer().unwrap().ok().json()["name"], "hotstage");
        connection.send(&next[length..]);
        tumor::check("benign", &connection.answer().unwrap().ok().json());
    }
}

#[test]
fn a_request_may_come_in_any_pieces() {
    let server = Setup::tumor().start();
    let whole = Request::post(TUMOR, benign());
    let chunked = |size: usize| {
        let mut bytes = Request::post(TUMOR, [])
            .header("transfer-encoding", "chunked")
            .head();
        for piece in benign().as_bytes().chunks(size) {
            bytes.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            bytes.extend_from_slice(piece);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\nx-trailer: of no interest\r\n\r\n");
        bytes
    };
    let mut connection = server.connect();
    for (bytes, size) in [
        (whole.bytes(), 1),
        (whole.bytes(), 7),
        (chunked(1), 1000),
        (chunked(100), 33),
    ] {
        for piece in bytes.chunks(size) {
            connection.send(piece);
        }
        tumor::check("benign", &connection.answer().unwrap().ok().json());
    }
}

#[test]
fn a_client_that_expects_100_continue_gets_it() {
    let server = Setup::tumor().start();
    let request = Request::post(TUMOR, benign()).header("expect", "100-continue");
    let mut connection = server.connect();
    connection.send(&request.head());
    assert_eq!(connection.answer().unwrap().status, 100);
    connection.send(benign().as_bytes());
    tumor::check("benign", &connection.answer().unwrap().ok().json());
}

/// With `expect: 100-continue`, a body that is not needed is never sent.
#[test]
fn a_client_that_expects_100_continue_can_be_refused_first() {
    let server = Setup::tumor().args("--max-body 1000").start();
    for (path, length, status) in [
        (TUMOR, 1001, 413),
        ("/v2/models/zebra/infer", 10, 404),
        ("/v2/models/tumor", 10, 405),
    ] {
        let head = Request::post(path, [])
            .header("content-length", length)
            .header("expect", "100-continue")
            .head();
        let mut connection = server.connect();
        connection.send(&head);
        let response = connection.answer().unwrap();
        assert_eq!(response.status, status, "{path}");
        response.error();
    }
}

#[test]
fn invalid_http_is_refused_without_other_effects() {
    let server = Setup::tumor().start();
    let mut bystander = server.connect();
    for bytes in [
        &b"\0\0\0\0\r\n\r\n"[..],
        b"hello\r\n\r\n",
        b"GET /v2 HTTP/9.9\r\n\r\n",
        b"GET /v2 HTTP/1.1\r\nhost: a\r\nbad header\r\n\r\n",
        b"POST /v2/models/tumor/infer HTTP/1.1\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        b"POST /v2/models/tumor/infer HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"POST /v2/models/tumor/infer HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ] {
        let mut connection = server.connect();
        connection.send(bytes);
        connection.finish();
        let response = connection
            .answer()
            .unwrap_or_else(|| panic!("no answer to {}", bytes.escape_ascii()));
        assert_eq!(response.status, 400, "{}", bytes.escape_ascii());
        connection.expect_closed();
        bystander.ask(&Request::get("/v2/health/live")).ok();
    }
}

#[test]
fn clients_that_disconnect_leave_nothing_behind() {
    let server = Setup::tumor().start();
    let bytes = Request::post(TUMOR, benign()).bytes();
    let mut watcher = server.connect();
    let mut figure = |series: &str| Metrics::of(&mut watcher).value(series);
    // Within the head, between head and body, within the body.
    let head = bytes.len() - benign().len();
    for length in [10, head, head + 100] {
        let mut connection = server.connect();
        connection.send(&bytes[..length]);
        eventually("it is connected", || {
            figure("hotstage_http_connections") == 2.0
        });
        if length >= head {
            eventually("it is being answered", || {
                figure("hotstage_http_requests_in_flight") == 2.0
            });
        }
        drop(connection);
        eventually("it is gone", || figure("hotstage_http_connections") == 1.0);
        assert_eq!(figure("hotstage_http_requests_in_flight"), 1.0);
    }
    // Each is counted exactly once.
    let failed = figure(r#"hotstage_http_failures_total{kind="invalid_input"}"#);
    assert_eq!(failed + figure("hotstage_http_abandoned_total"), 2.0);
    tumor::check(
        "benign",
        &server.infer("tumor", &tumor::request("benign")).ok().json(),
    );
}

#[test]
fn connections_beyond_the_limit_wait() {
    let server = Setup::tumor().args("--max-connections 2").start();
    let (mut first, mut second, mut third) = (server.connect(), server.connect(), server.connect());
    first.ask(&Request::get("/v2")).ok();
    second.ask(&Request::get("/v2")).ok();
    third.send(&Request::get("/v2/health/live").bytes());
    for _ in 0..20 {
        first.ask(&Request::get("/v2")).ok();
    }
    let metrics = Metrics::of(&mut first);
    assert_eq!(metrics.value("hotstage_http_connections"), 2.0);
    assert_eq!(metrics.value("hotstage_http_requests_total"), 23.0);
    drop(second);
    assert_eq!(third.answer().unwrap().ok().json(), json!({ "live": true }));
    first.ask(&Request::get("/v2")).ok();
}

/// Many clients send a request's head and its body separately. A refusal between the two must cause
/// neither an error nor a closed connection.
#[test]
fn a_refusal_before_the_body_came_keeps_the_connection() {
    let server = Setup::tumor().start();
    let admin = Admin::of(&server);
    let body = benign();
    for (address, path, status) in [
        (server.address, "/v2/models/zebra/infer", 404),
        (server.address, "/v2/models/tumor", 405),
        (server.address, "/v2/health/live", 405),
        (admin.address, "/v1/apply", 401),
        (admin.address, "/nowhere", 401),
    ] {
        let mut connection = Connection::open(address);
        for round in 0..5 {
            connection.send_all(&Request::post(path, body.as_str()).head());
            pause(Duration::from_millis(20));
            connection.send_all(body.as_bytes());
            let response = connection
                .answer()
                .unwrap_or_else(|| panic!("{path}, {round}: closed"));
            assert_eq!(
                (response.status, response.header("connection")),
                (status, None),
                "{path}, {round}"
            );
        }
    }
    // The same for a request without a body in its protocol, sent with one.
    let mut connection = server.connect();
    for _ in 0..3 {
        connection.send_all(
            &Request::get("/v2")
                .header("content-length", body.len())
                .head(),
        );
        pause(Duration::from_millis(20));
        connection.send_all(body.as_bytes());
        assert_eq!(connection.answer().unwrap().ok().header("connection"), None);
    }
}

/// The server does not read megabytes for nothing: it answers at once and announces the end of the
/// connection, and the client can still send everything.
#[test]
fn a_long_unread_body_closes_its_connection_in_order() {
    let server = Setup::tumor().start();
    let admin = Admin::of(&server);
    let body = vec![b' '; 4 << 20];
    for (address, path, status) in [
        (server.address, "/v2/models/zebra/infer", 404),
        (server.address, "/v2", 405),
        (admin.address, "/v1/apply", 401),
    ] {
        let mut connection = Connection::open(address);
        connection.send_all(&Request::post(path, body.clone()).head());
        for piece in body.chunks(64 << 10) {
            connection.send_all(piece);
        }
        let response = connection.answer().unwrap();
        assert_eq!(
            (response.status, response.header("connection")),
            (status, Some("close")),
            "{path}"
        );
        connection.expect_closed();
    }
    // The server does not wait long for a client that sends nothing of its body.
    let mut connection = server.connect();
    connection.send_all(&Request::post("/v2/models/zebra/infer", benign()).head());
    let response = connection.answer().unwrap();
    assert_eq!(
        (response.status, response.header("connection")),
        (404, Some("close"))
    );
    connection.finish();
    connection.expect_closed();
}

/// Sends a request verbatim and returns the status line of the answer.
fn status(address: std::net::SocketAddr, request: &str) -> u16 {
    let mut connection = Connection::open(address);
    connection.send(request.as_bytes());
    connection.answer().unwrap().status
}

#[test]
fn a_request_has_one_host_and_on_loopback_one_of_its_own() {
    let server = Setup::tumor().args("--allow-host models.example").start();
    let (admin, port) = (Admin::of(&server).address, server.address.port());
    let own = [
        "localhost".to_owned(),
        format!("localhost:{port}"),
        format!("127.0.0.1:{port}"),
        format!("[::1]:{port}"),
        "Models.Example:443".to_owned(),
    ];
    for host in &own {
        for target in [
            "/v2/health/live".to_owned(),
            format!("http://{host}/v2/health/live"),
        ] {
            assert_eq!(
                status(
                    server.address,
                    &format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")
                ),
                200,
                "{host}"
            );
        }
        assert_eq!(
            status(
                admin,
                &format!("GET /v1/status HTTP/1.1\r\nHost: {host}\r\n\r\n")
            ),
            401,
            "{host}"
        );
    }
    for address in [server.address, admin] {
        for (request, expected) in [
            ("GET /v2 HTTP/1.1\r\n\r\n", 400),
            (
                "GET /v2 HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
                400,
            ),
            ("GET /v2 HTTP/1.1\r\nHost: local host\r\n\r\n", 400),
            ("GET /v2 HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421),
            (
                "GET /v2 HTTP/1.1\r\nHost: localhost.evil.example\r\n\r\n",
                421,
            ),
            (
                "GET http://evil.example/v2 HTTP/1.1\r\nHost: localhost\r\n\r\n",
                421,
            ),
        ] {
            assert_eq!(status(address, request), expected, "{request}");
        }
    }
    let response = server
        .ask(&Request::get("/v2").header("x-forwarded-host", "evil.example"))
        .ok();
    assert_eq!(response.json()["name"], "hotstage");
    let mut connection = server.connect();
    connection.send(b"GET /v2 HTTP/1.1\r\nhost: evil.example\r\n\r\n");
    let response = connection.answer().unwrap();
    assert_eq!(
        response.header("hotstage-failure"),
        Some("misdirected_request")
    );
    assert!(
        response.error().contains("`evil.example`") && response.error().contains("--allow-host")
    );
}

#[test]
fn a_server_for_other_machines_accepts_any_host_by_default() {
    let open = Setup::of([]).http("0.0.0.0:0").start();
    let named = Setup::of([])
        .http("0.0.0.0:0")
        .args("--allow-host models.example")
        .start();
    let any = Setup::of([]).args("--allow-host *").start();
    let ask = |server: &crate::harness::server::Server, host: &str| {
        status(
            server.address,
            &format!("GET /v2 HTTP/1.1\r\nhost: {host}\r\n\r\n"),
        )
    };
    assert_eq!(
        (ask(&open, "evil.example"), ask(&any, "evil.example")),
        (200, 200)
    );
    assert_eq!(
        (
            ask(&named, "evil.example"),
            ask(&named, "models.example"),
            ask(&named, "127.0.0.1")
        ),
        (421, 200, 200)
    );
}
