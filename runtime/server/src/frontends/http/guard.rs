//! One request's frame: its id, its place in the counters, its one log line if it fails, and its
//! panics.

use std::any::Any;
use std::cell::Cell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::Poll;
use std::time::Instant;

use bytes::Bytes;
use hotstage_core::failure::{Failure, Kind};
use hotstage_core::limits::{LOGGED_ERROR_BYTES_MAX, LOGGED_PATH_BYTES_MAX, REQUEST_ID_BYTES_MAX};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};

use super::{Body, Refused, count, headers, path, respond};
use crate::frontends::app::App;
use crate::frontends::http_status::status;
use crate::telemetry::request_log::logged;

/// The header of a request's id, both ways.
static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Bytes of a method in a log line: those that there are have fewer.
const METHOD_BYTES_MAX: usize = 32;

/// A request being answered. Dropped without [`Call::finish`], its client went away.
pub(super) struct Call<'a> {
    app: &'a App,
    head: &'a Parts,
    id: HeaderValue,
    began: Instant,
    is_open: bool,
}

impl<'a> Call<'a> {
    pub(super) fn begin(app: &'a App, head: &'a Parts) -> Self {
        app.serving.counts.requests.add(1);
        Self {
            app,
            head,
            id: id(&head.headers),
            began: Instant::now(),
            is_open: true,
        }
    }

    /// The request's id, as its answer will have it.
    pub(super) const fn id(&self) -> &HeaderValue {
        &self.id
    }

    pub(super) fn finish(mut self, outcome: Result<Response<Body>, Refused>) -> Response<Body> {
        self.is_open = false;
        let mut response = outcome.unwrap_or_else(
            |Refused {
                 failure,
                 pipeline,
                 fell,
             }| {
                count(self.app, &failure);
                self.log(&failure);
                let mut response = respond::failure(&failure);
                if let Some(pipeline) = pipeline {
                    headers::name_pipeline(&mut response, &pipeline);
                }
                if let Some(fell) = &fell {
                    respond::name_fallen(&mut response, fell);
                }
                if failure.kind == Kind::MethodNotAllowed
                    && let Ok(target) = path::target(self.head.uri.path())
                {
                    response
                        .headers_mut()
                        .insert(header::ALLOW, HeaderValue::from_static(target.allow()));
                }
                response
            },
        );
        let id = std::mem::replace(&mut self.id, HeaderValue::from_static(""));
        response.headers_mut().insert(&REQUEST_ID, id);
        response
    }

    /// The one line of a failed request, as far as there may be one more.
    fn log(&self, failure: &Failure) {
        let (status, kind) = (status(failure.kind).as_u16(), failure.kind.code());
        let lines = &self.app.intake.lines;
        if !(if status >= 500 {
            lines.failed()
        } else {
            lines.refused()
        }) {
            return;
        }
        let id = logged(self.id.to_str().unwrap_or_default(), REQUEST_ID_BYTES_MAX);
        let method = logged(self.head.method.as_str(), METHOD_BYTES_MAX);
        let path = logged(self.head.uri.path(), LOGGED_PATH_BYTES_MAX);
        let error = logged(&failure.message, LOGGED_ERROR_BYTES_MAX);
        let cause = failure
            .cause
            .as_deref()
            .map(|cause| logged(cause, LOGGED_ERROR_BYTES_MAX));
        let (id, method, path, error, cause) = (&*id, &*method, &*path, &*error, cause.as_deref());
        let took = self.began.elapsed();
        if status >= 500 {
            tracing::error!(target: "request", id, method, path, status, kind, ?took, error, cause, "failed");
        } else {
            tracing::warn!(target: "request", id, method, path, status, kind, ?took, error, cause, "refused");
        }
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.app.serving.counts.over.add(1);
        if self.is_open {
            self.app.serving.counts.abandoned.fetch_add(1, Relaxed);
            let id = self.id.to_str().unwrap_or_default();
            let path = logged(self.head.uri.path(), LOGGED_PATH_BYTES_MAX);
            tracing::debug!(target: "request", id, path = &*path, "the client went away");
        }
    }
}

/// The client's own id when it sent a sound one, else the next of ours.
fn id(headers: &HeaderMap) -> HeaderValue {
    let is_sound =
        |id: &&HeaderValue| (1..=REQUEST_ID_BYTES_MAX).contains(&id.len()) && id.to_str().is_ok();
    headers
        .get(&REQUEST_ID)
        .filter(is_sound)
        .cloned()
        .unwrap_or_else(next_id)
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Sixteen digits that differ between requests and, with good chance, between starts of the server.
fn next_id() -> HeaderValue {
    static START: std::sync::LazyLock<u64> = std::sync::LazyLock::new(|| {
        use std::hash::{BuildHasher as _, RandomState};
        RandomState::new().hash_one(std::process::id())
    });
    static THREADS: AtomicU64 = AtomicU64::new(0);
    thread_local! {
        // Each thread counts for itself, far from where the others do.
        static NEXT: Cell<u64> = Cell::new(START.wrapping_add(THREADS.fetch_add(1, Relaxed) << 40));
    }
    let number = NEXT.get();
    NEXT.set(number.wrapping_add(1));
    // An odd factor scatters consecutive numbers and maps no two to one.
    let number = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut digits = [0; 16];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(number.to_be_bytes()) {
        pair[0] = HEX[usize::from(byte >> 4)];
        pair[1] = HEX[usize::from(byte & 15)];
    }
    HeaderValue::from_maybe_shared(Bytes::copy_from_slice(&digits))
        .unwrap_or(HeaderValue::from_static("0"))
}

/// The future's output, or what it panicked with.
pub(super) async fn caught<F: Future>(mut future: Pin<&mut F>) -> Result<F::Output, String> {
    std::future::poll_fn(|context| {
        // Nothing of the request is used after a panic, so nothing half-changed is seen.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(panic) => Poll::Ready(Err(panic_text(panic.as_ref()))),
        }
    })
    .await
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without words".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ() {
        let some = || {
            (0..1000)
                .map(|_| next_id().to_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        // Each thread counts for itself.
        let others = std::thread::spawn(some).join().unwrap();
        let ids: std::collections::BTreeSet<_> = some().into_iter().chain(others).collect();
        assert_eq!(ids.len(), 2000);
        assert!(ids.iter().all(|id| id.len() == 16));
    }

    #[test]
    fn a_panic_is_an_outcome() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let outcome: Result<(), String> =
            runtime.block_on(caught(std::pin::pin!(async { panic!("no {}", "way") })));
        assert_eq!(outcome, Err("no way".to_owned()));
    }
}
