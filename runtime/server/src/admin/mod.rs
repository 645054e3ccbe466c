//! The admin API: who may, what they ask for, and what they are told. It listens apart from inference.
//!
//! Every request needs a token (`tokens.rs`), every answer says the newest revision. The endpoints stand in one table
//! (`table.rs`), from which requests are dispatched and the OpenAPI document is made. A change whose client leaves while
//! it is prepared is given up; one that is being recorded is carried out: a change is made, or not, and never half.
//!
//! Bounds: [`ServerLimits`], for bodies of uploads [`FILE_BYTES_MAX`](hotstage_core::limits::FILE_BYTES_MAX).

mod answer;
mod asked;
mod change;
mod endpoint;
mod look;
mod openapi;
mod query;
mod refusal;
mod repository;
mod table;
mod tokens;
mod upload;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use hotstage_core::limits::ServerLimits;
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode, header};
use hyper::body::{Body as _, Incoming};
use tokio::runtime::Handle;

use self::asked::Asked;
use self::query::Query;
use self::refusal::Refusal;
pub use self::tokens::{OPERATOR_FILE, READER_FILE, Role, Tokens};
use crate::control::{Cancel, Control, cancel_on_drop};
use crate::http::Body;

/// The newest revision, on every answer to somebody who is known.
static REVISION: HeaderName = HeaderName::from_static("hotstage-revision");

/// What the admin API works with: built once, in `cli/serve.rs`.
pub struct Admin {
    /// Whoever changes what is served.
    pub control: Arc<Control>,
    /// Who may ask for it.
    pub tokens: Tokens,
    /// What is taken from clients.
    pub limits: ServerLimits,
    /// Where changes are made: they wait for the disk, and whoever only looks must not wait with them.
    pub changes: Handle,
}

/// Answers one request. Never fails: a refusal is an answer too.
pub async fn serve_one(admin: Arc<Admin>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let is_head = request.method() == Method::HEAD;
    let only_looks = is_head || request.method() == Method::GET;
    let threads = if only_looks { Handle::current() } else { admin.changes.clone() };
    // A task of its own goes on when the client leaves, and its panic is this request's 500.
    let (_waits, cancel) = cancel_on_drop();
    let answering = threads.spawn(answer(Arc::clone(&admin), request, cancel));
    let mut response = answering.await.unwrap_or_else(|error| {
        tracing::error!(target: "admin", %error, "the server failed on a request");
        let mut response = Refusal::defect("the server failed on this request").response();
        response.headers_mut().insert(&REVISION, admin.control.head().into());
        response
    });
    if is_head {
        let bytes = response.body().size_hint().exact().unwrap_or_default();
        response.headers_mut().insert(header::CONTENT_LENGTH, bytes.into());
        *response.body_mut() = Body::default();
    }
    Ok(response)
}

async fn answer(admin: Arc<Admin>, request: Request<Incoming>, cancel: Cancel) -> Response<Body> {
    let began = Instant::now();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let role = match admin.tokens.role(request.headers()) {
        Ok(role) => role,
        Err(refusal) => {
            tracing::warn!(target: "admin", %method, path, status = 401, "refused");
            return refusal.response();
        }
    };
    let mut told = Told { method, path, actor: role.word().to_owned(), began };
    let mut response = match dispatch(&admin, role, request, cancel, &mut told).await {
        Ok(response) => {
            told.granted(response.status());
            response
        }
        Err(refusal) => {
            told.refused(&refusal);
            refusal.response()
        }
    };
    response.headers_mut().insert(&REVISION, admin.control.head().into());
    response
}

async fn dispatch(
    admin: &Arc<Admin>,
    role: Role,
    request: Request<Incoming>,
    cancel: Cancel,
    told: &mut Told,
) -> Result<Response<Body>, Refusal> {
    let (head, body) = request.into_parts();
    check_headers(&head.headers, &admin.limits)?;
    let actor = tokens::actor(role, &head.headers)?;
    told.actor.clone_from(&actor);
    let (endpoint, places) = table::find(&head.method, &told.path)?;
    if role < endpoint.role {
        let message = format!("this needs the {} token; a {} may look alone", endpoint.role.word(), role.word());
        return Err(Refusal::new(StatusCode::FORBIDDEN, message));
    }
    let query = Query::read(head.uri.query().unwrap_or_default(), endpoint.query)?;
    (endpoint.answer)(Arc::clone(admin), Asked { actor, places, query, headers: head.headers, body, cancel }).await
}

/// What the headers may weigh, as for inference.
fn check_headers(headers: &HeaderMap, limits: &ServerLimits) -> Result<(), Refusal> {
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if bytes <= limits.header_bytes {
        return Ok(());
    }
    let message = format!("the headers have {bytes} bytes; at most {} are taken", limits.header_bytes);
    Err(Refusal::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, message))
}

/// The one log line of a request.
struct Told {
    method: Method,
    path: String,
    actor: String,
    began: Instant,
}

impl Told {
    fn granted(&self, status: StatusCode) {
        let Self { method, path, actor, began } = self;
        let (status, took) = (status.as_u16(), began.elapsed());
        if matches!(*method, Method::GET | Method::HEAD) {
            tracing::debug!(target: "admin", %method, path, actor, status, ?took, "answered");
        } else {
            tracing::info!(target: "admin", %method, path, actor, status, ?took, "done");
        }
    }

    fn refused(&self, refusal: &Refusal) {
        let Self { method, path, actor, began } = self;
        let (status, took, error) = (refusal.status.as_u16(), began.elapsed(), refusal.message.as_str());
        if refusal.status.is_server_error() {
            tracing::error!(target: "admin", %method, path, actor, status, ?took, error, "failed");
        } else {
            tracing::warn!(target: "admin", %method, path, actor, status, ?took, error, "refused");
        }
    }
}

#[cfg(test)]
mod tests;
