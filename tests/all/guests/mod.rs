//! What guests may attempt, and the result: one failed request, never a failure of the process or a
//! neighbour.
//!
//! `tests/guests/README.md` describes each guest.

use serde_json::{Value, json};

use crate::harness::http::{Request, Response};
use crate::harness::server::Server;

mod broken;
mod held;
mod hostile;
mod hostile_texts;
mod large;
mod logs;
mod opening;
mod pure;
mod refused_texts;
mod row;

/// A request with `x`.
pub(crate) fn numbers(values: &[f32]) -> Value {
    json!({ "inputs": [{ "name": "x", "datatype": "FP32", "shape": [values.len()], "data": values }] })
}

/// The same as an HTTP request.
pub(crate) fn request(model: &str, values: &[f32]) -> Request {
    Request::post(
        &format!("/v2/models/{model}/infer"),
        numbers(values).to_string(),
    )
}

/// The numbers of the first output.
#[track_caller]
pub(crate) fn data(response: &Response) -> Vec<f64> {
    assert_eq!(response.status, 200, "{}", response.text());
    response.json()["outputs"][0]["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|number| number.as_f64().unwrap())
        .collect()
}

/// Sends `x` and returns the numbers of the first output.
#[track_caller]
pub(crate) fn ask(server: &Server, model: &str, values: &[f32]) -> Vec<f64> {
    data(&server.ask(&request(model, values)))
}

/// A metric of one stage, for a pipeline with its guest's name.
pub(crate) fn of_stage(metric: &str, guest: &str) -> String {
    let stage = guest.replace('_', "-");
    format!(r#"hotstage_stage_{metric}{{pipeline="{guest}",version="1",stage="{stage}"}}"#)
}

/// The number of requests of a pipeline with this outcome.
pub(crate) fn outcomes(pipeline: &str, outcome: &str) -> String {
    format!(r#"hotstage_requests_total{{pipeline="{pipeline}",version="1",outcome="{outcome}"}}"#)
}
