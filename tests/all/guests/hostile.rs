//! Guests that no compiler would generate, in WebAssembly text (`tests/harness/wat.rs`): calls that
//! violate the component model, invalid answers, floods of every kind.
//!
//! For each, the test checks the client's error, the log, the metrics, and that a neighbour gets
//! right answers before, during and after. At the end the memory has been released.

use serde_json::json;

use super::hostile_texts::ROWS;
use super::row::{Row, Then};
use super::{data, of_stage, outcomes, request};
use crate::harness::eventually;
use crate::harness::http::Response;
use crate::harness::manifest::{model, pipeline};
use crate::harness::process::resident;
use crate::harness::server::{Server, Setup};
use crate::harness::wat::{self, Shelf};

/// Bytes of one log line, with its time, level and names.
const LINE_BYTES: usize = 33 << 10;

#[test]
fn any_fault_of_a_guest_fails_one_request() {
    let shelf = Shelf::new();
    let stage = |row: &Row| {
        let component = shelf.put(row.name, &wat::model(row.text));
        // Only guests that test time have a short limit, because machines may be slow.
        let time = if row.kind == "stage_timeout" {
            "300ms"
        } else {
            "30s"
        };
        let limits = json!({ "memory": "96MiB", "time": time, "handles": 64 });
        let name = row.name.replace('_', "-");
        json!({ "name": name, "role": "model", "component": component, "limits": limits })
    };
    let manifests = ROWS.iter().map(|row| pipeline(row.name, [stage(row)]));
    let server = Setup::of(manifests.chain([pipeline("neighbour", [model("echo")])])).start();
    for row in ROWS {
        good(&server, row);
    }
    let before = resident(&server);
    for row in ROWS {
        check(&server, row);
    }
    // Each had up to 96 MiB of its own, and the same again in the host.
    eventually("the memory comes back", || {
        resident(&server) < before + f64::from(512 << 20)
    });
    let lines = server.stop().stderr;
    for row in ROWS.iter().filter(|row| row.status != 200) {
        let is_it = |line: &&String| {
            line.contains(" request: ") && line.contains(&format!(r#"id="{}""#, row.name))
        };
        let logged: Vec<&String> = lines.iter().filter(is_it).collect();
        assert_eq!(logged.len(), 1, "{}: {logged:#?}", row.name);
        assert!(
            logged[0].contains(&format!(r#"kind="{}""#, row.kind)),
            "{}",
            logged[0]
        );
    }
    for line in &lines {
        let is_harmless = |c: char| {
            !c.is_control() && !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        assert!(
            line.len() <= LINE_BYTES && line.chars().all(is_harmless),
            "{} bytes: {line:.200}",
            line.len()
        );
    }
    // The names of its functions are in the backtrace, escaped.
    assert!(
        lines.iter().any(|line| line.contains("u001b[31mred")),
        "{lines:#?}"
    );
}

#[track_caller]
fn check(server: &Server, row: &Row) {
    let Row { name, kind, .. } = row;
    let neighbour = || {
        assert_eq!(
            data(&server.ask(&request("neighbour", &[5.0]))),
            [5.0],
            "beside {name}"
        );
    };
    let series = [
        outcomes(name, if row.status == 200 { "answered" } else { kind }),
        of_stage("instances_ended_total", name),
        of_stage("instances_created_total", name),
    ];
    let before = server.metrics();
    neighbour();
    let mut connection = server.connect();
    connection.send(&request(name, row.x).header("x-request-id", name).bytes());
    neighbour();
    let response = connection.answer().expect("closed without an answer");
    neighbour();
    heard(row, &response);
    let after = server.metrics();
    good(server, row);
    let again = server.metrics();
    let moved = [
        after.value(&series[0]) - before.value(&series[0]),
        again.value(&series[1]) - before.value(&series[1]),
        again.value(&series[2]) - before.value(&series[2]),
    ];
    let ends = if row.then == Then::Ends { 1.0 } else { 0.0 };
    assert_eq!(moved, [1.0, ends, ends], "{name}: {series:?}");
}

/// A normal call succeeds.
#[track_caller]
fn good(server: &Server, row: &Row) {
    let response = server.ask(&request(row.name, &[1.0]));
    assert_eq!(response.status, 200, "{}: {}", row.name, response.text());
    assert_eq!(data(&response), [1.0], "{}", row.name);
}

#[track_caller]
fn heard(row: &Row, response: &Response) {
    let Row { name, says, .. } = row;
    if row.status == 200 {
        let expected: Vec<f64> = row.x.iter().map(|&x| f64::from(x)).collect();
        assert_eq!(response.status, 200, "{name}: {}", response.text());
        assert_eq!(data(response), expected, "{name}");
        return;
    }
    let text = response.error();
    let failure = (response.status, response.header("hotstage-failure"));
    assert_eq!(failure, (row.status, Some(row.kind)), "{name}: {text:.500}");
    assert!(text.contains(says), "{name}: {text:.500}");
    assert!(text.len() <= 4 << 10, "{name}: {} bytes", text.len());
    for leak in [
        "backtrace",
        "wasm function",
        ".rs",
        "\n",
        "\u{1b}",
        "\u{202e}",
    ] {
        assert!(!text.contains(leak), "{name}: {text:.500}");
    }
}
