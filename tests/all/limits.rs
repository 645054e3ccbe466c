//! The server's limits on clients, each tested one byte, one second or one request beyond.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::http::{Request, Response};
use crate::harness::manifest::{With as _, model, pipeline};
use crate::harness::server::{Server, Setup};
use crate::harness::tumor;
use crate::harness::{eventually, pause};

const TUMOR: &str = "/v2/models/tumor/infer";
const SLOW: &str = "/v2/models/slow/infer";

/// One request at a time, without a time limit.
fn slow(arguments: &str) -> Server {
    let stage = model("slow").with("limits", json!({ "instances": 1, "time": "600s" }));
    Setup::of([pipeline("slow", [stage])])
        .args(arguments)
        .start()
}

/// A request that takes this many million steps: half a second per thousand.
fn steps(millions: u32) -> Request {
    let input = json!({ "name": "x", "datatype": "FP32", "shape": [1], "data": [millions] });
    Request::post(SLOW, json!({ "inputs": [input] }).to_string())
}

#[track_caller]
fn check(response: &Response, status: u16, kind: &str, message: &str) {
    assert_eq!(
        (response.status, response.error().as_str()),
        (status, message)
    );
    assert_eq!(response.header("hotstage-failure"), Some(kind));
}

#[test]
fn a_body_that_pauses_is_408_and_the_end_of_its_connection() {
    let server = Setup::tumor().args("--client-timeout 1").start();
    let body = tumor::request("benign").to_string();
    let head = Request::post(TUMOR, body.clone()).head();
    for piece in ["", &body[..1], &body[..body.len() - 1]] {
        let mut connection = server.connect();
        connection.send(&head);
        connection.send(piece.as_bytes());
        let response = connection.answer().unwrap();
        check(
            &response,
            408,
            "request_timeout",
            "the body stalled: no bytes for 1s",
        );
        assert_eq!(response.header("connection"), Some("close"));
        connection.expect_closed();
    }
}

#[test]
fn a_request_has_a_hundred_header_fields_at_most() {
    let server = Setup::of([]).start();
    let status = |fields: usize| {
        // The host is one of them.
        let lines: String = (1..fields)
            .map(|number| format!("x-{number}: y\r\n"))
            .collect();
        let mut connection = server.connect();
        connection.send(
            format!("GET /v2/health/live HTTP/1.1\r\nhost: localhost\r\n{lines}\r\n").as_bytes(),
        );
        connection.answer().unwrap().status
    };
    assert_eq!([100, 101].map(status), [200, 431]);
}

/// An idle connection is closed; a connection that waits for an answer is kept.
#[test]
fn idle_connections_are_closed_and_busy_ones_are_not() {
    let server = slow("--idle-timeout 2 --max-connections 4");
    let [mut silent, mut slow_head, mut waiting, mut asking] =
        std::array::from_fn(|_| server.connect());
    slow_head.send(b"GET /v2/health/live HTTP/1.1\r\nhost: te");
    waiting.send(&steps(8000).bytes());
    // Longer than a connection may be idle.
    for _ in 0..12 {
        assert_eq!(asking.ask(&Request::get("/v2/health/live")).status, 200);
        pause(Duration::from_millis(250));
    }
    silent.expect_closed();
    slow_head.expect_closed();
    assert_eq!(waiting.answer().unwrap().status, 200);
    // Their slots are free: these four connections take all of them.
    let [mut first, mut second] = std::array::from_fn(|_| server.connect());
    for connection in [&mut first, &mut second, &mut asking, &mut waiting] {
        assert_eq!(connection.ask(&Request::get("/v2/health/live")).status, 200);
    }
}

/// The bound applies to a pause, not to the whole: a large body on a slow line is accepted.
#[test]
fn a_body_that_keeps_coming_is_waited_for() {
    let server = Setup::tumor().args("--client-timeout 1").start();
    let body = tumor::request("benign").to_string();
    let mut connection = server.connect();
    connection.send(&Request::post(TUMOR, body.clone()).head());
    for piece in body.as_bytes().chunks(body.len().div_ceil(4)) {
        #[expect(
            clippy::disallowed_methods,
            reason = "the pause is what is tested; four are longer than the bound"
        )]
        std::thread::sleep(Duration::from_millis(300));
        connection.send(piece);
    }
    tumor::check("benign", &connection.answer().unwrap().ok().json());
}

#[test]
fn a_body_of_just_the_limit_is_taken_and_one_byte_more_is_not() {
    let server = Setup::tumor().args("--max-body 1000").start();
    let body = tumor::request("benign").to_string();
    let padded = |length: usize| format!("{body}{}", " ".repeat(length - body.len()));
    tumor::check("benign", &server.post(TUMOR, padded(1000)).ok().json());

    let mut connection = server.connect();
    let response = connection.ask(&Request::post(TUMOR, padded(1001)));
    let message = "the body has more than 1000 bytes, which is all that is taken here";
    check(&response, 413, "body_too_large", message);
    assert_eq!(response.header("connection"), Some("close"));
    connection.expect_closed();
}

/// A client must not need to send a gigabyte to learn that it is too much.
#[test]
fn an_announced_body_that_is_too_large_is_refused_before_it_comes() {
    let server = Setup::tumor().start();
    let mut connection = server.connect();
    connection.send(
        &Request::post(TUMOR, [])
            .header("content-length", (64 << 20) + 1)
            .head(),
    );
    let message = "the body has more than 67108864 bytes, which is all that is taken here";
    check(
        &connection.answer().unwrap(),
        413,
        "body_too_large",
        message,
    );
    connection.expect_closed();
}

#[test]
fn a_body_in_chunks_is_counted_as_it_comes() {
    let server = Setup::tumor().args("--max-body 1000").start();
    let chunk = |length: usize| format!("{length:x}\r\n{}\r\n", " ".repeat(length)).into_bytes();
    let head = Request::post(TUMOR, [])
        .header("transfer-encoding", "chunked")
        .head();
    // In pieces, and as one chunk that is too large by itself.
    for chunks in [
        vec![chunk(600), chunk(600)],
        vec![chunk(1001)],
        vec![chunk(1); 1001],
    ] {
        let mut connection = server.connect();
        connection.send(&head);
        connection.send(&chunks.concat());
        let message = "the body has more than 1000 bytes, which is all that is taken here";
        check(
            &connection.answer().unwrap(),
            413,
            "body_too_large",
            message,
        );
        connection.expect_closed();
    }
}

#[test]
fn headers_that_are_too_large_are_431() {
    let server = Setup::tumor().args("--max-headers 2000").start();
    let weighing = |bytes: usize| {
        // Name, value and four bytes of separators; `host: localhost` is included.
        let request = Request::get("/v2/health/live");
        request.header(
            "x",
            &"y".repeat(bytes - "host".len() - "localhost".len() - 4 - 1 - 4),
        )
    };
    server.ask(&weighing(2000)).ok();
    let response = server.ask(&weighing(2001));
    check(
        &response,
        431,
        "headers_too_large",
        "the headers have 2001 bytes; at most 2000 are taken",
    );
    assert!(response.header("x-request-id").is_some());
}

/// Far beyond the limit the server stops reading: it sends a status without a body, and other
/// clients are served.
#[test]
fn headers_far_beyond_the_limit_are_431_as_well() {
    let server = Setup::tumor().start();
    let many = (0..300).fold(Request::get("/v2"), |request, index| {
        request.header(&format!("x-{index}"), "y")
    });
    let long = Request::get("/v2").header("x", &"y".repeat(1 << 20));
    for request in [many, long] {
        let mut connection = server.connect();
        connection.send(&request.bytes());
        assert_eq!(
            connection
                .answer()
                .expect("closed without an answer")
                .status,
            431
        );
        connection.expect_closed();
    }
    server.get("/v2").ok();
}

fn outcome(server: &Server, outcome: &str) -> f64 {
    let series =
        format!(r#"hotstage_requests_total{{pipeline="slow",version="1",outcome="{outcome}"}}"#);
    server.metrics().value(&series)
}

#[test]
fn requests_beyond_the_queue_are_503_with_retry_after() {
    let server = slow("--max-queue 0");
    let mut first = server.connect();
    first.send(&steps(4000).bytes());
    // It must arrive first, or it is the one that is refused. Two: this request and the scrape.
    eventually("it is being answered", || {
        server.metrics().value("hotstage_http_requests_in_flight") == 2.0
    });
    let mut refused = None;
    eventually("the only instance is busy", || {
        refused = Some(server.ask(&steps(0))).filter(|response| response.status != 200);
        refused.is_some()
    });
    let response = refused.unwrap();
    check(
        &response,
        503,
        "overloaded",
        "pipeline `slow` has 0 requests waiting already; try again",
    );
    assert_eq!(response.header("retry-after"), Some("1"));
    assert_eq!(
        first.answer().unwrap().ok().json()["outputs"][0]["data"],
        json!([4000.0])
    );
    server.ask(&steps(0)).ok();
}

#[test]
fn queued_requests_are_answered() {
    let server = slow("--max-queue 2");
    let mut waiting: Vec<_> = (0..3).map(|_| server.connect()).collect();
    for connection in &mut waiting {
        connection.send(&steps(1500).bytes());
    }
    // And the scrape itself.
    let in_flight = || server.metrics().value("hotstage_http_requests_in_flight");
    eventually("one runs and two wait", || in_flight() == 4.0);
    let refused = server.ask(&steps(0));
    check(
        &refused,
        503,
        "overloaded",
        "pipeline `slow` has 2 requests waiting already; try again",
    );
    let answers: Vec<Value> = waiting
        .iter_mut()
        .map(|connection| connection.answer().unwrap().ok().json())
        .collect();
    assert!(
        answers
            .iter()
            .all(|answer| answer["outputs"][0]["data"] == json!([1500.0]))
    );
}

/// Waits until a sent request is in flight; a request that arrives earlier would take the only
/// permit.
fn is_taken(server: &Server) {
    // This request and the scrape.
    eventually("it is there", || {
        server.metrics().value("hotstage_http_requests_in_flight") == 2.0
    });
}

#[test]
fn refused_requests_are_counted_at_their_pipeline() {
    let server = slow("--max-queue 0");
    let mut first = server.connect();
    first.send(&steps(3000).bytes());
    is_taken(&server);
    let mut refused = 0;
    eventually("the only instance is busy", || {
        refused += u32::from(server.ask(&steps(0)).status == 503);
        refused > 2
    });
    first.answer().unwrap().ok();
    assert_eq!(outcome(&server, "overloaded"), f64::from(refused));
}

/// A disconnected client cancels its request: the guest is stopped and its permit is free.
#[test]
fn a_client_that_disconnects_frees_its_permit() {
    let server = slow("--max-queue 0");
    let mut first = server.connect();
    first.send(&steps(1_000_000).bytes());
    is_taken(&server);
    eventually("the only instance is busy", || {
        server.ask(&steps(0)).status == 503
    });
    assert_eq!(server.metrics().value("hotstage_http_abandoned_total"), 0.0);
    drop(first);
    eventually("the instance is free again", || {
        server.ask(&steps(0)).status == 200
    });
    assert_eq!(server.metrics().value("hotstage_http_abandoned_total"), 1.0);
}
