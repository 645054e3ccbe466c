//! A request as its endpoint sees it: actor, path parameters, query, headers, and the decoded body.

use bytes::Bytes;
use hotstage_core::failure::{Failure, Kind};
use http::{HeaderMap, Version, header};
use serde::de::DeserializeOwned;

use super::Admin;
use super::lent::Lent;
use super::query::{Query, shown};
use super::refusal::Refusal;
use crate::control::Cancel;
use crate::transport::body::{Bounds, read_whole};

/// A request with its body.
pub(super) struct AdminRequest<B> {
    /// The role, and the actor name that was sent.
    pub(super) actor: String,
    /// Path parameters by name.
    pub(super) places: Vec<(&'static str, String)>,
    pub(super) query: Query,
    pub(super) headers: HeaderMap,
    pub(super) body: B,
    /// Signals that the client disconnected.
    pub(super) cancel: Cancel,
}

impl<B> AdminRequest<B> {
    /// The path parameter with this name.
    pub(super) fn place(&self, name: &str) -> &str {
        self.places
            .iter()
            .find(|(place, _)| *place == name)
            .map_or("", |(_, text)| text)
    }

    /// Separates the body from the rest.
    fn apart(self) -> (B, AdminRequest<()>) {
        let Self {
            actor,
            places,
            query,
            headers,
            body,
            cancel,
        } = self;
        (
            body,
            AdminRequest {
                actor,
                places,
                query,
                headers,
                body: (),
                cancel,
            },
        )
    }
}

/// Refuses a request body that the endpoint would ignore.
pub(super) async fn without_body(
    asked: AdminRequest<Lent>,
    admin: &Admin,
) -> Result<AdminRequest<()>, Refusal> {
    let (body, rest) = asked.apart();
    if !read(body, &rest.headers, admin).await?.is_empty() {
        return Err(Refusal::invalid(
            "this endpoint takes no body; its parameters are in the path and the query",
        ));
    }
    Ok(rest)
}

/// Decodes the body as JSON.
pub(super) async fn with_json<Q: DeserializeOwned>(
    asked: AdminRequest<Lent>,
    admin: &Admin,
) -> Result<AdminRequest<Q>, Refusal> {
    let (body, rest) = asked.apart();
    let body = decode(&read(body, &rest.headers, admin).await?)?;
    let AdminRequest {
        actor,
        places,
        query,
        headers,
        body: (),
        cancel,
    } = rest;
    Ok(AdminRequest {
        actor,
        places,
        query,
        headers,
        body,
        cancel,
    })
}

fn decode<Q: DeserializeOwned>(body: &[u8]) -> Result<Q, Refusal> {
    let body = if body.iter().all(u8::is_ascii_whitespace) {
        b"{}"
    } else {
        body
    };
    serde_json::from_slice(body)
        .map_err(|error| Refusal::invalid(format!("the body is not a valid request: {error}")))
}

async fn read(mut body: Lent, headers: &HeaderMap, admin: &Admin) -> Result<Bytes, Refusal> {
    plain(headers)?;
    // The bounds of a stream apply: these requests are rare, but often not small.
    Ok(read_whole(
        &mut body,
        0,
        &Bounds::of(&admin.limits, &admin.intake.bodies, Version::HTTP_2),
    )
    .await?)
}

/// Refuses encoded bodies: large content is uploaded, and its digest is that of the plain bytes.
pub(super) fn plain(headers: &HeaderMap) -> Result<(), Refusal> {
    match headers
        .get(header::CONTENT_ENCODING)
        .map(|value| value.to_str().unwrap_or("?"))
    {
        None | Some("" | "identity") => Ok(()),
        Some(name) => {
            let message = format!(
                "content encoding `{}` is not supported here; send the body unencoded",
                shown(name)
            );
            Err(Failure::new(Kind::UnsupportedMediaType, message).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hotstage_client::{ApplyRequest, GcRequest, LabelRequest, RollbackRequest};

    #[test]
    fn no_body_is_an_empty_one() {
        assert_eq!(decode::<GcRequest>(b"").unwrap().keep_revisions, 100);
        assert_eq!(decode::<RollbackRequest>(b" \n").unwrap().to, None);
        assert!(
            decode::<ApplyRequest>(b"")
                .unwrap_err()
                .message
                .contains("`documents`")
        );
    }

    #[test]
    fn an_unknown_key_is_named() {
        let message = decode::<LabelRequest>(br#"{"version":"1","raeson":"x"}"#)
            .unwrap_err()
            .message;
        assert!(
            message.contains("unknown field `raeson`, expected one of `version`, `reason`"),
            "{message}"
        );
        assert!(decode::<GcRequest>(br#"{"keep_revisions":-1}"#).is_err());
    }
}
