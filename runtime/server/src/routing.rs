//! A route at its place: the decision, and the pipelines that it decides between.
//!
//! A route asks for headers and cookies, and for nothing that would have to be read first, so who answers is known
//! before the body is. A decision looks each header up once, allocates nothing and waits for nobody.

use std::sync::Arc;

use hotstage_core::digest::Digest;
use hotstage_core::manifest::WrittenRoute;
use hotstage_core::route::{Facts, Route, Source};
use hotstage_core::signature::Signature;
use http::{HeaderMap, HeaderName, header};

use crate::chance::chance;
use crate::pipeline::Pipeline;

/// The header that says which version answered, and by which a client may ask for it again.
static PIN: HeaderName = HeaderName::from_static("hotstage-version");

/// A route that can be served.
pub struct Routing {
    /// Of its canonical document.
    pub digest: Digest,
    /// What decides.
    route: Route,
    /// What it asks for, in its order.
    asks: Vec<Ask>,
    /// In the order of its split.
    variants: Vec<Arc<Pipeline>>,
}

/// What a route asks for, as HTTP has it.
enum Ask {
    Header(HeaderName),
    Cookie(String),
}

/// Why a route can't be served with these pipelines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// A version that it names is not loaded.
    Absent {
        /// Its place in the split.
        variant: usize,
    },
    /// Two versions do not take and give the same.
    Disagrees {
        /// The place of the second.
        variant: usize,
        /// What differs.
        message: String,
    },
}

impl Routing {
    /// The route, between the pipelines that `find` has for its versions.
    pub fn new(written: &WrittenRoute, find: impl Fn(&str) -> Option<Arc<Pipeline>>) -> Result<Self, Unfit> {
        let mut variants: Vec<Arc<Pipeline>> = Vec::new();
        for (variant, version) in written.versions().enumerate() {
            let pipeline = find(version.as_str()).ok_or(Unfit::Absent { variant })?;
            if let Some(first) = variants.first()
                && let Some(message) = difference(first, &pipeline)
            {
                return Err(Unfit::Disagrees { variant, message });
            }
            variants.push(pipeline);
        }
        let route = written.route().clone();
        let asks = route.sources().iter().map(|source| match source {
            // Its name was checked when it was read; a header without a name is never there.
            Source::Header(name) => HeaderName::try_from(name).map_or(Ask::Cookie(String::new()), Ask::Header),
            Source::Cookie(name) => Ask::Cookie(name.clone()),
        });
        Ok(Self { digest: written.digest(), asks: asks.collect(), route, variants })
    }

    /// The pipeline that answers a request of these headers.
    pub fn choose(&self, headers: &HeaderMap) -> &Arc<Pipeline> {
        let pinned = || self.route.position(headers.get(&PIN)?.to_str().ok()?);
        let pinned = if self.route.parts().pin { pinned() } else { None };
        let variant =
            pinned.unwrap_or_else(|| self.route.decide(&Headers { asks: &self.asks, headers }, chance).variant);
        &self.variants[variant]
    }

    /// The pipeline that speaks for all: they take and give the same.
    pub fn first(&self) -> &Arc<Pipeline> {
        &self.variants[0]
    }

    /// What decides.
    pub const fn route(&self) -> &Route {
        &self.route
    }
}

/// What two versions do not agree on, if anything.
fn difference(one: &Pipeline, other: &Pipeline) -> Option<String> {
    let (Signature { inputs, outputs }, other_signature) = (one.signature(), other.signature());
    for (what, ours, theirs) in
        [("inputs", inputs, &other_signature.inputs), ("outputs", outputs, &other_signature.outputs)]
    {
        if ours != theirs {
            let list = |ports: &[hotstage_core::signature::Port]| {
                ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            };
            return Some(format!(
                "version `{}` has other {what} than version `{}`: {} in place of {}; a route's versions take and give \
                 the same",
                other.version,
                one.version,
                list(theirs),
                list(ours)
            ));
        }
    }
    (one.accepts() != other.accepts())
        .then(|| format!("version `{}` takes other raw bodies than version `{}`", other.version, one.version))
}

struct Headers<'a> {
    asks: &'a [Ask],
    headers: &'a HeaderMap,
}

impl Facts for Headers<'_> {
    fn value(&self, source: usize) -> Option<&[u8]> {
        match self.asks.get(source)? {
            Ask::Header(name) => self.headers.get(name).map(|value| value.as_bytes()),
            Ask::Cookie(name) => cookie(self.headers, name.as_bytes()),
        }
    }
}

/// A cookie's value (RFC 6265, section 4.2.1).
fn cookie<'a>(headers: &'a HeaderMap, name: &[u8]) -> Option<&'a [u8]> {
    let pairs = headers.get_all(header::COOKIE).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b';'));
    pairs.map(<[u8]>::trim_ascii).find_map(|pair| pair.strip_prefix(name)?.strip_prefix(b"="))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn cookies_are_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; beta=yes;c=3"));
        headers.append(header::COOKIE, HeaderValue::from_static("d=\"x y\"; empty="));
        for (name, value) in
            [("a", Some("1")), ("beta", Some("yes")), ("c", Some("3")), ("empty", Some("")), ("bet", None)]
        {
            assert_eq!(cookie(&headers, name.as_bytes()), value.map(str::as_bytes), "{name}");
        }
        assert_eq!(cookie(&HeaderMap::new(), b"a"), None);
    }
}
