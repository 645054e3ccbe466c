//! The request parameter `timeout`: it bounds the wait for an instance and the computation.

use serde_json::{Value, json};

use crate::harness::http::Request;
use crate::harness::manifest::{With as _, model, pipeline};
use crate::harness::server::{Server, Setup};

const PATH: &str = "/v2/models/slow/infer";

/// One instance, which counts as long as the request says.
fn slow() -> Server {
    let stage = model("slow").with("limits", json!({ "instances": 1, "time": "600s" }));
    Setup::of([pipeline("slow", [stage])]).start()
}

/// A request that takes so many million steps, half a second for each thousand.
fn steps(millions: u32, timeout: &Value) -> Request {
    let input = json!({ "name": "x", "datatype": "FP32", "shape": [1], "data": [millions] });
    let body = json!({ "inputs": [input], "parameters": { "timeout": timeout } });
    Request::post(PATH, body.to_string())
}

#[test]
fn a_timeout_ends_a_computation_and_frees_its_instance() {
    let server = slow();
    let response = server.ask(&steps(200_000, &json!(100_000)));
    assert_eq!(response.status, 504, "{}", response.text());
    assert_eq!(response.header("hotstage-failure"), Some("client_timeout"));
    assert_eq!(
        response.error(),
        "the answer was not there within the request's `timeout`"
    );
    for timeout in [60_000_000, u64::MAX] {
        assert_eq!(
            server.ask(&steps(1, &json!(timeout))).status,
            200,
            "{timeout}"
        );
    }
}

#[test]
fn a_timeout_ends_the_wait_for_an_instance() {
    let server = slow();
    let mut busy = server.connect();
    busy.send(&steps(6_000, &json!(0)).bytes());
    let response = server.ask(&steps(1, &json!(50_000)));
    assert_eq!(response.status, 504, "{}", response.text());
    // 0 is no bound.
    assert_eq!(busy.answer().unwrap().status, 200);
}

#[test]
fn a_timeout_is_a_number_of_microseconds() {
    let server = slow();
    for (timeout, given) in [
        (json!("soon"), "\"soon\""),
        (json!(-1), "-1"),
        (json!(1.5), "1.5"),
    ] {
        let response = server.ask(&steps(1, &timeout));
        assert_eq!(response.status, 400, "{}", response.text());
        let expected =
            format!("parameters.timeout must be a number of microseconds, given {given}");
        assert_eq!(response.error(), expected);
    }
}
