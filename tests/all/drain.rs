//! SIGTERM: the server is not ready but answers for a while; then it accepts nothing new, finishes
//! requests in flight, and cuts off those that take too long.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::eventually;
use crate::harness::http::{Connection, Request};
use crate::harness::manifest::{With as _, model, pipeline};
use crate::harness::server::{Server, Setup};

fn slow(arguments: &str) -> Server {
    let stage = model("slow").with("limits", json!({ "time": "600s" }));
    Setup::of([pipeline("slow", [stage])])
        .args(arguments)
        .start()
}

/// Puts a request in flight that takes this many million steps.
fn in_flight(server: &Server, millions: u32) -> Connection {
    let input = json!({ "name": "x", "datatype": "FP32", "shape": [1], "data": [millions] });
    let mut connection = server.connect();
    connection.send(
        &Request::post(
            "/v2/models/slow/infer",
            json!({ "inputs": [input] }).to_string(),
        )
        .bytes(),
    );
    // The scrape itself is in flight as well.
    eventually("it is in flight", || {
        server.metrics().value("hotstage_http_requests_in_flight") == 2.0
    });
    connection
}

fn draining(server: &Server) {
    server.terminate();
    server
        .starting
        .stderr
        .find(|line| line.contains("draining"))
        .expect("it did not say that it drains");
    eventually("no new connection is accepted", || {
        TcpStream::connect(server.address).is_err()
    });
}

#[test]
fn a_request_in_flight_is_answered_before_the_end() {
    let mut server = slow("");
    let mut idle = server.connect();
    idle.ask(&Request::get("/v2")).ok();
    let mut busy = in_flight(&server, 4000);
    draining(&server);
    idle.expect_closed();
    assert_eq!(
        busy.answer().unwrap().ok().json()["outputs"][0]["data"],
        json!([4000.0])
    );
    busy.expect_closed();
    let ended = server.starting.wait();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        !ended.stderr.iter().any(|line| line.contains("cut off")),
        "{ended:?}"
    );
}

#[test]
fn a_request_that_takes_too_long_is_cut_off_and_logged() {
    let mut server = slow("--drain-timeout 1");
    let mut busy = in_flight(&server, 1_000_000);
    draining(&server);
    let began = Instant::now();
    busy.expect_closed();
    let ended = server.starting.wait();
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(ended.code, Some(10), "{ended:?}");
    assert!(
        ended
            .stderr
            .iter()
            .any(|line| line.contains("requests in flight were cut off")),
        "{ended:?}"
    );
}

#[test]
fn an_idle_server_ends_at_once() {
    for signal in ["TERM", "INT"] {
        let mut server = slow("");
        let mut idle = server.connect();
        idle.ask(&Request::get("/v2")).ok();
        server.starting.signal(signal);
        idle.expect_closed();
        let ended = server.starting.wait();
        assert_eq!(ended.code, Some(0), "{signal}: {ended:?}");
        assert_eq!(ended.stdout.len(), 1, "{ended:?}");
    }
}

/// Not ready, but answering: clients learn of the end before it comes.
#[test]
fn for_a_while_after_sigterm_it_answers_and_is_not_ready() {
    let mut server = slow("--stop-grace 600");
    let mut kept = server.connect();
    kept.ask(&Request::get("/v2/health/ready")).ok();
    server.terminate();
    eventually("it is not ready", || {
        server.get("/v2/health/ready").status == 503
    });
    let not_ready = server.get("/v2/health/ready");
    assert!(
        not_ready.text().contains("stopping"),
        "{}",
        not_ready.text()
    );
    server.get("/v2/health/live").ok();
    assert_eq!(
        server.get("/v2/models/unknown/ready").status,
        404,
        "what it serves is known"
    );
    let input = json!({ "name": "x", "datatype": "FP32", "shape": [1], "data": [1] });
    let infer = Request::post(
        "/v2/models/slow/infer",
        json!({ "inputs": [input] }).to_string(),
    );
    // Each connection gets one more answer, which announces its end.
    for connection in [&mut kept, &mut server.connect()] {
        let answer = connection.ask(&infer).ok();
        assert_eq!(answer.header("connection"), Some("close"));
        connection.expect_closed();
    }
    // A second signal of either kind ends it at once; nothing was cut off.
    server.terminate();
    let ended = server.starting.wait();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended
            .stderr
            .iter()
            .any(|line| line.contains("a second signal")),
        "{ended:?}"
    );
}

#[test]
fn an_interrupt_skips_the_grace_period() {
    let mut server = slow("--stop-grace 600");
    server.starting.signal("INT");
    let ended = server.starting.wait();
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn the_grace_ends_by_itself() {
    let mut server = slow("--stop-grace 1");
    server.terminate();
    let ended = server.starting.wait();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended.stderr.iter().any(|line| line.contains("draining")),
        "{ended:?}"
    );
}

#[test]
fn a_second_signal_ends_a_drain_and_what_is_cut_off_is_in_the_exit_code() {
    for signal in ["TERM", "INT"] {
        let mut server = slow("--drain-timeout 600");
        let mut busy = in_flight(&server, 1_000_000);
        draining(&server);
        server.starting.signal(signal);
        busy.expect_closed();
        let ended = server.starting.wait();
        assert_eq!(ended.code, Some(10), "{ended:?}");
    }
}
