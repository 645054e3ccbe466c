//! Log output of guests reaches the operator's log, bounded and escaped, and never the client.

use serde_json::{Value, json};

use super::{ask, of_stage, request};
use crate::harness::manifest::{With as _, model, pipeline};
use crate::harness::server::{Server, Setup};

/// Lines that a stage may log in one second; see `runtime/core/src/limits.rs`.
const LINES_PER_SECOND: usize = 100;
/// Bytes of one line, including its time, level and names.
const LINE_BYTES: usize = (8 << 10) + 512;

fn serve(guest: &str, log_bytes: &str) -> Server {
    Setup::of([pipeline(
        guest,
        [model(guest).with("limits", json!({ "log_bytes": log_bytes, "time": "30s" }))],
    )])
    .start()
}

/// Stops the server; returns the lines of its only guest and the number of dropped lines.
fn said(server: Server, guest: &str) -> (Vec<String>, f64) {
    let dropped = server
        .metrics()
        .value(&of_stage("log_lines_dropped_total", guest));
    let names = format!(
        r#" pipeline="{guest}/1" stage="{}""#,
        guest.replace('_', "-")
    );
    let lines = server.stop().stderr;
    (
        lines
            .into_iter()
            .filter(|line| line.contains(" guest: ") && line.contains(&names))
            .collect(),
        dropped,
    )
}

#[test]
fn a_flood_is_bounded_by_bytes_and_what_is_dropped_is_counted() {
    let server = serve("floods", "8KiB");
    assert_eq!(ask(&server, "floods", &[13.0]), [13.0]);
    let (lines, dropped) = said(server, "floods");
    // A line is slightly longer than a kilobyte.
    assert_eq!(lines.len(), 7);
    assert_eq!(dropped, 10_000.0 - 7.0);
}

#[test]
fn a_flood_is_bounded_by_lines_a_second() {
    let server = serve("floods", "16MiB");
    assert_eq!(ask(&server, "floods", &[13.0]), [13.0]);
    let (lines, dropped) = said(server, "floods");
    // Even a slow call takes less than ten seconds.
    assert!(
        (LINES_PER_SECOND..=10 * LINES_PER_SECOND).contains(&lines.len()),
        "{} lines",
        lines.len()
    );
    assert_eq!(dropped + lines.len() as f64, 10_000.0);
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    let server = serve("floods", "64KiB");
    assert_eq!(ask(&server, "floods", &[13.0]), [13.0]);
    let ended = server.stop();
    assert!(
        ended
            .stderr
            .iter()
            .any(|line| line.contains(r"0 \u001b[31mred\r\n\u0000\u202exxx")),
        "{ended:?}"
    );
    for line in &ended.stderr {
        assert!(
            line.len() <= LINE_BYTES && !line.chars().any(|c| c.is_control() || c == '\u{202e}'),
            "{line}"
        );
    }
}

#[test]
fn what_a_guest_prints_is_logged_line_by_line() {
    let server = serve("prints", "64KiB");
    assert_eq!(ask(&server, "prints", &[13.0]), [13.0]);
    let (lines, dropped) = said(server, "prints");
    for line in [
        "line 0 to stdout",
        "line 0 to stderr",
        "line 1 to stdout",
        "line 1 to stderr",
    ] {
        assert!(
            lines
                .iter()
                .any(|given| given.contains(&format!("INFO guest: {line} "))),
            "{line}: {lines:#?}"
        );
    }
    assert!(
        lines.len() <= 10 * LINES_PER_SECOND,
        "{} lines",
        lines.len()
    );
    assert_eq!(dropped + lines.len() as f64, 20_000.0);
}

/// Guest, text in the log, marker of its line.
const CAUSES: [(&str, &str, &str); 4] = [
    ("traps", "on purpose", " guest: "),
    ("traps", "wasm backtrace", " request: "),
    (
        "fails_internal",
        r#"cause="a defect on purpose""#,
        " request: ",
    ),
    ("spins", "wasm backtrace", " request: "),
];

#[test]
fn the_operator_reads_what_the_client_does_not() {
    for (guest, text, target) in CAUSES {
        let limits = json!({ "time": "300ms" });
        let server = Setup::of([pipeline(guest, [model(guest).with("limits", limits)])]).start();
        let response = server.ask(&request(guest, &[13.0]).header("x-request-id", "the-one"));
        assert!(
            response.status >= 500 && !response.text().contains(text),
            "{guest}: {response:?}"
        );
        let lines = server.stop().stderr;
        let is_it = |line: &&String| line.contains(target) && line.contains(text);
        let line = lines
            .iter()
            .find(is_it)
            .unwrap_or_else(|| panic!("{guest}: {lines:#?}"));
        assert_eq!(
            line.contains(r#"id="the-one""#),
            target == " request: ",
            "{line}"
        );
    }
}

#[test]
fn lines_for_machines_are_json() {
    let manifests = ["traps", "floods"].map(|guest| pipeline(guest, [model(guest)]));
    let server = Setup::of(manifests).args("--log-format json").start();
    assert_eq!(server.ask(&request("traps", &[13.0])).status, 500);
    assert_eq!(ask(&server, "floods", &[13.0]), [13.0]);
    let lines: Vec<Value> = server
        .stop()
        .stderr
        .iter()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let said = |guest: &str, text: &str| {
        let is_it =
            |line: &&Value| line["target"] == "guest" && line["pipeline"] == format!("{guest}/1");
        lines
            .iter()
            .filter(is_it)
            .any(|line| line["stage"] == guest && line["message"].as_str().unwrap().contains(text))
    };
    assert!(said("traps", "on purpose"), "{lines:#?}");
    assert!(said("floods", r"\u001b[31mred"), "{lines:#?}");
    let failed = lines
        .iter()
        .find(|line| line["target"] == "request")
        .unwrap();
    assert_eq!(
        (&failed["kind"], &failed["status"]),
        (&json!("stage_trapped"), &json!(500))
    );
    assert!(
        failed["cause"].as_str().unwrap().contains("wasm backtrace"),
        "{failed}"
    );
}
