//! The HTTP front end: maps method and path to a handler, and failures to `{"error": …}`.
//!
//! [`serve_one`] owns a request from its first byte to its last: it counts it, assigns an id,
//! answers it, logs a failure once, turns a panic into a 500 of that request, and handles an unread
//! rest of the body. Handlers below it just use `?`.

mod attributes;
mod encoding;
mod feedback;
pub mod fuzzing;
mod guard;
mod headers;
mod infer;
mod metadata;
mod path;
mod respond;

use std::convert::Infallible;
use std::ops::Deref;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use hotstage_core::failure::{Failure, Kind};
use hotstage_core::suggest::shown;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response, Version, header};
use hyper::body::{Body as _, Incoming};

pub use self::attributes::HttpAttributes;
use self::guard::{Call, caught};
pub use self::headers::prepare;
use self::path::Target;
use crate::frontends::app::App;
use crate::serving;
use crate::serving::pipeline::Pipeline;
use crate::serving::registry::Phase;
use crate::serving::routing::FallbackReason;
pub use crate::transport::body::ResponseBody as Body;
use crate::transport::connections::RequestGuard;
use crate::transport::unread_body::{self as rest, Rest};

/// An open connection, and the shared state for its requests.
pub struct Connection(Arc<App>);

impl Connection {
    /// Counts the connection until it is dropped.
    pub fn open(app: &Arc<App>) -> Self {
        app.serving.counts.connections.fetch_add(1, Relaxed);
        Self(Arc::clone(app))
    }
}

impl Deref for Connection {
    type Target = App;

    fn deref(&self) -> &App {
        &self.0
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.serving.counts.connections.fetch_sub(1, Relaxed);
    }
}

/// Answers one request. Never fails: a failure is an answer too.
pub async fn serve_one(
    guard: RequestGuard<Connection>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let app: &App = &guard;
    let (head, mut body) = request.into_parts();
    let call = Call::begin(app, &head);
    // Pinned here, so that the future is not moved again.
    let outcome = {
        let answering = pin!(dispatch(app, &head, &call, &mut body));
        match caught(answering).await {
            Ok(outcome) => outcome,
            Err(panic) => Err(
                Failure::new(Kind::Internal, "the server failed on this request")
                    .because(panic)
                    .into(),
            ),
        }
    };
    let mut response = call.finish(outcome);
    if !body.is_end_stream() {
        let asked = rest::Asked::of(head.version, &head.headers);
        if rest::settle(asked, &mut body, &mut response).await == Rest::Unread {
            guard.leaves_unread();
        }
    }
    if app.serving.registry.phase() == Phase::Stopping {
        send_elsewhere(&guard, head.version, &mut response);
    }
    Ok(response)
}

/// Asks the client to reconnect, because the server is stopping.
fn send_elsewhere(
    guard: &RequestGuard<Connection>,
    version: Version,
    response: &mut Response<Body>,
) {
    if version == Version::HTTP_2 {
        guard.end_soon();
    } else {
        response
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
}

async fn dispatch(
    app: &App,
    head: &Parts,
    call: &Call<'_>,
    body: &mut Incoming,
) -> Result<Response<Body>, Refused> {
    app.intake
        .hosts
        .check(head.version, &head.uri, &head.headers)?;
    check_headers(app, &head.headers)?;
    let target = path::target(head.uri.path())?;
    if !target.methods().contains(&head.method) {
        let message = format!(
            "{} is not allowed here; allowed: {}",
            shown(head.method.as_str()),
            target.allow()
        );
        return Err(Failure::new(Kind::MethodNotAllowed, message).into());
    }
    let response = match target {
        Target::Infer { model, version } => {
            let attributes = HttpAttributes::of_head(&head.headers);
            let target = serving::Target {
                model: &model,
                version: version.as_deref(),
            };
            let request = app.serving.route(target, &attributes)?;
            return infer::answer(app, request, head, body, call).await;
        }
        Target::Feedback { model } => feedback::take(app, &model, head, body).await,
        Target::Server => Ok(metadata::server()),
        Target::Live => Ok(metadata::live()),
        Target::Ready => metadata::ready(app),
        Target::Models => Ok(metadata::models(app)),
        Target::Model { model, version } => metadata::model(app, &model, version.as_deref()),
        Target::ModelReady { model, version } => {
            metadata::model_ready(app, &model, version.as_deref())
        }
        Target::Metrics => metadata::metrics(app, &head.headers),
    };
    Ok(response?)
}

/// A failed request, and the pipeline that it reached, if any.
struct Refused {
    failure: Failure,
    pipeline: Option<Arc<Pipeline>>,
    /// The variant that the fallback replaced.
    fell: Option<FallbackReason>,
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self {
            failure,
            pipeline: None,
            fell: None,
        }
    }
}

/// Limits the size of the headers before anything else is checked.
fn check_headers(app: &App, headers: &HeaderMap) -> Result<(), Failure> {
    let bytes: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum();
    if bytes > app.limits.header_bytes {
        let message = format!(
            "the headers have {bytes} bytes; at most {} are taken",
            app.limits.header_bytes
        );
        return Err(Failure::new(Kind::HeadersTooLarge, message));
    }
    Ok(())
}

/// Counts a failure. Called in one place, so that each is counted once.
fn count(app: &App, failure: &Failure) {
    app.serving.counts.failed[failure.kind as usize].fetch_add(1, Relaxed);
}
