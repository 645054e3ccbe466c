//! One HTTP/1.1 request on a connection of its own: what anybody's client does, without a client library.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long a connection, a write or a read may take.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// What an answer may weigh; the demo's are a few kilobytes.
const REPLY_BYTES_MAX: u64 = 16 << 20;

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Names in lower case, in the order in which they came.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// Sends a request, with a JSON body if there is one, and reads the whole answer.
pub(crate) fn exchange(to: SocketAddr, method: &str, path: &str, body: Option<&str>) -> Result<Reply, String> {
    let talk = || {
        let mut stream = TcpStream::connect_timeout(&to, WAIT_MAX)?;
        stream.set_read_timeout(Some(WAIT_MAX))?;
        stream.set_write_timeout(Some(WAIT_MAX))?;
        stream.write_all(request(to, method, path, body).as_bytes())?;
        let mut bytes = Vec::new();
        stream.take(REPLY_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = talk().map_err(|error: std::io::Error| error.to_string())?;
    parse(&bytes).ok_or_else(|| "the answer is not one of HTTP/1.1 with a content-length".to_owned())
}

fn request(to: SocketAddr, method: &str, path: &str, body: Option<&str>) -> String {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n");
    if let Some(body) = body {
        text += &format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    } else {
        text += "\r\n";
    }
    text
}

fn parse(bytes: &[u8]) -> Option<Reply> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    };
    let headers: Vec<_> = lines.map(header).collect::<Option<_>>()?;
    let (_, length) = headers.iter().find(|(name, _)| name == "content-length")?;
    // Cut short or padded, an answer is no answer.
    (length.parse() == Ok(body.len())).then(|| Reply { status, headers, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_apart() {
        let reply = parse(b"HTTP/1.1 200 OK\r\nHotstage-Version: 1\r\ncontent-length: 2\r\n\r\n{}").unwrap();
        assert_eq!((reply.status, reply.body.as_str()), (200, "{}"));
        assert_eq!(reply.headers[0], ("hotstage-version".to_owned(), "1".to_owned()));
    }

    #[test]
    fn an_answer_that_was_cut_short_is_refused() {
        assert!(parse(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{}").is_none());
        assert!(parse(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}").is_none());
        assert!(parse(b"").is_none());
    }

    #[test]
    fn a_request_without_a_body_has_no_length() {
        let to = SocketAddr::from(([127, 0, 0, 1], 80));
        let text = request(to, "GET", "/v2", None);
        assert_eq!(text, "GET /v2 HTTP/1.1\r\nHost: 127.0.0.1:80\r\nConnection: close\r\n\r\n");
        assert!(request(to, "POST", "/v2", Some("{}")).ends_with("Content-Length: 2\r\n\r\n{}"));
    }
}
