//! The number of instances of a stage: created before it serves, kept while needed, dropped when
//! idle.

use serde_json::{Value, json};

use crate::harness::eventually;
use crate::harness::http::Request;
use crate::harness::manifest::{With as _, model, pipeline};
use crate::harness::server::{Server, Setup};

fn serve(instances: &Value, arguments: &str) -> Server {
    let stage = model("slow").with("limits", json!({ "instances": instances, "time": "600s" }));
    Setup::of([pipeline("slow", [stage])])
        .args(arguments)
        .start()
}

/// A request that takes this many million steps.
fn steps(model: &str, millions: u32) -> Request {
    let input = json!({ "name": "x", "datatype": "FP32", "shape": [1], "data": [millions] });
    Request::post(
        &format!("/v2/models/{model}/infer"),
        json!({ "inputs": [input] }).to_string(),
    )
}

fn instances(server: &Server) -> f64 {
    server
        .metrics()
        .value(r#"hotstage_stage_instances{pipeline="slow",version="1",stage="slow"}"#)
}

/// Three requests at once.
fn crowd(server: &Server) {
    let mut connections: Vec<_> = (0..3).map(|_| server.connect()).collect();
    for connection in &mut connections {
        connection.send(&steps("slow", 300).bytes());
    }
    for connection in &mut connections {
        connection.answer().unwrap().ok();
    }
}

#[test]
fn the_minimum_exists_before_the_first_request() {
    let server = serve(&json!({ "min": 3, "max": 8 }), "");
    assert_eq!(instances(&server), 3.0);
}

#[test]
fn instances_of_a_burst_are_dropped_after_it() {
    for (written, least) in [
        (json!({ "idle": "1s" }), 1.0),
        (json!({ "min": 0, "idle": "1s" }), 0.0),
    ] {
        let server = serve(&written, "");
        eventually("more than one at once", || {
            crowd(&server);
            instances(&server) > 1.0
        });
        eventually("idle ones are given up", || instances(&server) == least);
        // The next request creates the instance that it needs.
        server.ask(&steps("slow", 0)).ok();
        assert_eq!(instances(&server), 1.0);
    }
}

/// If slots are short, a configured minimum is never taken away.
#[test]
fn a_minimum_is_kept_when_others_need_slots() {
    let least = |name: &str, min: Option<u32>| {
        let instances = min.map_or(json!({ "max": 2 }), |min| json!({ "min": min, "max": 2 }));
        pipeline(
            name,
            [model("slow").with("limits", json!({ "instances": instances, "time": "600s" }))],
        )
    };
    let server = Setup::of([least("slow", Some(2)), least("other", None)])
        .args("--instances 3")
        .start();
    let refused = |model: &str, many: usize| {
        let mut connections: Vec<_> = (0..many).map(|_| server.connect()).collect();
        for connection in &mut connections {
            connection.send(&steps(model, 300).bytes());
        }
        connections
            .iter_mut()
            .map(|connection| connection.answer().unwrap().status)
            .filter(|&status| status == 503)
            .count()
    };
    assert_eq!(refused("slow", 2), 0);
    assert_eq!(instances(&server), 2.0);
    eventually("the other has one place alone", || refused("other", 2) == 1);
    assert_eq!(instances(&server), 2.0);
}

#[test]
fn a_minimum_without_free_slots_is_refused() {
    let stage = model("slow").with("limits", json!({ "instances": { "min": 4 } }));
    let message = Setup::of([pipeline("slow", [stage])])
        .args("--instances 3")
        .try_start();
    let message = message.err().unwrap().stderr.concat();
    assert!(
        message.contains("could not get another instance"),
        "{message}"
    );
}
