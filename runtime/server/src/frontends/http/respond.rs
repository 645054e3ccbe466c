//! Builds responses: JSON bodies, failures as `{"error": …}`, and headers that describe the answer.

use bytes::Bytes;
use hotstage_core::failure::{Failure, Kind};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use super::Body;
use super::headers::name_pipeline;
use crate::frontends::http_status::status;
use crate::serving::pipeline::Pipeline;
use crate::serving::routing::FallbackReason;

/// Maximum bytes of the `hotstage-asked` header; the rest is cut off.
const ASKED_BYTES_MAX: usize = 2048;
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// 200 with JSON.
pub(super) fn json(body: impl Into<Bytes>) -> Response<Body> {
    with_type(StatusCode::OK, JSON, body)
}

pub(super) fn with_type(
    status: StatusCode,
    content_type: HeaderValue,
    body: impl Into<Bytes>,
) -> Response<Body> {
    let mut response = Response::new(Body::new(body.into()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    response
}

/// A failure as a response.
pub(super) fn failure(failure: &Failure) -> Response<Body> {
    let body = serde_json::json!({ "error": failure.message }).to_string();
    let mut response = with_type(status(failure.kind), JSON, body);
    response.headers_mut().insert(
        "hotstage-failure",
        HeaderValue::from_static(failure.kind.code()),
    );
    if failure.kind.is_retryable() {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    if failure.kind == Kind::UnsupportedMediaType {
        response.headers_mut().insert(
            header::ACCEPT_ENCODING,
            HeaderValue::from_static("gzip, deflate, identity"),
        );
    }
    if matches!(failure.kind, Kind::RequestTimeout | Kind::BodyTooLarge) {
        // The rest of the body stays unread, so the connection can't be reused.
        response
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// A 200 response of a pipeline; the caller adds the JSON body.
pub(super) fn answer(pipeline: &Pipeline) -> Response<Body> {
    let mut response = Response::new(Body::default());
    // Capacity for the usual headers: growing would rehash them, and more than a kilobyte is slow
    // to allocate.
    *response.headers_mut() = HeaderMap::with_capacity(6);
    response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    name_pipeline(&mut response, pipeline);
    response
}

/// Lists the members that a graph called where it had a choice.
pub(super) fn name_asked(response: &mut Response<Body>, asked: &str) {
    if asked.is_empty() {
        return;
    }
    let asked = &asked[..asked.floor_char_boundary(ASKED_BYTES_MAX)];
    if let Ok(value) = HeaderValue::try_from(asked) {
        response.headers_mut().insert("hotstage-asked", value);
    }
}

/// Names the version that was replaced by the fallback, and the reason: `"2";because=stage_failed`
/// (an item of RFC 9651).
pub(super) fn name_fallen(response: &mut Response<Body>, fell: &FallbackReason) {
    // Versions contain no quotes and only valid header characters.
    if let Ok(value) =
        HeaderValue::from_str(&format!("\"{}\";because={}", fell.version, fell.because))
    {
        response.headers_mut().insert("hotstage-fallback", value);
    }
}
