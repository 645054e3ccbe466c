//! The table of endpoints, used for dispatch and for the OpenAPI document.

use std::sync::LazyLock;

use http::{HeaderValue, Method};
use percent_encoding::percent_decode_str;

use super::endpoint::{Endpoint, place};
use super::query::{Kind, Parameter, shown};
use super::refusal::Refusal;
use super::{change, get, repository, upload};

const REASON: Parameter =
    Parameter::new("reason", Kind::Text, "The reason; recorded in the journal.");
const IF_REVISION: Parameter = Parameter::new(
    "if_revision",
    Kind::Number,
    "Refuse the change unless this is the newest revision.",
);
const DRY_RUN: Parameter = Parameter::new(
    "dry_run",
    Kind::Flag,
    "Run every check without changing anything.",
);
const LIMIT: Parameter = Parameter::new(
    "limit",
    Kind::Number,
    "Entries per page; default 100, at most 1000.",
);
const AFTER: Parameter = Parameter::new("after", Kind::Text, "Start the page after this name.");
const BEFORE: Parameter = Parameter::new(
    "before",
    Kind::Number,
    "Start the page before this revision.",
);
const INTERVAL: Parameter = Parameter::new(
    "interval_ms",
    Kind::Number,
    "Measuring interval in milliseconds, 50 to 60000; default 1000.",
);
const ORDER: Parameter = Parameter::new(
    "order",
    Kind::Text,
    "Sort order: rate (default), name, p99 or errors.",
);
const PART: Parameter = Parameter::new(
    "name",
    Kind::Text,
    "Only versions whose name contains this text.",
);
const TIME: Parameter =
    Parameter::new("time", Kind::Time, "Time, RFC 3339: 2026-01-31T12:00:00Z.").required();
const OFFSET: Parameter = Parameter::new(
    "upload-offset",
    Kind::Number,
    "Offset in bytes of the body within the file; 0 at first.",
)
.required();
const COMPLETE: Parameter = Parameter::new(
    "upload-complete",
    Kind::Text,
    "?1 if these are the last bytes, else ?0.",
);

/// All endpoints.
pub(super) static ENDPOINTS: LazyLock<Vec<Endpoint>> = LazyLock::new(|| {
    [questions(), changes(), uploads(), triton()]
        .into_iter()
        .flatten()
        .collect()
});

fn questions() -> Vec<Endpoint> {
    let asked = [
        Endpoint::asks((Method::GET, "/v1/status"), get::status).says("State of the server."),
        Endpoint::asks((Method::GET, "/v1/traffic"), get::traffic)
            .says("Measures the traffic for an interval: the busiest versions and the total.")
            .query(&[INTERVAL, ORDER, PART, LIMIT]),
        Endpoint::asks((Method::GET, "/v1/models"), get::models)
            .says("The served names.")
            .query(&[AFTER, LIMIT]),
        Endpoint::asks((Method::GET, "/v1/models/{name}"), get::model)
            .says("One name: its versions and labels."),
        Endpoint::asks(
            (Method::GET, "/v1/models/{name}/experiment"),
            get::experiment,
        )
        .says("State of the experiment of a name's route."),
        Endpoint::asks(
            (Method::GET, "/v1/models/{name}/versions/{version}"),
            get::pipeline,
        )
        .says("One version, or the target of a label, in detail."),
        Endpoint::asks((Method::GET, "/v1/models/{name}/mirrors"), get::mirrors).says(
            "Results of a name's mirrors: how far their answers agree with the clients' answers.",
        ),
        Endpoint::asks((Method::GET, "/v1/models/{name}/rollout"), get::rollout)
            .says("The running rollout of a name, or its last one."),
        Endpoint::asks((Method::GET, "/v1/models/{name}/answered"), get::answered)
            .says("Which versions answered calls to a name at a given time.")
            .query(&[TIME]),
        Endpoint::asks((Method::GET, "/v1/revisions"), get::history)
            .says("Revisions, newest first.")
            .query(&[BEFORE, LIMIT]),
        Endpoint::asks((Method::GET, "/v1/revisions/{number}"), get::revision)
            .says("One revision."),
        Endpoint::asks((Method::GET, "/v1/verify"), get::verify)
            .says("Verifies the journal and the served blobs."),
        Endpoint::asks((Method::GET, "/v1/openapi.json"), get::describe)
            .says("This OpenAPI document."),
    ];
    asked.into_iter().map(Endpoint::for_readers).collect()
}

fn changes() -> Vec<Endpoint> {
    vec![
        Endpoint::takes((Method::POST, "/v1/apply"), change::apply)
            .says("Serve the documents: all of them, or nothing changes."),
        Endpoint::asks((Method::DELETE, "/v1/models/{name}"), change::delete_model)
            .says("Stop serving a name.")
            .query(&[REASON, IF_REVISION, DRY_RUN]),
        Endpoint::asks(
            (Method::DELETE, "/v1/models/{name}/versions/{version}"),
            change::delete_version,
        )
        .says("Stop serving a version.")
        .query(&[REASON, IF_REVISION, DRY_RUN]),
        Endpoint::asks((Method::DELETE, "/v1/models/{name}/route"), change::unroute)
            .says("Remove a name's route; its newest version becomes the default again.")
            .query(&[REASON, IF_REVISION, DRY_RUN]),
        Endpoint::takes((Method::POST, "/v1/rollouts"), change::start_rollout)
            .says("Begin a rollout: a version gets its share step by step, checked by guards."),
        Endpoint::takes(
            (Method::POST, "/v1/models/{name}/rollout"),
            change::steer_rollout,
        )
        .says("Pause, resume, promote or abort the running rollout."),
        Endpoint::takes((Method::PUT, "/v1/models/{name}/labels"), change::labels)
            .says("Point labels at versions, or remove them, in one revision."),
        Endpoint::takes(
            (Method::PUT, "/v1/models/{name}/labels/{label}"),
            change::label,
        )
        .says("Point a label at a version."),
        Endpoint::asks(
            (Method::DELETE, "/v1/models/{name}/labels/{label}"),
            change::unlabel,
        )
        .says("Remove a label.")
        .query(&[REASON, IF_REVISION]),
        Endpoint::takes((Method::POST, "/v1/rollback"), change::rollback)
            .says("Roll back one name or the whole server."),
        Endpoint::takes((Method::POST, "/v1/gc"), change::gc)
            .says("Free stored data that is no longer needed."),
    ]
}

fn uploads() -> Vec<Endpoint> {
    vec![
        Endpoint::asks_headers((Method::GET, "/v1/uploads/{digest}"), upload::look)
            .says("Progress of an upload; also in the headers upload-offset and upload-complete.")
            .for_readers(),
        Endpoint::streams((Method::PATCH, "/v1/uploads/{digest}"), upload::add)
            .says("Append bytes to an upload. After the last ones it is verified and stored.")
            .headers(&[OFFSET, COMPLETE]),
    ]
}

fn triton() -> Vec<Endpoint> {
    vec![
        Endpoint::takes((Method::POST, "/v2/repository/index"), repository::index)
            .says("Triton: the served models, and those that can be loaded again.")
            .for_readers(),
        Endpoint::takes(
            (Method::POST, "/v2/repository/models/{name}/load"),
            repository::load,
        )
        .says("Triton: serve a name again as it last was."),
        Endpoint::takes(
            (Method::POST, "/v2/repository/models/{name}/unload"),
            repository::unload,
        )
        .says("Triton: stop serving a name."),
    ]
}

/// An endpoint, and the path parameters.
pub(super) type Found = (&'static Endpoint, Vec<(&'static str, String)>);

/// The endpoint of a method and a path. A trailing slash is ignored; HEAD is treated as GET.
pub(super) fn find(method: &Method, path: &str) -> Result<Found, Refusal> {
    let method = if *method == Method::HEAD {
        &Method::GET
    } else {
        method
    };
    let of_path: Vec<Found> = ENDPOINTS
        .iter()
        .filter_map(|endpoint| Some((endpoint, places(endpoint.path, path)?)))
        .collect();
    if of_path.is_empty() {
        let message = format!(
            "there is nothing at `{}`; /v1/openapi.json lists all paths",
            shown(path)
        );
        return Err(Refusal::new(http::StatusCode::NOT_FOUND, message));
    }
    let mut allowed: Vec<&str> = of_path
        .iter()
        .map(|(endpoint, _)| endpoint.method.as_str())
        .collect();
    if allowed.contains(&"GET") {
        allowed.push("HEAD");
    }
    let allowed = allowed.join(", ");
    of_path
        .into_iter()
        .find(|(endpoint, _)| endpoint.method == method)
        .ok_or_else(|| {
            let message = format!(
                "{} is not allowed here; allowed: {allowed}",
                shown(method.as_str())
            );
            let refusal = Refusal::new(http::StatusCode::METHOD_NOT_ALLOWED, message);
            match HeaderValue::from_str(&allowed) {
                Ok(allowed) => refusal.with(http::header::ALLOW, allowed),
                Err(_) => refusal,
            }
        })
}

/// The path parameters, if the path matches this pattern.
fn places(pattern: &'static str, path: &str) -> Option<Vec<(&'static str, String)>> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let (mut pattern, mut path) = (pattern.split('/'), path.split('/'));
    let mut places = Vec::new();
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return Some(places),
            (Some(expected), Some(segment)) => match place(expected) {
                Some(name) if !segment.is_empty() => {
                    places.push((
                        name,
                        percent_decode_str(segment).decode_utf8().ok()?.into_owned(),
                    ));
                }
                None if expected == segment => {}
                _ => return None,
            },
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::super::tokens::Role;
    use super::*;

    #[test]
    fn each_endpoint_is_found_and_says_what_it_is() {
        for endpoint in ENDPOINTS.iter() {
            let path = endpoint.path.replace('{', "x%2e").replace('}', "");
            let (found, places) = find(&endpoint.method, &path).ok().unwrap();
            assert!(
                std::ptr::eq(found, endpoint),
                "{} {} is found twice",
                endpoint.method,
                endpoint.path
            );
            assert!(
                places
                    .iter()
                    .all(|(name, text)| *text == format!("x.{name}")),
                "{places:?}"
            );
            assert!(endpoint.summary.ends_with('.'), "{}", endpoint.path);
        }
    }

    #[test]
    fn readers_change_nothing() {
        for endpoint in ENDPOINTS
            .iter()
            .filter(|endpoint| endpoint.role == Role::Reader)
        {
            let is_question =
                endpoint.method == Method::GET || endpoint.path == "/v2/repository/index";
            assert!(is_question, "{} {}", endpoint.method, endpoint.path);
        }
        assert!(
            ENDPOINTS
                .iter()
                .all(|endpoint| endpoint.method != Method::GET || endpoint.role == Role::Reader)
        );
    }

    #[test]
    fn paths_that_are_none_are_refused() {
        for path in [
            "",
            "/",
            "/v1",
            "/v1/model",
            "/v1/models//versions/1",
            "/v1/models/a/b",
            "/v1/models/%ff",
            "//v1/status",
        ] {
            assert_eq!(
                find(&Method::GET, path).err().unwrap().status,
                StatusCode::NOT_FOUND,
                "{path}"
            );
        }
        assert!(find(&Method::GET, "/v1/models/").is_ok());
        assert!(find(&Method::HEAD, "/v1/status").is_ok());
    }

    #[test]
    fn a_wrong_method_is_answered_with_the_allowed_ones() {
        for (path, allowed) in [
            ("/v1/apply", "POST"),
            ("/v1/models/a", "GET, DELETE, HEAD"),
            ("/v1/models/a/labels/b", "PUT, DELETE"),
            ("/v1/uploads/x", "GET, PATCH, HEAD"),
        ] {
            let refusal = find(&Method::TRACE, path).err().unwrap();
            assert_eq!(refusal.status, StatusCode::METHOD_NOT_ALLOWED);
            assert_eq!(refusal.headers[0].1, allowed);
        }
    }
}
