//! Attributes of an HTTP request for routing: headers, cookies, and the `parameters` of the body.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, header};

use crate::codecs::oip::parameters::parameter;
use crate::serving::context::{AttributeName, RequestAttributes};

/// Response header with the version that answered; as a request header it pins the version.
static PIN: HeaderName = HeaderName::from_static("hotstage-version");

/// The attributes of one request.
pub struct HttpAttributes<'a> {
    headers: &'a HeaderMap,
    /// The request's `parameters` as raw JSON; None until the body is read.
    parameters: Option<&'a Bytes>,
}

impl<'a> HttpAttributes<'a> {
    /// Attributes of the head only.
    pub const fn of_head(headers: &'a HeaderMap) -> Self {
        Self {
            headers,
            parameters: None,
        }
    }

    /// Attributes of the head and of the body's `parameters`.
    pub const fn of_request(headers: &'a HeaderMap, parameters: Option<&'a Bytes>) -> Self {
        Self {
            headers,
            parameters,
        }
    }
}

impl RequestAttributes for HttpAttributes<'_> {
    fn pinned_version(&self) -> Option<&[u8]> {
        self.headers.get(&PIN).map(|value| value.as_bytes())
    }

    fn header(&self, name: &AttributeName) -> Option<&[u8]> {
        self.headers
            .get(name.as_ref())
            .map(|value| value.as_bytes())
    }

    fn cookie(&self, name: &str) -> Option<&[u8]> {
        cookie(self.headers, name.as_bytes())
    }

    fn parameter(&self, name: &str) -> Option<String> {
        parameter(self.parameters?, name)
    }
}

/// The value of a cookie (RFC 6265, section 4.2.1).
fn cookie<'a>(headers: &'a HeaderMap, name: &[u8]) -> Option<&'a [u8]> {
    let pairs = headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b';'));
    pairs
        .map(<[u8]>::trim_ascii)
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix(b"="))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn cookies_are_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(
            header::COOKIE,
            HeaderValue::from_static("a=1; beta=yes;c=3"),
        );
        headers.append(
            header::COOKIE,
            HeaderValue::from_static("d=\"x y\"; empty="),
        );
        for (name, value) in [
            ("a", Some("1")),
            ("beta", Some("yes")),
            ("c", Some("3")),
            ("empty", Some("")),
            ("bet", None),
        ] {
            assert_eq!(
                cookie(&headers, name.as_bytes()),
                value.map(str::as_bytes),
                "{name}"
            );
        }
        assert_eq!(cookie(&HeaderMap::new(), b"a"), None);
    }
}
