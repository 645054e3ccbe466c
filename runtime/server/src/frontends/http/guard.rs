//! The scope of one request: its id, its counters, its log line on failure, and panic handling.

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

/// Header with the request's id, in requests and responses.
static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Maximum bytes of a method in a log line; all standard methods are shorter.
const METHOD_BYTES_MAX: usize = 32;

/// A request in flight. Dropped without [`Call::finish`], it counts as abandoned by the client.
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

    /// The id of the request, as sent in the response.
    pub(super) const fn id(&self) -> &HeaderValue {
        &self.id
    }

    /// When its head had been read.
    pub(super) const fn began(&self) -> Instant {
        self.began
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

    /// Logs a failed request, within the rate limit.
    fn log(&self, failure: &Failure) {
        let (status, kind) = (status(failure.kind).as_u16(), failure.kind.code());
        let lines = &self.app.intake.lines;
        let is_ours = failure.kind.class().is_failure_of_the_version();
        let may_log = if is_ours {
            lines.failed()
        } else {
            lines.refused()
        };
        if !may_log {
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
        if is_ours {
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

/// The client's id if it is valid, else a generated one.
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

/// Sixteen hex digits that are unique within this process and very likely across restarts.
fn next_id() -> HeaderValue {
    static START: std::sync::LazyLock<u64> = std::sync::LazyLock::new(|| {
        use std::hash::{BuildHasher as _, RandomState};
        RandomState::new().hash_one(std::process::id())
    });
    static THREADS: AtomicU64 = AtomicU64::new(0);
    thread_local! {
        // Each thread counts in its own range.
        static NEXT: Cell<u64> = Cell::new(START.wrapping_add(THREADS.fetch_add(1, Relaxed) << 40));
    }
    let number = NEXT.get();
    NEXT.set(number.wrapping_add(1));
    // An odd factor is a bijection that scatters consecutive numbers.
    let number = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut digits = [0; 16];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(number.to_be_bytes()) {
        pair[0] = HEX[usize::from(byte >> 4)];
        pair[1] = HEX[usize::from(byte & 15)];
    }
    HeaderValue::from_maybe_shared(Bytes::copy_from_slice(&digits))
        .unwrap_or(HeaderValue::from_static("0"))
}

/// The future's output, or the message of its panic.
pub(super) async fn caught<F: Future>(mut future: Pin<&mut F>) -> Result<F::Output, String> {
    std::future::poll_fn(|context| {
        // Nothing of the request is used after a panic, so no partially changed state is visible.
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
        .unwrap_or_else(|| "a panic without a message".to_owned())
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
        // Each thread counts in its own range.
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
