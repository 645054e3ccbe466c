//! The unread rest of a request's body when the request has already been answered.
//!
//! A connection can serve the next request only after that rest is read. A short rest is read and
//! dropped; for a long or stalled one the connection closes, and the answer says so. Bounds:
//! [`BYTES_MAX`], [`TIME_MAX`]. HTTP/2 does not need this, as each request has its own stream.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Response, Version, header};
use hyper::body::{Body as _, Incoming};

use super::body::{ResponseBody as Body, next_piece};

/// Bytes that are read to keep a connection open.
const BYTES_MAX: usize = 256 << 10;
/// How long they may take.
const TIME_MAX: Duration = Duration::from_secs(1);

/// What the decision needs to know of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    version: Version,
    /// The client sent `Expect`: it sends the body only after a 100 Continue, which reading the
    /// body would trigger.
    expects_continue: bool,
}

impl Asked {
    pub(crate) fn of(version: Version, headers: &HeaderMap) -> Self {
        Self {
            version,
            expects_continue: headers.contains_key(header::EXPECT),
        }
    }
}

/// The state of the connection after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// The next request can be read.
    Nothing,
    /// The connection closes after the answer, and bytes may still be in transit.
    Unread,
}

/// Reads the rest, or marks the answer with `Connection: close`.
pub(crate) async fn settle(
    asked: Asked,
    body: &mut Incoming,
    response: &mut Response<Body>,
) -> Rest {
    if asked.version > Version::HTTP_11 || body.is_end_stream() {
        return Rest::Nothing;
    }
    let was_asked = !asked.expects_continue || response.status().is_success();
    let is_worth_it = was_asked
        && !response.headers().contains_key(header::CONNECTION)
        && body.size_hint().lower() <= BYTES_MAX as u64;
    if is_worth_it && tokio::time::timeout(TIME_MAX, is_read(body)).await == Ok(true) {
        return Rest::Nothing;
    }
    response
        .headers_mut()
        .insert(header::CONNECTION, HeaderValue::from_static("close"));
    Rest::Unread
}

/// Whether the body ended within the bound.
async fn is_read(body: &mut Incoming) -> bool {
    let mut bytes = 0;
    loop {
        match next_piece(body, TIME_MAX).await {
            Ok(Some(piece)) => bytes += piece.len(),
            Ok(None) => return true,
            Err(_) => return false,
        }
        if bytes > BYTES_MAX {
            return false;
        }
    }
}
