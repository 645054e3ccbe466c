//! Parses request paths: those of the REST API of the Open Inference Protocol, and `/metrics`.

use std::borrow::Cow;

use hotstage_core::failure::{Failure, Kind};
use hotstage_core::suggest::shown;
use http::Method;

/// The target of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target<'a> {
    Infer {
        model: Cow<'a, str>,
        version: Option<Cow<'a, str>>,
    },
    Feedback {
        model: Cow<'a, str>,
    },
    Server,
    Live,
    Ready,
    Models,
    Model {
        model: Cow<'a, str>,
        version: Option<Cow<'a, str>>,
    },
    ModelReady {
        model: Cow<'a, str>,
        version: Option<Cow<'a, str>>,
    },
    Metrics,
}

impl Target<'_> {
    pub(super) const fn methods(&self) -> &'static [Method] {
        match self {
            Self::Infer { .. } | Self::Feedback { .. } => &[Method::POST],
            _ => &[Method::GET, Method::HEAD],
        }
    }

    /// The methods as value of the `Allow` header.
    pub(super) const fn allow(&self) -> &'static str {
        match self {
            Self::Infer { .. } | Self::Feedback { .. } => "POST",
            _ => "GET, HEAD",
        }
    }
}

/// Parses a path. A trailing slash is ignored.
pub(super) fn target(path: &str) -> Result<Target<'_>, Failure> {
    let unknown = || {
        Failure::new(
            Kind::NotFound,
            format!(
                "there is nothing at `{}`; the API starts at /v2",
                shown(path)
            ),
        )
    };
    let trimmed = path.strip_suffix('/').unwrap_or(path);
    match trimmed {
        "/v2" => return Ok(Target::Server),
        "/v2/health/live" => return Ok(Target::Live),
        "/v2/health/ready" => return Ok(Target::Ready),
        "/v2/models" => return Ok(Target::Models),
        "/metrics" => return Ok(Target::Metrics),
        _ => {}
    }
    let rest = trimmed.strip_prefix("/v2/models/").ok_or_else(unknown)?;
    let (model, rest) = split(rest);
    let model = decode(model).ok_or_else(unknown)?;
    let (version, rest) = match rest.and_then(|rest| rest.strip_prefix("versions/")) {
        Some(rest) => {
            let (version, rest) = split(rest);
            (Some(decode(version).ok_or_else(unknown)?), rest)
        }
        None => (None, rest),
    };
    match rest {
        None => Ok(Target::Model { model, version }),
        Some("feedback") if version.is_none() => Ok(Target::Feedback { model }),
        Some("infer") => Ok(Target::Infer { model, version }),
        Some("ready") => Ok(Target::ModelReady { model, version }),
        Some(_) => Err(unknown()),
    }
}

fn split(path: &str) -> (&str, Option<&str>) {
    match path.split_once('/') {
        Some((first, rest)) => (first, Some(rest)),
        None => (path, None),
    }
}

/// Percent-decodes a segment. Clients may also escape characters that need no escaping.
fn decode(segment: &str) -> Option<Cow<'_, str>> {
    if segment.is_empty() {
        return None;
    }
    percent_encoding::percent_decode_str(segment)
        .decode_utf8()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read() {
        let model = || Cow::Borrowed("tumor");
        let version = || Some(Cow::Borrowed("v10"));
        for (path, expect) in [
            ("/v2", Target::Server),
            ("/v2/", Target::Server),
            (
                "/v2/models/tumor",
                Target::Model {
                    model: model(),
                    version: None,
                },
            ),
            (
                "/v2/models/t%75mor/",
                Target::Model {
                    model: model(),
                    version: None,
                },
            ),
            (
                "/v2/models/tumor/feedback",
                Target::Feedback { model: model() },
            ),
            (
                "/v2/models/tumor/infer",
                Target::Infer {
                    model: model(),
                    version: None,
                },
            ),
            (
                "/v2/models/tumor/versions/v10",
                Target::Model {
                    model: model(),
                    version: version(),
                },
            ),
            (
                "/v2/models/tumor/versions/v10/infer",
                Target::Infer {
                    model: model(),
                    version: version(),
                },
            ),
            (
                "/v2/models/tumor/versions/v10/ready",
                Target::ModelReady {
                    model: model(),
                    version: version(),
                },
            ),
        ] {
            assert_eq!(target(path).unwrap(), expect, "{path}");
        }
        for path in [
            "/",
            "",
            "/v1/models/x:predict",
            "/v2/models//infer",
            "/v2/models/x/y",
            "/v2/models/x/versions/",
            "/v2/models/x/versions/1/feedback",
            "/v2/models/%ff",
        ] {
            assert_eq!(target(path).unwrap_err().kind, Kind::NotFound, "{path}");
        }
    }
}
