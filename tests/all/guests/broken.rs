//! Calls in which a guest misbehaves. Each fails one request; the next request of the same pipeline
//! succeeds, and a neighbour is answered before, during and after.

use serde_json::{Value, json};

use super::{data, of_stage, outcomes, request};
use crate::harness::http::Response;
use crate::harness::manifest::{With as _, model, pipeline, stage};
use crate::harness::server::{Server, Setup};

/// A guest's fault, and the client's error.
struct Row {
    guest: &'static str,
    role: &'static str,
    trigger: f32,
    status: u16,
    kind: &'static str,
    /// The message after the names of stage and pipeline.
    says: &'static str,
    instance: Instance,
}

/// What happens to the instance.
#[derive(PartialEq)]
enum Instance {
    Ends,
    Stays,
}

const fn row(
    guest: &'static str,
    trigger: f32,
    status: u16,
    kind: &'static str,
    says: &'static str,
) -> Row {
    Row {
        guest,
        role: "model",
        trigger,
        status,
        kind,
        says,
        instance: Instance::Ends,
    }
}

const UNREACHABLE: &str = "trapped: wasm trap: wasm `unreachable` instruction executed";
const OUTPUT: &str = "handed out more than 1048576 bytes; raise `limits.output_bytes` in the manifest if it needs more";
const HANDLES: &str =
    "held more than 16 buffers; raise `limits.handles` in the manifest if it needs more";

const ROWS: [Row; 26] = [
    row(
        "bad_bytes",
        13.,
        500,
        "stage_signature",
        "answered a wrong `y`: element 0 of BYTES needs 4294967295 bytes",
    ),
    row("creates_much", 13., 500, "stage_output", OUTPUT),
    row("divides", 13., 500, "stage_trapped", UNREACHABLE),
    row(
        "exits",
        13.,
        500,
        "stage_trapped",
        "trapped: it asked to end the process",
    ),
    row(
        "fails_internal",
        13.,
        500,
        "stage_failed",
        "reported a defect of its own; the server's log has its text",
    ),
    Row {
        instance: Instance::Stays,
        ..row(
            "fails_invalid",
            13.,
            400,
            "invalid_input",
            "input `x`: element 0 is 13; anything else is fine",
        )
    },
    Row {
        instance: Instance::Stays,
        ..row(
            "fails_unavailable",
            13.,
            503,
            "stage_unavailable",
            "can't answer now: not now",
        )
    },
    row(
        "grows",
        13.,
        500,
        "stage_memory",
        "wanted more memory than 33554432 bytes; raise `limits.memory` in the manifest if it needs more",
    ),
    row("hoards", 13., 500, "stage_handles", HANDLES),
    row(
        "huge_shape",
        13.,
        500,
        "stage_signature",
        "the shape [18446744073709551615] has more elements than memory",
    ),
    row(
        "huge_shape",
        14.,
        500,
        "stage_signature",
        "the shape [4611686018427387904] has more elements than memory",
    ),
    row("outputs_much", 13., 500, "stage_output", OUTPUT),
    row("outputs_much", 14., 500, "stage_output", OUTPUT),
    row(
        "recurses",
        13.,
        500,
        "stage_trapped",
        "; probably the stack is full: the same functions call each other again and again",
    ),
    row(
        "spins",
        13.,
        504,
        "stage_timeout",
        "ran longer than 300ms; raise `limits.time` in the manifest if it needs more",
    ),
    row("stops", 13., 500, "stage_trapped", UNREACHABLE),
    row("traps", 13., 500, "stage_trapped", UNREACHABLE),
    Row {
        role: "preprocess",
        ..row("traps_pre", 13., 500, "stage_trapped", UNREACHABLE)
    },
    Row {
        role: "postprocess",
        ..row("traps_post", 13., 500, "stage_trapped", UNREACHABLE)
    },
    row(
        "wrong_count",
        13.,
        500,
        "stage_signature",
        "answered 2 tensors where its signature has 1",
    ),
    row(
        "wrong_count",
        14.,
        500,
        "stage_signature",
        "answered 0 tensors where its signature has 1",
    ),
    row(
        "wrong_datatype",
        13.,
        500,
        "stage_signature",
        "a wrong `y`: expected datatype FP32, given INT32",
    ),
    row(
        "wrong_length",
        13.,
        500,
        "stage_signature",
        "a wrong `y`: shape [4] of FP32 takes 16 bytes, given 15",
    ),
    row(
        "wrong_length",
        14.,
        500,
        "stage_signature",
        "a wrong `y`: shape [4] of FP32 takes 16 bytes, given 15",
    ),
    row(
        "wrong_shape",
        13.,
        500,
        "stage_signature",
        "a wrong `y`: expected shape [-1], given [1, 1]",
    ),
    row(
        "wrong_shape",
        14.,
        500,
        "stage_signature",
        "a wrong `y`: expected shape [-1], given [1, 1]",
    ),
];

#[test]
fn a_guest_that_misbehaves_costs_one_request() {
    let server = serve();
    for row in &ROWS {
        check(&server, row);
    }
}

/// All guests of the table, with tight limits, and a neighbour.
fn serve() -> Server {
    let mut manifests = vec![pipeline("neighbour", [model("echo")])];
    for (index, row) in ROWS.iter().enumerate() {
        if ROWS[..index].iter().all(|other| other.guest != row.guest) {
            manifests.push(pipeline(
                row.guest,
                [stage(row.role, row.guest).with("limits", limits(row.guest))],
            ));
        }
    }
    Setup::of(manifests).start()
}

/// Only the guest that tests time has a short limit, because machines may be slow.
fn limits(guest: &str) -> Value {
    json!({
        // 80 MiB, and another 80 MiB for creating the buffer.
        "memory": if guest == "outputs_much" { "256MiB" } else { "32MiB" },
        "time": if guest == "spins" { "300ms" } else { "30s" },
        "output_bytes": "1MiB",
        "handles": 16,
    })
}

#[track_caller]
fn check(server: &Server, row: &Row) {
    let Row {
        guest,
        trigger,
        kind,
        ..
    } = row;
    let neighbour = || {
        assert_eq!(
            data(&server.ask(&request("neighbour", &[5.0]))),
            [5.0],
            "beside {guest}"
        );
    };
    let series = [
        outcomes(guest, kind),
        format!(r#"hotstage_http_failures_total{{kind="{kind}"}}"#),
        of_stage("instances_ended_total", guest),
        of_stage("instances_created_total", guest),
    ];
    good(server, guest);
    let before = server.metrics();

    neighbour();
    let mut connection = server.connect();
    connection.send(&request(guest, &[*trigger]).bytes());
    neighbour();
    let response = connection.answer().expect("closed without an answer");
    neighbour();
    refused(row, &response);
    good(server, guest);

    let after = server.metrics();
    let moved: Vec<f64> = series
        .iter()
        .map(|name| after.value(name) - before.value(name))
        .collect();
    let ends = if row.instance == Instance::Ends {
        1.0
    } else {
        0.0
    };
    assert_eq!(moved, [1.0, 1.0, ends, ends], "{guest}: {series:?}");
}

/// A normal call succeeds.
#[track_caller]
fn good(server: &Server, guest: &str) {
    let response = server.ask(&request(guest, &[1.0])).ok();
    let expected = if guest == "bad_bytes" {
        json!([""])
    } else {
        json!([1.0])
    };
    assert_eq!(response.json()["outputs"][0]["data"], expected, "{guest}");
}

#[track_caller]
fn refused(row: &Row, response: &Response) {
    let Row { guest, .. } = row;
    let text = response.error();
    assert_eq!(
        (response.status, response.header("hotstage-failure")),
        (row.status, Some(row.kind)),
        "{guest}: {text}"
    );
    assert_eq!(
        response.header("retry-after").is_some(),
        row.status == 503,
        "{guest}"
    );
    assert!(text.contains(row.says), "{guest}: {text}");
    let whose = format!(
        "stage `{}` of pipeline `{guest}` version 1 ",
        guest.replace('_', "-")
    );
    // A message about the client's input is the stage's own text.
    assert_eq!(
        text.starts_with(&whose),
        row.status != 400,
        "{guest}: {text}"
    );
    for leak in [
        "backtrace",
        "wasm function",
        "/",
        ".rs",
        "0x",
        "panicked",
        "on purpose",
        "\n",
    ] {
        assert!(!text.contains(leak), "{guest}: {text}");
    }
}

/// Only the first instance of a stage is described, so this guest's second instance differs.
#[test]
fn an_instance_that_opens_as_something_else_is_refused() {
    let manifests = [
        pipeline("lies_later", [model("lies_later")]),
        pipeline("neighbour", [model("echo")]),
    ];
    let server = Setup::of(manifests).start();
    assert_eq!(data(&server.ask(&request("lies_later", &[1.0]))), [1.0]);
    // This call ends its first instance.
    assert_eq!(server.ask(&request("lies_later", &[13.0])).status, 500);
    for _ in 0..3 {
        let response = server.ask(&request("lies_later", &[1.0]));
        assert_eq!(
            (response.status, response.header("hotstage-failure")),
            (500, Some("stage_signature"))
        );
        assert!(
            response
                .error()
                .ends_with("opened with another signature than its first instance")
        );
        assert_eq!(data(&server.ask(&request("neighbour", &[5.0]))), [5.0]);
    }
}

/// Too many instances for the server is a temporary condition, not a defect of the stage.
#[test]
fn calls_beyond_the_servers_instances_are_put_off() {
    let spins = model("spins").with("limits", json!({ "time": "2s" }));
    let server = Setup::of([pipeline("spins", [spins])])
        .args("--instances 1")
        .start();
    let response = std::thread::scope(|scope| {
        // The first call takes the only instance; a call that gets 503 is retried.
        let busy = scope.spawn(|| while server.ask(&request("spins", &[13.0])).status != 504 {});
        // Until it runs, the only instance may answer these.
        let response = loop {
            let response = server.ask(&request("spins", &[1.0]));
            if response.status != 200 {
                break response;
            }
        };
        busy.join().unwrap();
        response
    });
    assert_eq!(
        (response.status, response.header("hotstage-failure")),
        (503, Some("overloaded")),
        "{response:?}"
    );
    assert!(response.error().contains("--instances"), "{response:?}");
    assert!(response.header("retry-after").is_some());
    assert_eq!(data(&server.ask(&request("spins", &[1.0]))), [1.0]);
}
