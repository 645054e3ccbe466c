//! The admin API: authentication, dispatch, and its log lines. It has its own listener, apart from
//! inference.
//!
//! Every request needs a token (`tokens.rs`); every answer to an authenticated request names the
//! newest revision. The endpoints are in one table (`table.rs`), which serves both dispatch and the
//! OpenAPI document. If the client disconnects, a change in preparation is cancelled; one that is
//! being recorded is completed. A change is never made partially.
//!
//! Bounds: [`ServerLimits`]; for uploaded bodies
//! [`FILE_BYTES_MAX`](hotstage_core::limits::FILE_BYTES_MAX).

mod answer;
mod change;
mod endpoint;
pub mod fuzzing;
mod get;
mod lent;
mod openapi;
mod query;
mod refusal;
mod repository;
mod request;
mod table;
mod tokens;
mod upload;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use hotstage_core::limits::{LOGGED_ERROR_BYTES_MAX, LOGGED_PATH_BYTES_MAX, ServerLimits};
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode, header};
use hyper::body::{Body as _, Incoming};
use tokio::runtime::Handle;

use self::lent::{Lent, Owner};
use self::query::Query;
use self::refusal::Refusal;
use self::request::AdminRequest;
pub use self::tokens::{OPERATOR_FILE, READER_FILE, Role, Tokens};
use crate::control::{Cancel, Control, cancel_on_drop};
use crate::telemetry::request_log::{RequestLog, logged};
use crate::transport::body::ResponseBody as Body;
use crate::transport::connections::RequestGuard;
use crate::transport::intake::Intake;
use crate::transport::unread_body::{self as rest, Rest};

/// The newest revision, on every answer to an authenticated request.
static REVISION: HeaderName = HeaderName::from_static("hotstage-revision");

/// The actor in the log of an unauthenticated request.
const UNKNOWN_ACTOR: &str = "unknown";

/// State of the admin API: built once, in `cli/serve.rs`.
pub struct Admin {
    /// The control plane.
    pub control: Arc<Control>,
    /// The accepted tokens.
    pub tokens: Tokens,
    /// Limits per client.
    pub limits: ServerLimits,
    /// Limits shared by all clients.
    pub intake: Intake,
    /// Threads for changes. Changes wait for the disk and must not delay read-only requests.
    pub changes: Handle,
}

/// Answers one request. Never fails: an error is an answer too.
pub async fn serve_one(
    guard: RequestGuard<Arc<Admin>>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let admin = Arc::clone(&guard);
    let (asked, owner) = (
        rest::Asked::of(request.version(), request.headers()),
        Owner::default(),
    );
    let request = request.map(|body| owner.lend(body));
    let is_head = request.method() == Method::HEAD;
    let only_looks = is_head || request.method() == Method::GET;
    let threads = if only_looks {
        Handle::current()
    } else {
        admin.changes.clone()
    };
    // A separate task survives a disconnecting client, and turns a panic into a 500 of this
    // request.
    let (_waits, cancel) = cancel_on_drop();
    let answering = threads.spawn(answer(Arc::clone(&admin), request, cancel));
    let mut response = answering.await.unwrap_or_else(|error| {
        tracing::error!(target: "admin", %error, "the server failed on a request");
        let mut response = Refusal::defect("the server failed on this request").response();
        response
            .headers_mut()
            .insert(&REVISION, admin.control.head().into());
        response
    });
    if is_head {
        let bytes = response.body().size_hint().exact().unwrap_or_default();
        response
            .headers_mut()
            .insert(header::CONTENT_LENGTH, bytes.into());
        *response.body_mut() = Body::default();
    }
    if let Some(mut body) = owner.back()
        && rest::settle(asked, &mut body, &mut response).await == Rest::Unread
    {
        guard.leaves_unread();
    }
    Ok(response)
}

async fn answer(admin: Arc<Admin>, request: Request<Lent>, cancel: Cancel) -> Response<Body> {
    let began = Instant::now();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let mut line = Told {
        method,
        path,
        actor: UNKNOWN_ACTOR.to_owned(),
        began,
        lines: admin.intake.lines.clone(),
    };
    let role = match let_in(&admin, &request) {
        Ok(role) => role,
        Err(refusal) => {
            line.refused(&refusal);
            return refusal.response();
        }
    };
    role.word().clone_into(&mut line.actor);
    let mut response = match dispatch(&admin, role, request, cancel, &mut line).await {
        Ok(response) => {
            line.granted(response.status());
            response
        }
        Err(refusal) => {
            line.refused(&refusal);
            refusal.response()
        }
    };
    response
        .headers_mut()
        .insert(&REVISION, admin.control.head().into());
    response
}

/// Authenticates the request, after checking that it is addressed to this server.
fn let_in(admin: &Admin, request: &Request<Lent>) -> Result<Role, Refusal> {
    admin
        .intake
        .hosts
        .check(request.version(), request.uri(), request.headers())?;
    admin.tokens.role(request.headers())
}

async fn dispatch(
    admin: &Arc<Admin>,
    role: Role,
    request: Request<Lent>,
    cancel: Cancel,
    line: &mut Told,
) -> Result<Response<Body>, Refusal> {
    let (head, body) = request.into_parts();
    check_headers(&head.headers, &admin.limits)?;
    let actor = tokens::actor(role, &head.headers)?;
    line.actor.clone_from(&actor);
    let (endpoint, places) = table::find(&head.method, &line.path)?;
    if role < endpoint.role {
        let message = format!(
            "this needs the {} token; a {} token can only read",
            endpoint.role.word(),
            role.word()
        );
        return Err(Refusal::new(StatusCode::FORBIDDEN, message));
    }
    let query = Query::read(head.uri.query().unwrap_or_default(), endpoint.query)?;
    (endpoint.answer)(
        Arc::clone(admin),
        AdminRequest {
            actor,
            places,
            query,
            headers: head.headers,
            body,
            cancel,
        },
    )
    .await
}

/// Limits the size of the headers, as for inference.
fn check_headers(headers: &HeaderMap, limits: &ServerLimits) -> Result<(), Refusal> {
    let bytes: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum();
    if bytes <= limits.header_bytes {
        return Ok(());
    }
    let message = format!(
        "the headers have {bytes} bytes; at most {} are taken",
        limits.header_bytes
    );
    Err(Refusal::new(
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        message,
    ))
}

/// The one log line of a request.
struct Told {
    method: Method,
    path: String,
    actor: String,
    began: Instant,
    lines: RequestLog,
}

impl Told {
    fn granted(&self, status: StatusCode) {
        let Self {
            method,
            path,
            actor,
            began,
            ..
        } = self;
        let (status, took) = (status.as_u16(), began.elapsed());
        let path = &*logged(path, LOGGED_PATH_BYTES_MAX);
        if matches!(*method, Method::GET | Method::HEAD) {
            tracing::debug!(target: "admin", %method, path, actor, status, ?took, "answered");
        } else {
            tracing::info!(target: "admin", %method, path, actor, status, ?took, "done");
        }
    }

    fn refused(&self, refusal: &Refusal) {
        let Self {
            method,
            path,
            actor,
            began,
            lines,
        } = self;
        let is_ours = refusal.status.is_server_error();
        if !(if is_ours {
            lines.failed()
        } else {
            lines.refused()
        }) {
            return;
        }
        let (status, took) = (refusal.status.as_u16(), began.elapsed());
        let (path, error) = (
            logged(path, LOGGED_PATH_BYTES_MAX),
            logged(&refusal.message, LOGGED_ERROR_BYTES_MAX),
        );
        let (method, path, error) = (
            &*logged(method.as_str(), LOGGED_PATH_BYTES_MAX),
            &*path,
            &*error,
        );
        if is_ours {
            tracing::error!(target: "admin", method, path, actor, status, ?took, error, "failed");
        } else {
            tracing::warn!(target: "admin", method, path, actor, status, ?took, error, "refused");
        }
    }
}

#[cfg(test)]
mod tests;
