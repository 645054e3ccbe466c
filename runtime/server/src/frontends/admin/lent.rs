//! A request's body, lent to whoever answers: what is left of it comes back, wherever it was
//! dropped.
//!
//! Endpoints own the bodies that they read; the connection wants to know afterwards whether there
//! is a rest (`rest.rs` of `http`). Bound: one body for each request.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

/// Where a body comes back to.
#[derive(Clone, Default)]
pub(super) struct Owner(Arc<Mutex<Option<Incoming>>>);

/// The body.
pub(super) struct Lent {
    /// Until it goes back.
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

    /// The body, once nobody has it any more.
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
