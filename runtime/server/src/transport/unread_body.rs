//! What is left of a request's body when the request is answered already.
//!
//! A connection goes on behind a body only once that is read. So a short rest is read and dropped
//! first; a long one, or one that does not come, ends the connection, and the answer says so.
//! Bounds: [`BYTES_MAX`], [`TIME_MAX`]. Nothing of this in HTTP/2, where each request has a stream
//! of its own, and nothing for a body that was read.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Response, Version, header};
use hyper::body::{Body as _, Incoming};

use super::body::{ResponseBody as Body, next_piece};

/// Bytes that are read to keep a connection.
const BYTES_MAX: usize = 256 << 10;
/// How long they may take.
const TIME_MAX: Duration = Duration::from_secs(1);

/// What there is to know of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    version: Version,
    /// Its client waits to be asked for its body: it need not send it now, and to read it would be
    /// to ask.
    waits_for_word: bool,
}

impl Asked {
    pub(crate) fn of(version: Version, headers: &HeaderMap) -> Self {
        Self {
            version,
            waits_for_word: headers.contains_key(header::EXPECT),
        }
    }
}

/// How a request leaves its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// The next request can come.
    Nothing,
    /// The connection ends with the answer, and bytes may still be on their way.
    Unread,
}

/// Reads what is left, or else has the answer say that the connection ends.
pub(crate) async fn settle(
    asked: Asked,
    body: &mut Incoming,
    response: &mut Response<Body>,
) -> Rest {
    if asked.version > Version::HTTP_11 || body.is_end_stream() {
        return Rest::Nothing;
    }
    let was_asked = !asked.waits_for_word || response.status().is_success();
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

/// Whether it ended within the bound.
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
