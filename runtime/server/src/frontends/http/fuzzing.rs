//! Access to private parts of this module for fuzz targets only.

use bytes::Bytes;
use hotstage_core::failure::Failure;
use http::{HeaderMap, HeaderValue, header};

use super::{encoding, path};
use crate::transport::budget::{Budget, SMALL, Share};

/// Parses a request path; returns the model and the version that it names, if any.
pub fn read_path(path: &str) -> Result<(Option<String>, Option<String>), Failure> {
    use path::Target;
    let target = path::target(path)?;
    let (model, version) = match target {
        Target::Infer { model, version }
        | Target::Model { model, version }
        | Target::ModelReady { model, version } => (Some(model), version),
        Target::Feedback { model } => (Some(model), None),
        _ => (None, None),
    };
    let owned = |text: Option<std::borrow::Cow<'_, str>>| text.map(std::borrow::Cow::into_owned);
    Ok((owned(model), owned(version)))
}

/// Decompresses a request body according to `content-encoding`, with its own bound and budget.
pub async fn decompress(
    content_encoding: HeaderValue,
    body: &Bytes,
    bytes_max: usize,
) -> Result<Bytes, Failure> {
    let headers = HeaderMap::from_iter([(header::CONTENT_ENCODING, content_encoding)]);
    match encoding::of_request(&headers)? {
        Some(encoding) => {
            let budget = Budget::new(1 << 30);
            encoding::decode(body, encoding, Share::none(&budget, SMALL), bytes_max).await
        }
        None => Ok(body.clone()),
    }
}

/// Whether an answer would be compressed for a client that sends this `accept-encoding`.
pub fn accepts_compressed(accept_encoding: HeaderValue) -> bool {
    let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, accept_encoding)]);
    encoding::wanted(&headers).is_some()
}
