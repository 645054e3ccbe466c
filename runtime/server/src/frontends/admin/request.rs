//! A request as its endpoint sees it: who asks, the path's and the query's texts, and the body as a
//! type.

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

/// A request.
pub(super) struct AdminRequest<B> {
    /// The role, and the name that was sent with it.
    pub(super) actor: String,
    /// Texts of the path's segments in braces, by their names.
    pub(super) places: Vec<(&'static str, String)>,
    pub(super) query: Query,
    pub(super) headers: HeaderMap,
    pub(super) body: B,
    /// Whether the client still waits.
    pub(super) cancel: Cancel,
}

impl<B> AdminRequest<B> {
    /// The text in the path under this name.
    pub(super) fn place(&self, name: &str) -> &str {
        self.places
            .iter()
            .find(|(place, _)| *place == name)
            .map_or("", |(_, text)| text)
    }

    /// The body, and the rest without it.
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

/// Refuses bytes that nobody would look at.
pub(super) async fn without_body(
    asked: AdminRequest<Lent>,
    admin: &Admin,
) -> Result<AdminRequest<()>, Refusal> {
    let (body, rest) = asked.apart();
    if !read(body, &rest.headers, admin).await?.is_empty() {
        return Err(Refusal::invalid(
            "this takes no body; what it needs stands in the path and the query",
        ));
    }
    Ok(rest)
}

/// Reads the body as JSON.
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
        .map_err(|error| Refusal::invalid(format!("the body is not what it should be: {error}")))
}

async fn read(mut body: Lent, headers: &HeaderMap, admin: &Admin) -> Result<Bytes, Refusal> {
    plain(headers)?;
    // With the bounds of a stream: all that comes from here is rare and seldom small.
    Ok(read_whole(
        &mut body,
        0,
        &Bounds::of(&admin.limits, &admin.intake.bodies, Version::HTTP_2),
    )
    .await?)
}

/// Bodies come as they are: what is large comes as an upload, whose digest is that of the plain
/// bytes.
pub(super) fn plain(headers: &HeaderMap) -> Result<(), Refusal> {
    match headers
        .get(header::CONTENT_ENCODING)
        .map(|value| value.to_str().unwrap_or("?"))
    {
        None | Some("" | "identity") => Ok(()),
        Some(name) => {
            let message = format!(
                "content encoding `{}` is not taken here; send the body as it is",
                shown(name)
            );
            Err(Failure::new(Kind::UnsupportedMediaType, message).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{ApplyRequest, GcRequest, LabelRequest, RollbackRequest};

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
