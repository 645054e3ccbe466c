//! Uploads over HTTP, with the headers of resumable uploads: `upload-offset` is the position of the
//! bytes, `upload-complete` marks the last ones.
//!
//! A body is written to disk in pieces. What was received stays when the client is cut off.

use std::sync::Arc;

use bytes::BytesMut;
use hotstage_core::digest::Digest;
use hotstage_core::limits::FILE_BYTES_MAX;
use http::{HeaderMap, HeaderName, HeaderValue};
use hyper::body::Body as _;

use super::Admin;
use super::endpoint::InHeaders;
use super::lent::Lent;
use super::query::shown;
use super::refusal::Refusal;
use super::request::{self, AdminRequest};
use crate::state::store::{Begun, Upload, UploadError};
use crate::transport::body::next_piece;
use hotstage_client::UploadInfo;

pub(super) const OFFSET: HeaderName = HeaderName::from_static("upload-offset");
pub(super) const COMPLETE: HeaderName = HeaderName::from_static("upload-complete");

/// Bytes gathered before each write.
const GATHERED: usize = 1 << 20;

impl InHeaders for UploadInfo {
    fn write(&self, headers: &mut HeaderMap) {
        headers.insert(OFFSET, self.offset.into());
        headers.insert(
            COMPLETE,
            HeaderValue::from_static(if self.complete { "?1" } else { "?0" }),
        );
    }
}

/// Progress of an upload.
pub(super) async fn look(
    admin: Arc<Admin>,
    asked: AdminRequest<()>,
) -> Result<UploadInfo, Refusal> {
    let digest = digest(asked.place("digest"))?;
    let progress = beside(move || admin.control.store().progress(&digest)).await??;
    Ok(UploadInfo {
        digest: digest.to_string(),
        offset: progress.offset,
        complete: progress.complete,
    })
}

/// Writes the body at the offset.
pub(super) async fn add(
    admin: Arc<Admin>,
    asked: AdminRequest<Lent>,
) -> Result<UploadInfo, Refusal> {
    let digest = digest(asked.place("digest"))?;
    let (at, is_last) = (offset(&asked.headers)?, is_last(&asked.headers)?);
    request::plain(&asked.headers)?;
    if at.saturating_add(asked.body.size_hint().lower()) > FILE_BYTES_MAX {
        return Err(UploadError::TooLarge.into());
    }
    let info = |offset, complete| UploadInfo {
        digest: digest.to_string(),
        offset,
        complete,
    };
    let opened = Arc::clone(&admin);
    let upload = match beside(move || opened.control.store().upload(&digest, at)).await?? {
        Begun::Here(upload) => upload,
        // A client that lost the answer repeats its last part.
        Begun::Stored(bytes) => return Ok(info(bytes, true)),
    };
    let upload = receive(upload, asked.body, &admin).await?;
    if !is_last {
        return Ok(info(upload.offset(), false));
    }
    Ok(info(beside(move || upload.finish()).await??, true))
}

/// Writes the body to disk as it arrives. What was received is kept even if the rest fails.
async fn receive(mut upload: Upload, mut body: Lent, admin: &Admin) -> Result<Upload, Refusal> {
    let mut gathered = BytesMut::new();
    loop {
        let piece = next_piece(&mut body, admin.limits.client_timeout).await;
        if let Ok(Some(piece)) = &piece {
            gathered.extend_from_slice(piece);
            if gathered.len() < GATHERED {
                continue;
            }
        }
        let bytes = std::mem::take(&mut gathered);
        upload = beside(move || appended(upload, &bytes)).await??;
        if piece?.is_none() {
            return Ok(upload);
        }
    }
}

fn appended(mut upload: Upload, bytes: &[u8]) -> Result<Upload, UploadError> {
    upload.append(bytes)?;
    Ok(upload)
}

/// Runs file work on a blocking thread.
async fn beside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| Refusal::defect("work on an upload failed"))
}

fn digest(text: &str) -> Result<Digest, Refusal> {
    // `sha256:` is optional in a path.
    let whole = if text.contains(':') {
        text.to_owned()
    } else {
        format!("sha256:{text}")
    };
    whole.parse().map_err(|_| {
        let message = format!(
            "`{}` is not a valid digest; one is `sha256:` and 64 hexadecimal digits in lower case",
            shown(text)
        );
        Refusal::invalid(message)
    })
}

fn offset(headers: &HeaderMap) -> Result<u64, Refusal> {
    let text = headers.get(OFFSET).and_then(|value| value.to_str().ok());
    let offset = text
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|text| text.parse().ok());
    offset.ok_or_else(|| {
        Refusal::invalid(format!(
            "{OFFSET} must be the offset of the body in bytes, 0 at first"
        ))
    })
}

fn is_last(headers: &HeaderMap) -> Result<bool, Refusal> {
    match headers.get(COMPLETE).map(HeaderValue::as_bytes) {
        None | Some(b"?0") => Ok(false),
        Some(b"?1") => Ok(true),
        Some(_) => Err(Refusal::invalid(format!(
            "{COMPLETE} must be ?1 with the last bytes, else ?0"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    fn sent(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn headers_are_read_strictly() {
        assert_eq!(offset(&sent(OFFSET, "17")).unwrap(), 17);
        for value in ["", "-1", "+1", "x", "99999999999999999999"] {
            assert!(offset(&sent(OFFSET, value)).is_err(), "{value}");
        }
        assert!(offset(&HeaderMap::new()).is_err());
        assert!(is_last(&sent(COMPLETE, "?1")).unwrap());
        assert!(!is_last(&sent(COMPLETE, "?0")).unwrap() && !is_last(&HeaderMap::new()).unwrap());
        assert!(is_last(&sent(COMPLETE, "true")).is_err());
    }

    #[test]
    fn a_digest_needs_no_prefix() {
        let known = Digest::of(b"x");
        assert_eq!(digest(&known.to_string()).unwrap(), known);
        assert_eq!(digest(&known.hex()).unwrap(), known);
        for text in ["", "sha256:", "sha512:00", "../../etc/passwd"] {
            assert!(digest(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_refusal_says_where_to_go_on() {
        let refusal = Refusal::from(UploadError::Offset { sent: 7, right: 5 });
        assert_eq!(
            (refusal.status, refusal.headers[0].1.to_str().unwrap()),
            (StatusCode::CONFLICT, "5")
        );
        assert!(refusal.message.contains("offset 5"));
        let (expected, got) = (Digest::of(b"a"), Digest::of(b"b"));
        let refusal = Refusal::from(UploadError::Mismatch { expected, got });
        assert_eq!(refusal.status, StatusCode::UNPROCESSABLE_ENTITY);
        let full = crate::state::store::StoreError::Full {
            path: "tmp/x".into(),
        };
        assert_eq!(
            Refusal::from(UploadError::Store(full)).status,
            StatusCode::INSUFFICIENT_STORAGE
        );
    }
}
