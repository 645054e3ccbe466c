//! A low-level HTTP/1.1 client: it sends given bytes and checks the received bytes.
//!
//! An answer must be framed by `content-length`, because the server computes every answer before it
//! sends it.

use std::fmt::{self, Write as _};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};

use serde_json::Value;

use super::PATIENCE;

/// A request to be sent verbatim. `host` is added, and `content-length` if there is a body without
/// other framing.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Request {
    /// A request without a body.
    pub(crate) fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: None,
        }
    }

    /// `GET`.
    pub(crate) fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    /// `POST` with a body, without a content type.
    pub(crate) fn post(path: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            body: Some(body.into()),
            ..Self::new("POST", path)
        }
    }

    /// The same with a body.
    #[must_use]
    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// `POST` with a body of the binary extension: JSON, then the tensors' bytes.
    pub(crate) fn binary(path: &str, json: &Value, blobs: &[&[u8]]) -> Self {
        let json = json.to_string();
        let body = [json.as_bytes(), &blobs.concat()].concat();
        Self::post(path, body).header("inference-header-content-length", json.len())
    }

    /// Adds a header.
    #[must_use]
    pub(crate) fn header(mut self, name: &str, value: impl fmt::Display + Copy) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    /// Everything before the body, including the empty line.
    pub(crate) fn head(&self) -> Vec<u8> {
        let mut head = format!(
            "{} {} HTTP/1.1\r\nhost: localhost\r\n",
            self.method, self.path
        );
        for (name, value) in &self.headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        let is_framed = self
            .headers
            .iter()
            .any(|(name, _)| name == "content-length" || name == "transfer-encoding");
        if let (Some(body), false) = (&self.body, is_framed) {
            write!(head, "content-length: {}\r\n", body.len()).unwrap();
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    /// The whole request.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        [self.head(), self.body.clone().unwrap_or_default()].concat()
    }
}

/// A received answer.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// Names in lower case, in the order received.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// The only header of that name.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self
            .headers
            .iter()
            .filter(|(key, _)| key == name)
            .map(|(_, value)| value.as_str());
        let value = values.next();
        assert_eq!(values.next(), None, "`{name}` came twice");
        value
    }

    /// Returns itself after asserting status 200.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.status, 200, "{}", self.text());
        self
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; the content type must match.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(
            self.header("content-type"),
            Some("application/json"),
            "{}",
            self.text()
        );
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The message of an error; the body must be exactly `{"error": "…"}`.
    #[track_caller]
    pub(crate) fn error(&self) -> String {
        assert!(
            self.status >= 400,
            "{} is no error: {}",
            self.status,
            self.text()
        );
        let json = self.json();
        let object = json.as_object().unwrap();
        assert_eq!(object.keys().collect::<Vec<_>>(), ["error"]);
        object["error"].as_str().unwrap().to_owned()
    }

    /// An answer of the binary extension: its JSON, and the bytes after it.
    #[track_caller]
    pub(crate) fn binary(&self) -> (Value, &[u8]) {
        assert_eq!(
            self.header("content-type"),
            Some("application/octet-stream"),
            "{}",
            self.text()
        );
        let length = self
            .header("inference-header-content-length")
            .expect("no binary header")
            .parse()
            .unwrap();
        let (json, bytes) = self.body.split_at(length);
        (serde_json::from_slice(json).unwrap(), bytes)
    }
}

/// An open connection.
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    unread: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Self {
        Self::try_open(address).unwrap()
    }

    /// The same for a server that may have ended.
    pub(crate) fn try_open(address: SocketAddr) -> io::Result<Self> {
        Self::over(TcpStream::connect(address)?)
    }

    /// From a chosen local address, which the server treats as another peer.
    pub(crate) fn open_from(own: &str, address: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let stream = runtime.block_on(async {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.bind(format!("{own}:0").parse().unwrap()).unwrap();
            socket.connect(address).await.unwrap().into_std().unwrap()
        });
        stream.set_nonblocking(false).unwrap();
        Self::over(stream).unwrap()
    }

    fn over(stream: TcpStream) -> io::Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            unread: Vec::new(),
        })
    }

    /// Sends a request and reads its answer.
    #[track_caller]
    pub(crate) fn ask(&mut self, request: &Request) -> Response {
        self.send(&request.bytes());
        if request.method == "HEAD" {
            self.read(false)
        } else {
            self.read(true)
        }
        .expect("closed without an answer")
    }

    /// Sends bytes. A server that has already answered may have closed the connection; its answer
    /// can still be read.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        if let Err(error) = self.stream.write_all(bytes) {
            assert!(
                matches!(
                    error.kind(),
                    ErrorKind::BrokenPipe | ErrorKind::ConnectionReset
                ),
                "{error}"
            );
        }
    }

    /// The next answer, including interim ones; `None` if the server closed instead.
    #[track_caller]
    pub(crate) fn answer(&mut self) -> Option<Response> {
        self.read(true)
    }

    /// Sends bytes to a server that must still accept them.
    #[track_caller]
    pub(crate) fn send_all(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Whether unread bytes have arrived.
    pub(crate) fn has_answer(&self) -> bool {
        self.stream.set_nonblocking(true).unwrap();
        let is_there = self.stream.peek(&mut [0]).is_ok();
        self.stream.set_nonblocking(false).unwrap();
        is_there
    }

    /// Shuts down the sending side.
    pub(crate) fn finish(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Waits until the server closes the connection, without another answer.
    #[track_caller]
    pub(crate) fn expect_closed(&mut self) {
        if let Some(response) = self.answer() {
            panic!("expected a closed connection, got {response:?}");
        }
    }

    #[track_caller]
    fn read(&mut self, has_body: bool) -> Option<Response> {
        self.try_read(has_body)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// The next answer; the server may end before it is complete.
    pub(crate) fn try_read(&mut self, has_body: bool) -> Result<Option<Response>, String> {
        let end = loop {
            if let Some(at) = self.unread.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if !self.more() {
                let rest = String::from_utf8_lossy(&self.unread);
                return if rest.is_empty() {
                    Ok(None)
                } else {
                    Err(format!("closed within an answer's head: {rest}"))
                };
            }
        };
        let head = String::from_utf8(self.unread.drain(..end).collect()).unwrap();
        let (first, rest) = head.split_once("\r\n").unwrap();
        let status = first
            .strip_prefix("HTTP/1.")
            .and_then(|rest| rest.get(2..5))
            .unwrap_or_else(|| panic!("{head}"));
        let headers: Vec<(String, String)> = rest
            .lines()
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let mut response = Response {
            status: status.parse().unwrap(),
            headers,
            body: Vec::new(),
        };
        if has_body && response.status >= 200 {
            let length: usize = response
                .header("content-length")
                .unwrap_or_else(|| panic!("{head}"))
                .parse()
                .unwrap();
            while self.unread.len() < length {
                if !self.more() {
                    return Err(format!(
                        "closed {} bytes before the body's end",
                        length - self.unread.len()
                    ));
                }
            }
            response.body = self.unread.drain(..length).collect();
        }
        Ok(Some(response))
    }

    /// Reads more bytes. False at the end of the stream, clean or not.
    #[track_caller]
    fn more(&mut self) -> bool {
        let mut piece = [0; 64 << 10];
        match self.stream.read(&mut piece) {
            Ok(0) => false,
            Ok(length) => {
                self.unread.extend_from_slice(&piece[..length]);
                true
            }
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
                ) =>
            {
                false
            }
            Err(error) => panic!("no answer: {error}"),
        }
    }
}
