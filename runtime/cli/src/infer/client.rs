//! One connection to a server, and the mapping of its answers to exit codes.

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::super::target::Target;
use super::{CliError, Exit};

/// Bound on the bytes of an answer.
const ANSWER_BYTES_MAX: usize = 1 << 30;

/// A server's address.
pub(super) struct Client {
    target: Target,
}

impl Client {
    pub(super) fn new(url: &str) -> Result<Self, CliError> {
        Ok(Self {
            target: Target::parse(url, "http://127.0.0.1:8000")?,
        })
    }

    pub(super) async fn get(&self, path: &str) -> Result<Bytes, CliError> {
        self.send(Method::GET, path, Bytes::new()).await
    }

    pub(super) async fn post(&self, path: &str, body: Bytes) -> Result<Bytes, CliError> {
        self.send(Method::POST, path, body).await
    }

    async fn send(&self, method: Method, path: &str, body: Bytes) -> Result<Bytes, CliError> {
        let away = |error: &dyn std::fmt::Display| {
            let message = format!(
                "can't reach a server at {}: {error}; is it running? `hotstage serve` starts one",
                self.target.authority
            );
            CliError::new(Exit::Unreachable, message)
        };
        let stream = TcpStream::connect(&self.target.authority)
            .await
            .map_err(|error| away(&error))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| away(&error))?;
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.target.prefix))
            .header(header::HOST, &self.target.authority)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| CliError::new(Exit::Usage, error))?;
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| away(&error))?;
        let status = response.status();
        #[expect(clippy::disallowed_methods, reason = "`Limited` is the bound")]
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX)
            .collect()
            .await;
        let body = body
            .map_err(|error| {
                CliError::new(
                    Exit::Failed,
                    format!("the connection broke during the answer: {error}"),
                )
            })?
            .to_bytes();
        if status.is_success() {
            return Ok(body);
        }
        let error: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let text = error
            .get("error")
            .and_then(serde_json::Value::as_str)
            .unwrap_or("no explanation");
        Err(CliError::new(
            Exit::Failed,
            format!("the server says {status}: {text}"),
        ))
    }
}
