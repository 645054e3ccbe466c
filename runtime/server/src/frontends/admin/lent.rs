//! A request body that returns to the connection when the handler drops it.
//!
//! Handlers own the bodies they read; afterwards the connection must know whether part of the body
//! is still unread (`transport/unread_body.rs`). Bound: one body per request.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

/// Receives the body back.
#[derive(Clone, Default)]
pub(super) struct Owner(Arc<Mutex<Option<Incoming>>>);

/// A lent body.
pub(super) struct Lent {
    /// None after it was returned.
    body: Option<Incoming>,
    owner: Owner,
}

impl Owner {
    pub(super) fn lend(&self, body: Incoming) -> Lent {
        Lent {
            body: Some(body),
            owner: self.clone(),
        }
    }

    /// The body, once the handler has dropped it.
    pub(super) fn back(&self) -> Option<Incoming> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        *self.owner.0.lock().unwrap_or_else(PoisonError::into_inner) = self.body.take();
    }
}

impl Body for Lent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.body
            .as_mut()
            .map_or(Poll::Ready(None), |body| Pin::new(body).poll_frame(context))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}
