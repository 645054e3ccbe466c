//! Successful answers: JSON bodies.

use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use crate::transport::body::ResponseBody as Body;

/// 200 with the value as JSON.
pub(super) fn json(value: &impl Serialize) -> Response<Body> {
    // Our types always serialize: their map keys are strings.
    let (status, text) = match serde_json::to_vec(value) {
        Ok(text) => (StatusCode::OK, text),
        Err(_) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            br#"{"error":"the answer can't be encoded"}"#.to_vec(),
        ),
    };
    let mut response = Response::new(Body::new(text.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    // What is served changes, so caches must not store the answer.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
