//! What all clients may take together: memory for bodies, connections, time, and lines in the log.
//! A neighbour is answered meanwhile.

use std::time::Duration;

use serde_json::Value;

use crate::harness::admin::Admin;
use crate::harness::http::{Connection, Request};
use crate::harness::metrics::Metrics;
use crate::harness::server::{Server, Setup, program};
use crate::harness::state::Folder;
use crate::harness::{eventually, pause, tumor};

const TUMOR: &str = "/v2/models/tumor/infer";
const BYTES: &str = "hotstage_http_body_bytes";

fn body(length: usize) -> Vec<u8> {
    let body = tumor::request("benign").to_string();
    format!("{body}{}", " ".repeat(length - body.len())).into_bytes()
}

#[track_caller]
fn is_answered(neighbour: &mut Connection) {
    tumor::check(
        "benign",
        &neighbour.ask(&Request::post(TUMOR, body(1000))).ok().json(),
    );
}

/// A body that lacks its last byte.
fn unfinished(connection: &mut Connection, length: usize) {
    connection.send(
        &Request::post(TUMOR, [])
            .header("content-length", length)
            .head(),
    );
    connection.send(&body(length)[..length - 1]);
}

fn figure(neighbour: &mut Connection, series: &str) -> f64 {
    Metrics::of(neighbour).value(series)
}

#[test]
fn bodies_beyond_the_memory_of_all_are_503_and_those_that_are_there_go_on() {
    let server = Setup::tumor()
        .args("--max-body 2000000 --max-body-memory 4000000")
        .start();
    let (mut neighbour, length) = (server.connect(), 1_900_000);
    let [mut first, mut second] = [server.connect(), server.connect()];
    unfinished(&mut first, length);
    unfinished(&mut second, length);
    let held = 2.0 * (length - 1) as f64;
    eventually("both are there", || figure(&mut neighbour, BYTES) >= held);
    let mut third = server.connect();
    unfinished(&mut third, length);
    let response = third.answer().unwrap();
    assert_eq!(
        (response.status, response.header("retry-after")),
        (503, Some("1"))
    );
    assert_eq!(response.header("hotstage-failure"), Some("overloaded"));
    assert!(
        response
            .error()
            .contains("4000000 bytes (--max-body-memory)"),
        "{}",
        response.error()
    );
    assert_eq!(response.header("connection"), Some("close"));
    third.expect_closed();
    // What takes no memory worth counting is answered as ever.
    is_answered(&mut neighbour);
    assert_eq!(
        figure(&mut neighbour, "hotstage_http_bodies_refused_total"),
        1.0
    );
    // The last byte, and a client that goes away: both give back what they had.
    first.send(b" ");
    tumor::check("benign", &first.answer().unwrap().ok().json());
    drop(second);
    eventually("all is given back", || figure(&mut neighbour, BYTES) == 0.0);
    tumor::check(
        "benign",
        &first.ask(&Request::post(TUMOR, body(length))).ok().json(),
    );
}

/// What the JSON of a body becomes is counted like the body.
#[test]
fn what_a_body_is_decoded_to_counts_too() {
    let manifest =
        crate::harness::manifest::pipeline("echo", [crate::harness::manifest::model("echo")]);
    let server = Setup::of([manifest])
        .args("--max-body 900000 --max-body-memory 1000000")
        .start();
    // Two bytes of text for each four bytes of tensor.
    let numbers = |count: usize| {
        let data = vec!["1"; count].join(",");
        format!(
            r#"{{"inputs":[{{"name":"x","datatype":"FP32","shape":[{count}],"data":[{data}]}}]}}"#
        )
    };
    let response = server.post("/v2/models/echo/infer", numbers(300_000));
    assert_eq!(response.status, 503, "{}", response.text());
    assert_eq!(
        server
            .post("/v2/models/echo/infer", numbers(100_000))
            .ok()
            .json()["outputs"][0]["shape"][0],
        100_000
    );
    assert_eq!(server.metrics().value(BYTES), 0.0);
}

#[test]
fn the_memory_of_all_bodies_has_room_for_one() {
    let state = Folder::new();
    let mut command = program();
    command
        .args([
            "serve",
            "--max-body",
            "2000",
            "--max-body-memory",
            "1999",
            "--state",
        ])
        .arg(state.path());
    let ran = crate::harness::command::run(command, b"").ended(2);
    assert!(
        ran.stderr
            .contains("--max-body-memory 1999 is smaller than one body"),
        "{}",
        ran.stderr
    );
}

#[test]
fn one_peer_can_not_fill_the_server_with_bodies_that_trickle() {
    let server = Setup::tumor().args("--max-connections-per-peer 4").start();
    let mut trickling: Vec<Connection> = (0..4).map(|_| server.connect()).collect();
    for connection in &mut trickling {
        unfinished(connection, 1000);
    }
    let mut newcomer = Connection::open_from("127.0.0.2", server.address);
    eventually("all are there", || {
        figure(&mut newcomer, "hotstage_http_requests_in_flight") == 5.0
    });
    let mut fifth = server.connect();
    fifth.send(&Request::get("/v2").bytes());
    let response = fifth.answer().unwrap();
    assert_eq!(
        (response.status, response.header("retry-after")),
        (503, Some("1"))
    );
    assert!(
        response.error().contains("has 4 connections"),
        "{}",
        response.error()
    );
    assert_eq!(response.header("connection"), Some("close"));
    fifth.expect_closed();
    is_answered(&mut newcomer);
    assert_eq!(
        figure(&mut newcomer, "hotstage_http_connections_refused_total"),
        1.0
    );
    // A closed connection frees memory for the next one of its peer.
    trickling.pop();
    eventually("the peer may connect again", || {
        server.connect().ask(&Request::get("/v2")).status == 200
    });
}

/// A byte now and then keeps a pause short, so the whole has bounds of its own.
#[test]
fn a_body_that_trickles_is_408_and_the_end_of_its_connection() {
    let slow = Setup::tumor().args("--min-body-rate 1000").start();
    let long = Setup::tumor().args("--body-timeout 2").start();
    let check = |server: &Server, message: &str| {
        let mut connection = server.connect();
        connection.send(
            &Request::post(TUMOR, [])
                .header("content-length", 100_000)
                .head(),
        );
        eventually("it is answered", || {
            connection.send(b" ");
            pause(Duration::from_millis(100));
            connection.has_answer()
        });
        let response = connection.answer().unwrap();
        assert_eq!(
            (response.status, response.header("connection")),
            (408, Some("close"))
        );
        assert!(response.error().contains(message), "{}", response.error());
        connection.finish();
        connection.expect_closed();
        is_answered(&mut server.connect());
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            check(
                &slow,
                "at least 1000 a second are expected after the first 10s",
            );
        });
        check(&long, "the body took longer than 2s");
    });
}

#[test]
fn a_flood_of_refusals_is_a_few_short_lines_and_a_number() {
    let server = Setup::tumor()
        .args("--log-format json --log-rate 5")
        .start();
    let admin = Admin::of(&server);
    let (mut connection, mut other) = (server.connect(), Connection::open(admin.address));
    let path = format!("/v2/{}", "x".repeat(30_000));
    for _ in 0..300 {
        assert_eq!(connection.ask(&Request::get(&path)).status, 404);
        assert_eq!(other.ask(&Request::get(&path)).status, 401);
    }
    let dropped = figure(&mut connection, "hotstage_http_log_lines_dropped_total");
    // A line says how many were left out, once the second is over.
    let is_told = |line: &str| line.contains("log lines were left out");
    assert!(server.starting.stderr.find(is_told).is_some());
    let ended = server.stop();
    let lines: Vec<Value> = ended
        .stderr
        .iter()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect();
    let refused: Vec<&Value> = lines
        .iter()
        .filter(|line| line["message"] == "refused")
        .collect();
    assert_eq!(refused.len() as f64 + dropped, 600.0);
    assert!(dropped > 0.0 && refused.len() >= 5, "{dropped}");
    assert!(
        ended.stderr.iter().all(|line| line.len() < 1000),
        "{:?}",
        ended.stderr
    );
    assert!(
        refused
            .iter()
            .all(|line| line["path"].as_str().unwrap().len() < 300)
    );
}

/// In a path, a method, a header: nothing drives a terminal or reorders a line.
#[test]
fn no_text_of_a_client_reaches_the_log_as_it_is() {
    for format in ["json", "text"] {
        let server = Setup::tumor()
            .args(&format!("--log-format {format}"))
            .start();
        let admin = Admin::of(&server);
        for address in [server.address, admin.address] {
            for line in [
                "GET /\u{202e}evil\u{9b}31m HTTP/1.1",
                &format!("{} /v2 HTTP/1.1", "M".repeat(10_000)),
            ] {
                let mut connection = Connection::open(address);
                connection.send(
                    format!("{line}\r\nhost: localhost\r\nx-request-id: a\tb\r\n\r\n").as_bytes(),
                );
                assert!(connection.answer().unwrap().status >= 400);
            }
        }
        let ended = server.stop();
        let is_loud = |c: char| {
            c.is_control() || matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
        };
        assert!(
            ended
                .stderr
                .iter()
                .all(|line| !line.contains(is_loud) && line.len() < 1000),
            "{:?}",
            ended.stderr
        );
        assert!(
            ended
                .stderr
                .iter()
                .filter(|line| line.contains("refused"))
                .count()
                >= 2,
            "{:?}",
            ended.stderr
        );
    }
}
