//! The request context: what a front end passes to the data plane beside the inputs, independent of
//! the protocol.

use http::HeaderName;
use tokio::time::Instant;

/// The context of one request.
pub struct RequestContext<'a> {
    /// The attributes that routes decide by.
    pub attributes: &'a dyn RequestAttributes,
    /// When the client stops waiting. A computation that is not finished by then is cancelled.
    pub deadline: Option<Instant>,
}

/// Attributes that routes read: headers of HTTP, metadata of gRPC, or the equivalent of another
/// protocol.
pub trait RequestAttributes: Send + Sync {
    /// The version to which the client pins a routed request.
    fn pinned_version(&self) -> Option<&[u8]>;

    /// A header's value.
    fn header(&self, name: &AttributeName) -> Option<&[u8]>;

    /// A cookie's value.
    fn cookie(&self, name: &str) -> Option<&[u8]>;

    /// A parameter of the request itself, as text.
    fn parameter(&self, name: &str) -> Option<String>;
}

/// The name of a header or of a gRPC metadata entry. It wraps a type of the crate `http`, whose
/// lookup is faster than one by text; the data plane uses nothing else of HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeName(HeaderName);

impl AttributeName {
    /// Parses a name from a route. `None` when it is not a valid header name.
    pub fn new(name: &str) -> Option<Self> {
        HeaderName::try_from(name).ok().map(Self)
    }

    /// As text, in lower case.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl AsRef<HeaderName> for AttributeName {
    fn as_ref(&self) -> &HeaderName {
        &self.0
    }
}
