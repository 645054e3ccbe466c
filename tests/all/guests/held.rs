//! State that an instance keeps between calls (buffers, inputs, files), and stages whose instances
//! keep none.

use serde_json::{Value, json};

use super::{ask, data, of_stage, request};
use crate::harness::admin::Admin;
use crate::harness::manifest::{With as _, model, pipeline};
use crate::harness::process::resident;
use crate::harness::server::{Server, Setup};
use crate::harness::state::Folder;
use crate::harness::wat::{self, Shelf};

const MIB: f64 = 1024.0 * 1024.0;

/// A stage with a guest written as WebAssembly text.
fn stage(shelf: &Shelf, name: &str, text: &str, limits: &Value) -> Value {
    let component = shelf.put(name, &wat::model(text));
    json!({ "name": name, "role": "model", "component": component, "limits": limits })
}

fn held(server: &Server, name: &str) -> f64 {
    server.metrics().value(&of_stage("held_bytes", name))
}

fn ended(server: &Server, name: &str) -> f64 {
    server
        .metrics()
        .value(&of_stage("instances_ended_total", name))
}

/// Keeps a buffer of 1 MiB from each call.
const HOARDS: &str = "(memory (export \"memory\") 20)
    (func $any (param i32) (drop (call $create (i32.const 0) (i32.const 1048576))))";

#[test]
fn buffers_are_counted_from_call_to_call_and_too_many_end_their_instance() {
    let shelf = Shelf::new();
    let limits = json!({ "held_bytes": "4MiB", "instances": 1 });
    let neighbour = pipeline("neighbour", [model("echo")]);
    let server = Setup::of([
        pipeline("hoards", [stage(&shelf, "hoards", HOARDS, &limits)]),
        neighbour,
    ])
    .start();
    // The warm-up is a call as well.
    let warm = held(&server, "hoards") / MIB;
    let mut seen = Vec::new();
    for call in 0..10_u8 {
        assert_eq!(
            ask(&server, "hoards", &[f32::from(call)]),
            [f64::from(call)]
        );
        seen.push(held(&server, "hoards") / MIB);
    }
    let expected: Vec<f64> = (1..=10)
        .map(|call| (warm + f64::from(call)) % 5.0)
        .collect();
    assert_eq!(
        (seen, ended(&server, "hoards")),
        (expected, ((warm + 10.0) / 5.0).floor())
    );
    assert_eq!(ask(&server, "neighbour", &[5.0]), [5.0]);
    assert_eq!(held(&server, "neighbour"), 0.0);
    let lines = server.stop().stderr;
    let says = "it held 5242880 bytes in buffers after a call, and may hold 4194304; raise `limits.held_bytes`";
    let is_it = |line: &String| {
        line.contains(" guest: ") && line.contains(says) && line.contains("stage=\"hoards\"")
    };
    assert!(lines.iter().any(is_it), "{lines:#?}");
}

/// With a limit of 0, every call succeeds and its instance ends with it.
#[test]
fn a_stage_may_be_forbidden_to_hold_anything() {
    let shelf = Shelf::new();
    let limits = json!({ "held_bytes": 0 });
    let server = Setup::of([pipeline(
        "hoards",
        [stage(&shelf, "hoards", HOARDS, &limits)],
    )])
    .start();
    let before = ended(&server, "hoards");
    for _ in 0..3 {
        assert_eq!(ask(&server, "hoards", &[1.0]), [1.0]);
        assert_eq!(held(&server, "hoards"), 0.0);
    }
    assert_eq!(ended(&server, "hoards") - before, 3.0);
}

#[test]
fn sixty_mebibytes_of_each_call_do_not_add_up() {
    let shelf = Shelf::new();
    let text = "(memory (export \"memory\") 1000)
        (func $any (param i32) (drop (call $create (i32.const 0) (i32.const 62914560))))";
    let server = Setup::of([pipeline(
        "hoards",
        [stage(&shelf, "hoards", text, &json!({}))],
    )])
    .start();
    ask(&server, "hoards", &[1.0]);
    let before = resident(&server);
    for _ in 0..40 {
        assert_eq!(ask(&server, "hoards", &[1.0]), [1.0]);
    }
    let grown = (resident(&server) - before) / MIB;
    // 2400 if they added up; an allocator keeps some for a while.
    assert!(grown < 1024.0, "{grown} MiB more");
    assert_eq!(held(&server, "hoards"), 0.0);
}

/// Four bytes of an input must not keep the request's body in memory.
#[test]
fn a_part_of_an_input_keeps_itself_alone() {
    let shelf = Shelf::new();
    let text = "(func $any (param $x i32)
        (if (i32.load8_u offset=12 (local.get $x)) (then
          (call $slice (i32.load offset=16 (local.get $x)) (i64.const 4) (i64.const 4) (i32.const 2048)))))";
    let server = Setup::of([pipeline(
        "hoards",
        [stage(&shelf, "hoards", text, &json!({ "instances": 1 }))],
    )])
    .start();
    let floats: Vec<u8> = (0..5_000_000_u32)
        .flat_map(|number| (number as f32).to_le_bytes())
        .collect();
    let call = || {
        let request = json!({ "inputs": [{
            "name": "x", "datatype": "FP32", "shape": [5_000_000], "parameters": { "binary_data_size": floats.len() },
        }], "parameters": { "binary_data_output": true }});
        let response = server.infer_binary("hoards", &request, &[&floats]).ok();
        assert!(response.binary().1 == floats);
    };
    call();
    let before = resident(&server);
    (0..20).for_each(|_| call());
    let grown = (resident(&server) - before) / MIB;
    // 400 if it did.
    assert!(grown < 256.0, "{grown} MiB more");
    assert_eq!(
        (held(&server, "hoards"), ended(&server, "hoards")),
        (21.0 * 4.0, 0.0)
    );
}

#[test]
fn a_file_is_in_memory_once_however_often_it_is_opened() {
    let shelf = Shelf::new();
    let folder = Folder::new();
    let file = folder.write("large", vec![7; 16 << 20]);
    // Opens it 500 times in a call, holds all of them, and checks their lengths.
    let text = "(data (i32.const 3000) \"large\")
        (func $misbehave (param $x i32) (result i32) (local $n i32)
          (loop $l
            (call $file (i32.const 3000) (i32.const 5) (i32.const 2048))
            (if (i32.load8_u (i32.const 2048)) (then unreachable))
            (if (i64.ne (call $length (i32.load (i32.const 2052))) (i64.const 16777216)) (then unreachable))
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br_if $l (i32.lt_u (local.get $n) (i32.const 500))))
          (call $answer (local.get $x) (i32.const 1)))";
    let opens = |name: &str| {
        pipeline(
            name,
            [stage(&shelf, name, text, &json!({ "time": "60s" }))
                .with("files", json!({ "large": file }))],
        )
    };
    let server = Setup::of([opens("one"), opens("other")]).start();
    let before = resident(&server);
    for name in ["one", "other"] {
        assert_eq!(ask(&server, name, &[13.0]), [13.0]);
        // The buffers share the file's bytes, so nothing is counted and no instance ends.
        assert_eq!((held(&server, name), ended(&server, name)), (0.0, 0.0));
    }
    let grown = (resident(&server) - before) / MIB;
    assert!(grown < 64.0, "{grown} MiB more");
}

/// A component with seven memories takes seven slots, a shortage that `--instances` can show.
#[test]
fn memories_are_counted_as_places() {
    let shelf = Shelf::new();
    let component = shelf.put(
        "seven",
        &wat::beside(wat::model(""), "(module (memory 1))", 6),
    );
    let seven = |limits: &Value| {
        pipeline(
            "seven",
            [json!({ "name": "seven", "role": "model", "component": component, "limits": limits })],
        )
    };
    let server = Setup::of([pipeline("neighbour", [model("echo")])])
        .args("--instances 9")
        .start();
    let admin = Admin::of(&server);
    let refused = admin
        .apply(&[seven(&json!({ "instances": { "min": 2 } }))])
        .error();
    assert!(
        refused.contains("and one of this component counts as 7"),
        "{refused}"
    );
    assert_eq!(ask(&server, "neighbour", &[5.0]), [5.0]);
    admin
        .apply(&[seven(&json!({ "instances": { "min": 1 } }))])
        .ok();
    for _ in 0..3 {
        assert_eq!(
            (
                ask(&server, "seven", &[1.0]),
                ask(&server, "neighbour", &[5.0])
            ),
            (vec![1.0], vec![5.0])
        );
    }
}

/// The guest counts the calls of its instance.
#[test]
fn each_call_may_have_an_instance_that_no_other_has_seen() {
    let counts =
        |name: &str, limits: Value| pipeline(name, [model("counts").with("limits", limits)]);
    let fresh = counts(
        "fresh",
        json!({ "instances": { "max": 2, "reuse": "never" } }),
    );
    let server = Setup::of([fresh, counts("warm", json!({ "instances": 1 }))]).start();
    let metric = |metric: &str| {
        server.metrics().value(&format!(
            r#"hotstage_stage_{metric}{{pipeline="fresh",version="1",stage="counts"}}"#
        ))
    };
    let before = metric("instances_ended_total");
    for _ in 0..5 {
        assert_eq!(ask(&server, "fresh", &[1.0]), [1.0]);
    }
    assert_eq!(
        (
            metric("instances_ended_total") - before,
            metric("instances")
        ),
        (5.0, 0.0)
    );
    let first = ask(&server, "warm", &[1.0]);
    assert_eq!(ask(&server, "warm", &[1.0]), [first[0] + 1.0]);
    // Also with concurrent calls, and after a failed one.
    assert_eq!(server.ask(&request("fresh", &[13.0])).status, 500);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5 {
                    assert_eq!(data(&server.ask(&request("fresh", &[1.0]))), [1.0]);
                }
            });
        }
    });
}
