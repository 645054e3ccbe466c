//! A request's body, whole, within its bounds: bytes, and time between two pieces.

use std::future::Future as _;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hotstage_core::failure::{Failure, Kind};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};

/// Where the bytes of a tensor lie best: a vector register loads them at once, and every element is at its own border.
const ALIGNMENT: usize = 64;

/// Reads at most `bytes_max`. A body that came in one piece, as small ones do, is not copied. In a longer one what lies
/// behind `head` bytes is aligned: an engine then reads a tensor where it lies.
pub(crate) async fn read_at_most(
    mut body: Incoming,
    bytes_max: usize,
    head: usize,
    patience: Duration,
) -> Result<Bytes, Failure> {
    let hint = body.size_hint();
    let announced = usize::try_from(hint.lower()).unwrap_or(usize::MAX);
    if announced > bytes_max {
        return Err(too_large(bytes_max));
    }
    let mut first = Bytes::new();
    let (mut whole, mut padding) = (BytesMut::new(), 0);
    while let Some(piece) = next_piece(&mut body, patience).await? {
        if first.len() + whole.len() - padding + piece.len() > bytes_max {
            return Err(too_large(bytes_max));
        }
        if first.is_empty() && whole.is_empty() {
            first = piece;
            continue;
        }
        if whole.is_empty() {
            whole.reserve(announced.max(first.len() + piece.len()) + ALIGNMENT);
            padding = whole.as_ptr().addr().wrapping_add(head).wrapping_neg() % ALIGNMENT;
            whole.resize(padding, 0);
            whole.extend_from_slice(&std::mem::take(&mut first));
        }
        whole.extend_from_slice(&piece);
    }
    Ok(if whole.is_empty() { first } else { whole.freeze().split_off(padding) })
}

/// The next piece of it; `None` at the end.
pub(crate) async fn next_piece(body: &mut Incoming, patience: Duration) -> Result<Option<Bytes>, Failure> {
    loop {
        let mut frame = pin!(body.frame());
        // What is here already needs no timer.
        let now = std::future::poll_fn(|context| Poll::Ready(frame.as_mut().poll(context))).await;
        let frame = match now {
            Poll::Ready(frame) => frame,
            Poll::Pending => tokio::time::timeout(patience, frame).await.map_err(|_| {
                let message = format!("the body did not come: nothing for {patience:?}");
                Failure::new(Kind::RequestTimeout, message)
            })?,
        };
        match frame {
            None => return Ok(None),
            Some(Ok(frame)) => {
                // Trailers are nobody's business here.
                if let Ok(piece) = frame.into_data() {
                    return Ok(Some(piece));
                }
            }
            Some(Err(error)) => return Err(Failure::invalid("the body broke off").because(error)),
        }
    }
}

fn too_large(bytes_max: usize) -> Failure {
    Failure::new(
        Kind::BodyTooLarge,
        format!("the body has more than {bytes_max} bytes, which is all that is taken here"),
    )
}
