//! What a front end knows of a request beside its inputs, in no protocol's terms.

use http::HeaderName;
use tokio::time::Instant;

/// One request.
pub struct RequestContext<'a> {
    /// What routes decide by.
    pub attributes: &'a dyn RequestAttributes,
    /// When the answer comes too late. A computation that is not done by then is cut short.
    pub deadline: Option<Instant>,
}

/// Where routes find what they ask for: headers of HTTP, metadata of gRPC, or what else a protocol
/// has.
pub trait RequestAttributes: Send + Sync {
    /// The version that the client asks a route for.
    fn pinned_version(&self) -> Option<&[u8]>;

    /// A header's value.
    fn header(&self, name: &AttributeName) -> Option<&[u8]>;

    /// A cookie's value.
    fn cookie(&self, name: &str) -> Option<&[u8]>;

    /// A parameter of the request itself, as text.
    fn parameter(&self, name: &str) -> Option<String>;
}

/// The name of a header or of a gRPC metadata entry. Both are kept under names of the crate `http`,
/// which are found faster than texts are; nothing else of HTTP is named in the data plane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeName(HeaderName);

impl AttributeName {
    /// A name as a route has it. None for what can't be one.
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
