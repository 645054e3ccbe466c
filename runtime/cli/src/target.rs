//! A server's URL as a user gives it: host, port, and a prefix of all paths.

use http::Uri;

use super::{CliError, Exit};

/// The address of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// Host and port.
    pub(super) authority: String,
    /// Prefix of every path.
    pub(super) prefix: String,
}

impl Target {
    pub(super) fn parse(url: &str, example: &str) -> Result<Self, CliError> {
        let usage = |what: &str| {
            CliError::new(
                Exit::Usage,
                format!("`{url}` {what}; an example: {example}"),
            )
        };
        let uri: Uri = url.parse().map_err(|_| usage("is not a valid URL"))?;
        if uri.scheme_str().is_some_and(|scheme| scheme != "http") {
            return Err(usage(
                "is not an http URL; this command does not support TLS",
            ));
        }
        if uri.query().is_some() {
            return Err(usage("has a query; give the server's address without one"));
        }
        let authority = uri.authority().ok_or_else(|| usage("names no host"))?;
        let port = authority.port_u16().unwrap_or(80);
        let prefix = uri.path().trim_end_matches('/').to_owned();
        Ok(Self {
            authority: format!("{}:{port}", authority.host()),
            prefix,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> String {
        match Target::parse(url, "http://127.0.0.1:8002") {
            Ok(Target { authority, prefix }) => format!("{authority} {prefix}"),
            Err(CliError { exit, message }) => format!("{exit:?} {message}"),
        }
    }

    #[test]
    fn only_http_urls_are_servers() {
        for (url, expect) in [
            ("http://127.0.0.1:8002", "127.0.0.1:8002 "),
            ("http://[::1]:8002/", "[::1]:8002 "),
            ("http://models.example/admin/", "models.example:80 /admin"),
            ("127.0.0.1:8002", "127.0.0.1:8002 "),
        ] {
            assert_eq!(target(url), expect, "{url}");
        }
        assert!(target("https://a.b").starts_with("Usage `https://a.b` is not an http URL"));
        assert!(target("/v1").starts_with("Usage `/v1` names no host"));
        assert!(target("http://a.b/?x=1").starts_with("Usage"));
    }
}
