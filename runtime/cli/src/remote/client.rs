//! One kept-alive connection to the admin API, and the mapping of its answers to exit codes.
//!
//! The server may have closed an idle connection. A request that it can't have received, or that
//! changes nothing, is then sent once more on a new connection. Bound on an answer:
//! [`ANSWER_BYTES_MAX`].

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use hotstage_core::printable;
use http::{HeaderMap, HeaderName, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::TcpStream;

use super::super::target::Target;
use super::{CliError, Exit};
use hotstage_client::ErrorBody;

/// Bound on the bytes of an answer.
const ANSWER_BYTES_MAX: usize = 256 << 20;
/// The key of canonical manifests in answers.
const MANIFEST: &str = "manifest";
/// Bound on the time to connect.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);

/// A client of one server.
pub(super) struct Client {
    target: Target,
    token: Option<String>,
    /// The name to send as the actor, if it is known.
    actor: Option<String>,
    sender: Option<SendRequest<Full<Bytes>>>,
}

/// One request, which can be sent again.
#[derive(Clone)]
struct ApiRequest {
    method: Method,
    path: String,
    headers: Vec<(HeaderName, String)>,
    body: Bytes,
}

/// A successful answer.
pub(super) struct Answer {
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// An answer: its decoded value and its bytes.
pub(super) struct Got<T> {
    pub(super) value: T,
    pub(super) body: Bytes,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum ClientError {
    /// The server can't be reached, or the connection broke.
    Away(String),
    /// The server refused the request.
    Said {
        /// The status.
        status: StatusCode,
        /// The message.
        text: String,
    },
    /// The answer can't be decoded.
    Strange(String),
}

impl ClientError {
    /// Whether the same request may succeed a little later.
    pub(super) fn passes(&self) -> bool {
        match self {
            Self::Away(_) => true,
            Self::Said { status, .. } => {
                matches!(status.as_u16(), 408 | 409 | 429 | 502 | 503 | 504)
            }
            Self::Strange(_) => false,
        }
    }

    /// Whether the server answered 404.
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self, Self::Said { status, .. } if *status == StatusCode::NOT_FOUND)
    }
}

impl From<ClientError> for CliError {
    fn from(trouble: ClientError) -> Self {
        match trouble {
            ClientError::Away(message) => Self::new(Exit::Unreachable, message),
            ClientError::Strange(message) => Self::new(Exit::Failed, message),
            ClientError::Said { status, text } => {
                let exit = match status {
                    StatusCode::UNPROCESSABLE_ENTITY => Exit::Refused,
                    StatusCode::INSUFFICIENT_STORAGE => Exit::DiskFull,
                    _ => Exit::Failed,
                };
                let hint = match status {
                    StatusCode::UNAUTHORIZED => {
                        "\n--token-file names the file that holds the server's token"
                    }
                    _ => "",
                };
                Self::new(exit, format!("{text}{hint}"))
            }
        }
    }
}

/// Percent-encodes a name for one segment of a path or one value of a query.
pub(super) fn quote(text: &str) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~')
        .remove(b':');
    utf8_percent_encode(text, PLAIN).to_string()
}

impl Client {
    pub(super) fn new(target: Target, token: Option<String>, actor: Option<String>) -> Self {
        Self {
            target,
            token,
            actor,
            sender: None,
        }
    }

    /// Sends a GET request.
    pub(super) async fn get<T: DeserializeOwned>(
        &mut self,
        path: &str,
    ) -> Result<Got<T>, ClientError> {
        understand(
            self.send(Method::GET, path, Vec::new(), Bytes::new())
                .await?,
        )
    }

    /// Sends a DELETE request.
    pub(super) async fn delete<T: DeserializeOwned>(
        &mut self,
        path: &str,
    ) -> Result<Got<T>, ClientError> {
        understand(
            self.send(Method::DELETE, path, Vec::new(), Bytes::new())
                .await?,
        )
    }

    /// Sends a JSON document.
    pub(super) async fn call<T: DeserializeOwned>(
        &mut self,
        method: Method,
        path: &str,
        request: &impl Serialize,
    ) -> Result<Got<T>, ClientError> {
        let body =
            serde_json::to_vec(request).map_err(|error| ClientError::Strange(error.to_string()))?;
        let headers = vec![(header::CONTENT_TYPE, "application/json".to_owned())];
        understand(self.send(method, path, headers, body.into()).await?)
    }

    /// Sends bytes with additional headers.
    pub(super) async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: Vec<(HeaderName, String)>,
        body: Bytes,
    ) -> Result<Answer, ClientError> {
        let ask = ApiRequest {
            method,
            path: format!("{}{path}", self.target.prefix),
            headers,
            body,
        };
        let changes_nothing = [Method::GET, Method::HEAD].contains(&ask.method);
        if let Some(sender) = self.sender.take() {
            match self.exchange(sender, &ask).await {
                Ok(answer) => return answer,
                Err(error) if error.is_canceled() || changes_nothing => {}
                Err(error) => return Err(self.away(&error)),
            }
        }
        let sender = self.connect().await?;
        self.exchange(sender, &ask)
            .await
            .unwrap_or_else(|error| Err(self.away(&error)))
    }

    /// The outer result says whether the connection worked.
    async fn exchange(
        &mut self,
        mut sender: SendRequest<Full<Bytes>>,
        ask: &ApiRequest,
    ) -> hyper::Result<Result<Answer, ClientError>> {
        sender.ready().await?;
        let mut request = Request::builder()
            .method(&ask.method)
            .uri(&ask.path)
            .header(header::HOST, &self.target.authority);
        if let Some(actor) = &self.actor {
            request = request.header("hotstage-actor", actor.as_bytes());
        }
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        for (name, value) in &ask.headers {
            request = request.header(name, value);
        }
        let request = match request.body(Full::new(ask.body.clone())) {
            Ok(request) => request,
            Err(error) => {
                return Ok(Err(ClientError::Strange(format!(
                    "can't build the request for `{}`: {error}",
                    ask.path
                ))));
            }
        };
        let response = sender.send_request(request).await?;
        let (parts, body) = response.into_parts();
        #[expect(clippy::disallowed_methods, reason = "`Limited` is the bound")]
        let body = match Limited::new(body, ANSWER_BYTES_MAX).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => {
                return Ok(Err(ClientError::Away(format!(
                    "the connection broke during the answer: {error}"
                ))));
            }
        };
        self.sender = Some(sender);
        Ok(if parts.status.is_success() {
            Ok(Answer {
                headers: parts.headers,
                body,
            })
        } else {
            Err(refusal(parts.status, &body))
        })
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, ClientError> {
        let stream =
            tokio::time::timeout(CONNECT_TIME_MAX, TcpStream::connect(&self.target.authority))
                .await;
        let stream = match stream {
            Ok(stream) => stream.map_err(|error| self.away(&error))?,
            Err(_) => {
                return Err(self.away(&format_args!(
                    "no connection within {} s",
                    CONNECT_TIME_MAX.as_secs()
                )));
            }
        };
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.away(&error))?;
        tokio::spawn(connection);
        Ok(sender)
    }

    fn away(&self, error: &dyn std::fmt::Display) -> ClientError {
        let authority = &self.target.authority;
        ClientError::Away(format!(
            "can't reach a server's admin API at {authority}: {error}; is it running? `hotstage serve` starts one"
        ))
    }
}

fn understand<T: DeserializeOwned>(answer: Answer) -> Result<Got<T>, ClientError> {
    let value = serde_json::from_slice(&answer.body).and_then(|mut value: Value| {
        make_printable(&mut value);
        serde_json::from_value(value)
    });
    let value = value.map_err(|error| {
        ClientError::Strange(format!("the server's answer can't be understood: {error}"))
    })?;
    Ok(Got {
        value,
        body: answer.body,
    })
}

/// Escapes characters that would control a terminal or forge a line, in every text of an answer.
/// Manifests stay unchanged, because they are compared; code that prints one escapes it.
fn make_printable(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(printable) = printable::one_line(text) {
                *text = printable;
            }
        }
        Value::Array(values) => values.iter_mut().for_each(make_printable),
        Value::Object(entries) => {
            let printable = |(key, mut value): (String, Value)| {
                if key != MANIFEST {
                    make_printable(&mut value);
                }
                (printable::one_line(&key).into_owned(), value)
            };
            *entries = std::mem::take(entries).into_iter().map(printable).collect();
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn refusal(status: StatusCode, body: &[u8]) -> ClientError {
    let text = match serde_json::from_slice::<ErrorBody>(body) {
        // One problem on each line; other control characters come from clients and files.
        Ok(ErrorBody { error }) if !error.is_empty() => printable::lines(&error).into_owned(),
        _ => format!("the server answered {status} without a message"),
    };
    ClientError::Said { status, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_decides_the_exit_code_and_the_text_is_the_servers() {
        for (status, exit) in [
            (422, Exit::Refused),
            (507, Exit::DiskFull),
            (409, Exit::Failed),
            (500, Exit::Failed),
        ] {
            let trouble = refusal(
                StatusCode::from_u16(status).unwrap(),
                br#"{"error":"a.yaml:1:1: no"}"#,
            );
            let ending = CliError::from(trouble);
            assert_eq!(
                (ending.exit, ending.message.as_str()),
                (exit, "a.yaml:1:1: no")
            );
        }
        let ending = CliError::from(refusal(StatusCode::BAD_GATEWAY, b"<html>"));
        assert_eq!(
            ending.message,
            "the server answered 502 Bad Gateway without a message"
        );
    }

    #[test]
    fn no_text_of_an_answer_moves_a_cursor_or_forges_a_line() {
        let mut answer = serde_json::json!({
            "reason": "a\u{1b}[2J\n2 ok", "list": [{ "\u{202e}key": "\u{9b}1m" }],
            "number": 7, "manifest": { "a": "b\n" },
        });
        make_printable(&mut answer);
        let expect = serde_json::json!({
            "reason": "a\\u001b[2J\\n2 ok", "list": [{ "\\u202ekey": "\\u009b1m" }],
            "number": 7, "manifest": { "a": "b\n" },
        });
        assert_eq!(answer, expect);
        let refused = refusal(
            StatusCode::CONFLICT,
            "{\"error\":\"a\\u001b[2J\u{202e}b\\nc\"}".as_bytes(),
        );
        assert_eq!(CliError::from(refused).message, "a\\u001b[2J\\u202eb\nc");
    }

    #[test]
    fn a_name_stays_one_segment() {
        assert_eq!(quote("a/b c?d"), "a%2Fb%20c%3Fd");
        assert_eq!(quote("tumor-2.1_x"), "tumor-2.1_x");
        assert_eq!(quote("sha256:12"), "sha256:12");
    }
}
