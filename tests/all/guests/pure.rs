//! A stage is a pure function: no clock, no randomness, no machine. Its instances are reused until
//! one ends.

use serde_json::json;

use super::{ask, of_stage, request};
use crate::harness::manifest::{With as _, model, pipeline};
use crate::harness::server::{Server, Setup};

fn one(guest: &str) -> Server {
    Setup::of([pipeline(guest, [model(guest)])])
        .env("A_VARIABLE", "that a guest must not see")
        .start()
}

#[test]
fn clocks_stand_still_at_the_epoch() {
    let server = one("reads_clock");
    for _ in 0..2 {
        assert_eq!(ask(&server, "reads_clock", &[1.0]), [0.0; 4]);
    }
}

#[test]
fn a_sleep_ends_at_once() {
    // An hour of sleep, within a limit of five seconds.
    assert_eq!(ask(&one("sleeps"), "sleeps", &[13.0]), [13.0]);
}

#[test]
fn randomness_is_the_same_from_every_start() {
    let (one, other) = (one("reads_random"), one("reads_random"));
    let answers: Vec<_> = (0..3).map(|_| ask(&one, "reads_random", &[1.0])).collect();
    assert_eq!(
        answers,
        (0..3)
            .map(|_| ask(&other, "reads_random", &[1.0]))
            .collect::<Vec<_>>()
    );
    // Nor is it constant: a hash map with a fixed seed would be.
    assert_ne!(answers[0], answers[1]);
}

#[test]
fn a_stage_sees_nothing_of_the_machine() {
    // No folder can be opened, no variable is set, no argument was given.
    assert_eq!(
        ask(&one("reads_files"), "reads_files", &[1.0]),
        [-1.0, 0.0, 0.0]
    );
}

#[test]
fn an_instance_is_reused_until_it_traps() {
    let server = one("counts");
    let series = ["instances_created_total", "instances_ended_total"]
        .map(|metric| of_stage(metric, "counts"));
    let instances = |server: &Server| series.each_ref().map(|name| server.metrics().value(name));
    let counted = |server: &Server| {
        (0..3)
            .map(|_| ask(server, "counts", &[1.0])[0])
            .collect::<Vec<_>>()
    };
    assert_eq!(counted(&server), [1.0, 2.0, 3.0]);
    assert_eq!(instances(&server), [1.0, 0.0]);
    assert_eq!(
        server
            .ask(&request("counts", &[13.0]))
            .header("hotstage-failure"),
        Some("stage_trapped")
    );
    assert_eq!(instances(&server), [1.0, 1.0]);
    assert_eq!(counted(&server), [1.0, 2.0, 3.0]);
    assert_eq!(instances(&server), [2.0, 1.0]);
}

#[test]
fn a_trap_ends_no_instance_of_another_stage() {
    let stages = [
        model("counts")
            .with("inputs", json!({ "x": "request.n" }))
            .with("outputs", json!({ "y": "calls" })),
        model("traps")
            .with("inputs", json!({ "x": "request.x" }))
            .with("outputs", json!({ "y": "echoed" })),
    ];
    let mut manifest = pipeline("p", stages);
    manifest["spec"]["outputs"] = json!(["calls"]);
    let server = Setup::of([manifest]).start();
    let call = |trigger: f32| {
        let input = |name: &str, value: f32| json!({ "name": name, "datatype": "FP32", "shape": [1], "data": [value] });
        server.infer(
            "p",
            &json!({ "inputs": [input("n", 0.0), input("x", trigger)] }),
        )
    };
    assert_eq!(super::data(&call(1.0)), [1.0]);
    // The counter has advanced, although no answer showed it.
    assert_eq!(call(13.0).header("hotstage-failure"), Some("stage_trapped"));
    assert_eq!(super::data(&call(1.0)), [3.0]);
}
