//! The admin API over a socket: authentication, headers of each answer, and uploads in parts.

mod uploads;

use std::fs;

use bytes::Bytes;
use hotstage_core::compile_limits::CompileLimits;
use hotstage_core::digest::Digest;
use hotstage_engine::engine::{Engine, EngineOptions};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::*;
use crate::control::Options;
use crate::control::compiler::Compilers;
use crate::control::deploy::{ComponentDirs, Deployer};
use crate::executors::compute::ComputePool;
use crate::frontends::listen;
use crate::protocols;
use crate::serving::Serving;
use crate::serving::counts::ServerCounts;
use crate::serving::experiments::Experiments;
use crate::serving::mirror::Mirrors;
use crate::serving::registry::Registry;
use crate::state::store::{Access, Store};
use crate::transport::hosts::Hosts;

/// A server that serves nothing, and a connection to it.
struct Asking {
    directory: tempfile::TempDir,
    connection: SendRequest<Full<Bytes>>,
    address: std::net::SocketAddr,
}

struct Reply {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Asking {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(directory.path(), Access::Share).unwrap());
        let engine = Engine::new(&EngineOptions {
            instances: 1,
            ..EngineOptions::default()
        })
        .unwrap();
        let limits = ServerLimits {
            body_bytes: 4096,
            ..ServerLimits::default()
        };
        let serving = Serving {
            registry: Registry::default(),
            compute: ComputePool::new(Handle::current()),
            mirrors: Mirrors::new(Handle::current()),
            experiments: Experiments::start(directory.path()).unwrap(),
            counts: ServerCounts::default(),
        };
        let compilers = Compilers::new(CompileLimits::default());
        let deployer = Deployer::new(
            engine,
            store,
            ComponentDirs(Vec::new()),
            1,
            compilers,
            protocols::ALL,
        );
        let control =
            Control::open(Arc::new(serving), Arc::new(deployer), Options::default()).unwrap();
        let tokens = Tokens::open(directory.path()).unwrap();
        let intake = Intake::new(&limits, Hosts::Any, RequestLog::new(50));
        let admin = Arc::new(Admin {
            control: Arc::new(control),
            tokens,
            limits,
            intake,
            changes: Handle::current(),
        });
        let listener = listen::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(listen::serve_admin(admin, listener, std::future::pending()));
        Self {
            directory,
            connection: connected(address).await,
            address,
        }
    }

    async fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Reply {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "localhost");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .body(Full::new(Bytes::from(body.to_owned())))
            .unwrap();
        if self.connection.ready().await.is_err() {
            // The server closes the connection after an unread body.
            self.connection = connected(self.address).await;
        }
        let response = self.connection.send_request(request).await.unwrap();
        let (head, body) = response.into_parts();
        #[expect(clippy::disallowed_methods, reason = "our own bytes")]
        let body = body.collect().await.unwrap().to_bytes();
        let body = if body.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&body).unwrap()
        };
        Reply {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
        }
    }

    /// Sends a request with the token in this file.
    async fn with(&mut self, token: &str, method: &str, path: &str, body: &str) -> Reply {
        let bearer = self.bearer(token);
        self.ask(method, path, &[("authorization", &bearer)], body)
            .await
    }

    fn bearer(&self, token: &str) -> String {
        format!(
            "Bearer {}",
            fs::read_to_string(self.directory.path().join(token))
                .unwrap()
                .trim()
        )
    }

    async fn part(&mut self, digest: &Digest, offset: u64, complete: &str, bytes: &str) -> Reply {
        let (bearer, offset) = (self.bearer(OPERATOR_FILE), offset.to_string());
        let headers = [
            ("authorization", &*bearer),
            ("upload-offset", &*offset),
            ("upload-complete", complete),
        ];
        self.ask("PATCH", &format!("/v1/uploads/{digest}"), &headers, bytes)
            .await
    }
}

async fn connected(address: std::net::SocketAddr) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (connection, driver) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(driver);
    connection
}

#[track_caller]
fn check(reply: &Reply, status: u16, part: &str) {
    let error = reply.body["error"].as_str().unwrap_or_default();
    assert_eq!(reply.status, status, "{error}");
    assert!(error.contains(part), "{error}");
    assert_eq!(
        reply.headers.contains_key("hotstage-revision"),
        status != 401
    );
}

#[tokio::test]
async fn no_request_is_answered_without_a_token() {
    let mut server = Asking::new().await;
    for path in ["/v1/status", "/v1/openapi.json", "/nowhere"] {
        let reply = server
            .ask("GET", path, &[("authorization", "Bearer guess")], "")
            .await;
        check(&reply, 401, "token");
        assert_eq!(reply.headers["www-authenticate"], "Bearer");
    }
    check(
        &server.with(READER_FILE, "GET", "/v1/status", "").await,
        200,
        "",
    );
    check(
        &server
            .with(READER_FILE, "POST", "/v1/apply", r#"{"documents":[]}"#)
            .await,
        403,
        "needs the operator token",
    );
    check(
        &server
            .with(READER_FILE, "POST", "/v2/repository/models/a/unload", "")
            .await,
        403,
        "operator",
    );
    check(
        &server
            .with(OPERATOR_FILE, "POST", "/v2/repository/models/a/unload", "")
            .await,
        404,
        "`a`",
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_said() {
    let mut server = Asking::new().await;
    for (method, path, body, status, part) in [
        (
            "GET",
            "/v1/nowhere",
            "",
            404,
            "there is nothing at `/v1/nowhere`",
        ),
        ("PUT", "/v1/apply", "", 405, "allowed: POST"),
        ("GET", "/v1/models?limt=3", "", 400, "unknown key `limt`"),
        ("GET", "/v1/models?limit=0", "", 400, "`limit` must be 1 to"),
        ("GET", "/v1/models/a", "", 404, "a"),
        ("GET", "/v1/models/a/answered", "", 400, "`time` is missing"),
        (
            "GET",
            "/v1/revisions/x",
            "",
            400,
            "`x` is not a revision number",
        ),
        ("GET", "/v1/revisions/9", "", 404, "9"),
        ("POST", "/v1/apply", "{}", 400, "`documents`"),
        (
            "POST",
            "/v1/apply",
            r#"{"documents":[],"forse":true}"#,
            400,
            "unknown field `forse`",
        ),
        (
            "DELETE",
            "/v1/models/a",
            r#"{"reason":"x"}"#,
            400,
            "takes no body",
        ),
        (
            "POST",
            "/v2/repository/models/a/load",
            r#"{"parameters":{"config":"{}"}}"#,
            400,
            "parameters.config",
        ),
        ("POST", "/v1/gc", &" ".repeat(5000), 413, "4096 bytes"),
    ] {
        check(
            &server.with(OPERATOR_FILE, method, path, body).await,
            status,
            part,
        );
    }
    let bearer = server.bearer(OPERATOR_FILE);
    let headers = [("authorization", &*bearer), ("hotstage-actor", "a\tb")];
    check(
        &server.ask("GET", "/v1/status", &headers, "").await,
        400,
        "hotstage-actor",
    );
    let headers = [("authorization", &*bearer), ("content-encoding", "gzip")];
    check(
        &server.ask("POST", "/v1/gc", &headers, "{}").await,
        415,
        "`gzip`",
    );
}

#[tokio::test]
async fn questions_are_answered() {
    let mut server = Asking::new().await;
    for path in [
        "/v1/models",
        "/v1/revisions?limit=5",
        "/v1/verify",
        "/v1/openapi.json",
    ] {
        check(&server.with(READER_FILE, "GET", path, "").await, 200, "");
    }
    let reply = server.with(READER_FILE, "HEAD", "/v1/status", "").await;
    assert_eq!((reply.status, reply.body), (200, Value::Null));
    assert!(
        reply.headers["content-length"]
            .to_str()
            .unwrap()
            .parse::<u64>()
            .unwrap()
            > 50
    );
    let reply = server
        .with(
            READER_FILE,
            "POST",
            "/v2/repository/index",
            r#"{"ready":true}"#,
        )
        .await;
    assert_eq!((reply.status, reply.body), (200, json!([])));
    let reply = server
        .with(OPERATOR_FILE, "POST", "/v1/gc", r#"{"dry_run":true}"#)
        .await;
    assert_eq!((reply.status, &reply.body["dry_run"]), (200, &json!(true)));
}
