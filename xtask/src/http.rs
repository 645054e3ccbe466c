//! A small HTTP/1.1 client without a library: sequential requests on one connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Timeout of a connection, a write and a read.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// Bound on the bytes of a response's head and of its body; expected responses have a few
/// kilobytes.
const REPLY_BYTES_MAX: u64 = 16 << 20;

/// A response.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Names in lower case, in the order received.
    pub(crate) headers: Vec<(String, String)>,
    /// Decoded as UTF-8 with replacement characters.
    pub(crate) body: String,
}

/// A kept-alive connection.
pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    pub(crate) fn open(to: SocketAddr) -> Result<Self, String> {
        let open = || {
            let stream = TcpStream::connect_timeout(&to, WAIT_MAX)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(WAIT_MAX))?;
            stream.set_write_timeout(Some(WAIT_MAX))?;
            Ok(Self(BufReader::new(stream)))
        };
        open().map_err(|error: std::io::Error| format!("can't connect to {to}: {error}"))
    }

    /// Sends the bytes of [`request`], and reads the whole response.
    pub(crate) fn ask(&mut self, request: &[u8]) -> Result<Reply, String> {
        self.0
            .get_mut()
            .write_all(request)
            .map_err(|error| error.to_string())?;
        read(&mut self.0)
    }
}

/// The bytes of a request.
pub(crate) fn request(
    to: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {to}\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() {
        text += &format!("Content-Length: {}\r\n", body.len());
    }
    text += "\r\n";
    [text.as_bytes(), body].concat()
}

/// Sends one request on its own connection, with a JSON body if given.
pub(crate) fn exchange(
    to: SocketAddr,
    method: &str,
    path: &str,
    body: Option<&str>,
) -> Result<Reply, String> {
    let json = [
        ("Connection", "close"),
        ("Content-Type", "application/json"),
    ];
    let (headers, body) = body.map_or((&json[..1], ""), |body| (&json[..], body));
    Connection::open(to)?.ask(&request(to, method, path, headers, body.as_bytes()))
}

fn read(from: &mut impl BufRead) -> Result<Reply, String> {
    let mut from = from.take(REPLY_BYTES_MAX);
    let mut line = || {
        let mut line = String::new();
        from.read_line(&mut line)
            .map_err(|error| error.to_string())?;
        line.strip_suffix("\r\n")
            .map(str::to_owned)
            .ok_or_else(|| "the answer was cut off".to_owned())
    };
    let no_http = || "the answer is not one of HTTP/1.1 with a content-length".to_owned();
    let first = line()?;
    let status = first
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3)?.parse().ok())
        .ok_or_else(no_http)?;
    let mut headers = Vec::new();
    loop {
        let line = line()?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').ok_or_else(no_http)?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers
        .iter()
        .find(|(name, _)| name == "content-length")
        .ok_or_else(no_http)?
        .1
        .parse();
    let length: u64 = length
        .ok()
        .filter(|length| *length <= REPLY_BYTES_MAX)
        .ok_or_else(no_http)?;
    let mut body = Vec::new();
    from.set_limit(length);
    from.read_to_end(&mut body)
        .map_err(|error| error.to_string())?;
    // A truncated body is an error.
    if body.len() as u64 != length {
        return Err("the answer was cut off".to_owned());
    }
    Ok(Reply {
        status,
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_taken_apart_one_after_another() {
        let mut bytes = &b"HTTP/1.1 200 OK\r\nHotstage-Version: 1\r\ncontent-length: 2\r\n\r\n{}\
            HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"[..];
        let reply = read(&mut bytes).unwrap();
        assert_eq!((reply.status, reply.body.as_str()), (200, "{}"));
        assert_eq!(
            reply.headers[0],
            ("hotstage-version".to_owned(), "1".to_owned())
        );
        assert_eq!(read(&mut bytes).unwrap().status, 404);
    }

    #[test]
    fn an_answer_that_was_cut_short_is_refused() {
        let refused = |bytes: &[u8]| read(&mut &*bytes).unwrap_err();
        assert_eq!(
            refused(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{}"),
            "the answer was cut off"
        );
        assert_eq!(
            refused(b"HTTP/1.1 200 OK\r\ncontent-le"),
            "the answer was cut off"
        );
        assert!(
            refused(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}")
                .contains("content-length")
        );
        assert_eq!(refused(b""), "the answer was cut off");
    }

    #[test]
    fn a_request_without_a_body_has_no_length() {
        let to = SocketAddr::from(([127, 0, 0, 1], 80));
        let text = |body: &str| {
            String::from_utf8(request(to, "GET", "/v2", &[("A", "b")], body.as_bytes())).unwrap()
        };
        assert_eq!(
            text(""),
            "GET /v2 HTTP/1.1\r\nHost: 127.0.0.1:80\r\nA: b\r\n\r\n"
        );
        assert!(text("{}").ends_with("A: b\r\nContent-Length: 2\r\n\r\n{}"));
    }
}
