//! SIGTERM: nothing new is let in, what is in flight finishes, and what does not is cut.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::eventually;
use crate::harness::http::{Connection, Request};
use crate::harness::manifest::{With as _, model, pipeline};
use crate::harness::server::{Server, Setup};

fn slow(arguments: &str) -> Server {
    let stage = model("slow").with("limits", json!({ "time": "600s" }));
    Setup::of([pipeline("slow", [stage])]).args(arguments).start()
}

/// A request of so many million steps, in flight.
fn in_flight(server: &Server, millions: u32) -> Connection {
    let input = json!({ "name": "x", "datatype": "FP32", "shape": [1], "data": [millions] });
    let mut connection = server.connect();
    connection.send(&Request::post("/v2/models/slow/infer", json!({ "inputs": [input] }).to_string()).bytes());
    // The scrape itself is in flight as well.
    eventually("it is in flight", || server.metrics().value("hotstage_http_requests_in_flight") == 2.0);
    connection
}

fn draining(server: &Server) {
    server.terminate();
    server.starting.stderr.find(|line| line.contains("draining")).expect("it did not say that it drains");
    eventually("nobody new is let in", || TcpStream::connect(server.address).is_err());
}

#[test]
fn a_request_in_flight_is_answered_before_the_end() {
    let mut server = slow("");
    let mut idle = server.connect();
    idle.ask(&Request::get("/v2")).ok();
    let mut busy = in_flight(&server, 4000);
    draining(&server);
    idle.expect_closed();
    assert_eq!(busy.answer().unwrap().ok().json()["outputs"][0]["data"], json!([4000.0]));
    busy.expect_closed();
    let ended = server.starting.wait();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(!ended.stderr.iter().any(|line| line.contains("cut off")), "{ended:?}");
}

#[test]
fn a_request_that_takes_too_long_is_cut_off_and_said_so() {
    let mut server = slow("--drain-timeout 1");
    let mut busy = in_flight(&server, 1_000_000);
    draining(&server);
    let began = Instant::now();
    busy.expect_closed();
    let ended = server.starting.wait();
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.iter().any(|line| line.contains("requests in flight were cut off")), "{ended:?}");
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
