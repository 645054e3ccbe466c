//! The host names that a request may use.
//!
//! A web page can make its own name resolve to this machine ("DNS rebinding") and then read what a
//! server on loopback answers; only the host name shows it. Default: a server on a loopback address
//! accepts loopback addresses, `localhost`, its own address and the name in its listen flag; a
//! server on another address accepts any name. `--allow-host NAME` adds a name and then restricts
//! the names on every address; `--allow-host '*'` accepts any.
//!
//! An HTTP/1.1 request has exactly one Host (RFC 9112, 3.2). When the target is absolute, or in
//! HTTP/2, the target's authority is the host. The check allocates nothing; the bound on a
//! request's headers bounds its input.

use std::net::{IpAddr, SocketAddr};

use hotstage_core::failure::{Failure, Kind};
use hotstage_core::suggest::shown;
use http::{HeaderMap, Uri, Version, header};

/// The name that accepts any host.
const ANY: &str = "*";

/// The accepted names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hosts {
    /// Any name.
    Any,
    /// These names, and those that always mean a server on its own machine.
    Known {
        /// The address that the server listens on.
        address: IpAddr,
        /// Without ports; the most common first.
        names: Vec<String>,
    },
}

impl Hosts {
    /// The names for a server with the listen flag `listen` (a host and a port), which listens on
    /// `address` and has these `--allow-host` names.
    pub fn of(listen: &str, address: SocketAddr, allowed: &[String]) -> Self {
        let is_open = allowed.is_empty() && !address.ip().to_canonical().is_loopback();
        if is_open || allowed.iter().any(|name| name == ANY) {
            return Self::Any;
        }
        let address = address.ip().to_canonical();
        let own = split(listen)
            .map(|(name, _)| name.to_owned())
            .filter(|name| !name.is_empty());
        let allowed = allowed.iter().map(|name| {
            split(name)
                .map_or(name.as_str(), |(name, _)| name)
                .to_owned()
        });
        let always = ["localhost".to_owned(), address.to_string()];
        Self::Known {
            address,
            names: allowed.chain(always).chain(own).collect(),
        }
    }

    /// Checks that a request has a valid host, and that it is accepted.
    pub fn check(
        &self,
        version: Version,
        target: &Uri,
        headers: &HeaderMap,
    ) -> Result<(), Failure> {
        let mut sent = headers.get_all(header::HOST).iter();
        let (first, more) = (sent.next(), sent.next());
        if more.is_some() {
            return Err(Failure::invalid(
                "the request has more than one Host header; send one",
            ));
        }
        let host = match (target.authority(), first) {
            (_, None) if version == Version::HTTP_11 => {
                return Err(Failure::invalid(
                    "the request has no Host header; HTTP/1.1 requires one",
                ));
            }
            (Some(authority), _) => authority.as_str(),
            (None, Some(value)) => value.to_str().unwrap_or("?"),
            (None, None) => "",
        };
        if self.knows(host) {
            return Ok(());
        }
        let Some((name, _)) = split(host) else {
            let message = format!(
                "the host `{}` is not valid; send a name or an address, with an optional port",
                shown(host)
            );
            return Err(Failure::invalid(message));
        };
        // Only HTTP/1.0 may omit it, and browsers no longer use that version.
        if self.takes(name) || name.is_empty() && version < Version::HTTP_11 {
            Ok(())
        } else {
            Err(unknown_host(name))
        }
    }

    /// Whether it equals one of the names, which is the common case and needs no parsing.
    fn knows(&self, host: &str) -> bool {
        let Self::Known { names, .. } = self else {
            return false;
        };
        let (name, port) = host.split_once(':').unwrap_or((host, ""));
        port.bytes().all(|byte| byte.is_ascii_digit())
            && names.iter().any(|known| known.eq_ignore_ascii_case(name))
    }

    fn takes(&self, name: &str) -> bool {
        let Self::Known { address, names } = self else {
            return true;
        };
        if let Ok(given) = name.parse::<IpAddr>() {
            let given = given.to_canonical();
            if given.is_loopback() || given == *address {
                return true;
            }
        }
        let name = name.strip_suffix('.').unwrap_or(name);
        names.iter().any(|known| known.eq_ignore_ascii_case(name))
    }
}

#[cold]
fn unknown_host(name: &str) -> Failure {
    let message = format!(
        "the host `{}` is not a name of this server; call it localhost or by its address, or start it with \
         --allow-host and that name",
        shown(name)
    );
    Failure::new(Kind::MisdirectedRequest, message)
}

/// Bytes of a registered name: RFC 3986 allows `sub-delims` and percent signs in it.
const NAME: [bool; 256] = {
    let mut allowed = [false; 256];
    let bytes = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-._~%!$&'()*+,;=";
    let mut index = 0;
    while index < bytes.len() {
        allowed[bytes[index] as usize] = true;
        index += 1;
    }
    allowed
};

/// A host's name or address, without brackets, and its port. `None` if it is neither.
fn split(host: &str) -> Option<(&str, &str)> {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => {
            let (address, rest) = rest.split_once(']')?;
            address.parse::<std::net::Ipv6Addr>().ok()?;
            (
                address,
                if rest.is_empty() {
                    ""
                } else {
                    rest.strip_prefix(':')?
                },
            )
        }
        None => host.split_once(':').unwrap_or((host, "")),
    };
    let is_sound = host.starts_with('[') || name.bytes().all(|byte| NAME[usize::from(byte)]);
    (is_sound && port.bytes().all(|byte| byte.is_ascii_digit())).then_some((name, port))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn status(hosts: &Hosts, version: Version, uri: &str, sent: &[&str]) -> u16 {
        let mut request = Request::builder().version(version).uri(uri);
        for host in sent {
            request = request.header(header::HOST, *host);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        hosts
            .check(head.version, &head.uri, &head.headers)
            .map_or_else(
                |failure| crate::frontends::http_status::status(failure.kind).as_u16(),
                |()| 200,
            )
    }

    fn loopback(allowed: &[&str]) -> Hosts {
        let allowed: Vec<String> = allowed.iter().map(|name| (*name).to_owned()).collect();
        Hosts::of(
            "127.0.0.1:8000",
            "127.0.0.1:8000".parse().unwrap(),
            &allowed,
        )
    }

    #[test]
    fn http_1_1_has_one_host_and_others_may_have_none() {
        for hosts in [&loopback(&[]), &Hosts::Any] {
            assert_eq!(status(hosts, Version::HTTP_11, "/v2", &[]), 400);
            assert_eq!(
                status(hosts, Version::HTTP_11, "http://localhost/v2", &[]),
                400
            );
            assert_eq!(
                status(hosts, Version::HTTP_11, "/v2", &["localhost", "localhost"]),
                400
            );
            assert_eq!(status(hosts, Version::HTTP_10, "/v2", &[]), 200);
            for bad in [
                "a b",
                "a/b",
                "user@localhost",
                "localhost:x",
                "[::1",
                "[::1]x",
                "[localhost]",
                "a:1:2",
            ] {
                assert_eq!(status(hosts, Version::HTTP_11, "/v2", &[bad]), 400, "{bad}");
            }
        }
    }

    #[test]
    fn loopback_is_called_by_its_own_names() {
        let hosts = loopback(&["models.example"]);
        for host in [
            "localhost",
            "LocalHost:8000",
            "localhost.:8000",
            "127.0.0.1:8000",
            "127.0.0.1:",
            "127.1.2.3",
            "[::1]:8000",
            "[::ffff:127.0.0.1]",
            "models.example",
            "MODELS.example:443",
        ] {
            assert_eq!(
                status(&hosts, Version::HTTP_11, "/v2", &[host]),
                200,
                "{host}"
            );
            let uri = format!("http://{host}/v2");
            // The target takes precedence over the header.
            assert_eq!(status(&hosts, Version::HTTP_2, &uri, &[]), 200, "{host}");
            assert_eq!(
                status(&hosts, Version::HTTP_11, &uri, &["evil.example"]),
                200,
                "{host}"
            );
        }
        for host in [
            "evil.example:8000",
            "localhost.evil.example",
            "192.0.2.1",
            "0.0.0.0:8000",
            "[::]",
            "",
            "localhos",
        ] {
            assert_eq!(
                status(&hosts, Version::HTTP_11, "/v2", &[host]),
                421,
                "{host}"
            );
        }
        assert_eq!(
            status(
                &hosts,
                Version::HTTP_11,
                "http://evil.example/v2",
                &["localhost"]
            ),
            421
        );
        assert_eq!(
            status(&hosts, Version::HTTP_2, "http://evil.example/v2", &[]),
            421
        );
        assert_eq!(
            status(&hosts, Version::HTTP_2, "/v2", &["evil.example"]),
            421
        );
    }

    #[test]
    fn another_address_accepts_any_host_unless_names_are_given() {
        let (listen, address) = ("0.0.0.0:8000", "0.0.0.0:8000".parse().unwrap());
        assert_eq!(Hosts::of(listen, address, &[]), Hosts::Any);
        assert_eq!(
            Hosts::of(
                "127.0.0.1:1",
                "127.0.0.1:1".parse().unwrap(),
                &["*".to_owned()]
            ),
            Hosts::Any
        );
        let hosts = Hosts::of(listen, address, &["models.example:443".to_owned()]);
        assert_eq!(
            status(&hosts, Version::HTTP_11, "/v2", &["models.example"]),
            200
        );
        assert_eq!(
            status(&hosts, Version::HTTP_11, "/v2", &["other.example"]),
            421
        );
    }

    #[test]
    fn the_name_that_it_listens_on_is_its_own() {
        let hosts = Hosts::of("workstation:8000", "127.0.1.1:8000".parse().unwrap(), &[]);
        assert_eq!(
            status(&hosts, Version::HTTP_11, "/v2", &["workstation:8000"]),
            200
        );
        assert_eq!(
            status(&hosts, Version::HTTP_11, "/v2", &["127.0.1.1:8000"]),
            200
        );
    }
}
