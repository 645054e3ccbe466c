//! The response headers that say which pipeline answered, prepared when it is deployed.

use bytes::Bytes;
use hotstage_engine::sharded::Sharded;
use http::{HeaderName, HeaderValue, Response};

use super::Body;
use crate::extensions::{Subject, Value};
use crate::serving::pipeline::Pipeline;

static NAMES: [HeaderName; 3] = [
    HeaderName::from_static("hotstage-pipeline"),
    HeaderName::from_static("hotstage-version"),
    HeaderName::from_static("hotstage-digest"),
];

/// One version's values. Threads share them in small groups, so that the reference counts, which
/// every response changes, are not contended.
struct PipelineHeaders(Sharded<Values>);

/// In the order of [`NAMES`]: parts of one buffer, which share one reference count.
struct Values([Bytes; 3]);

/// Prepares the values.
pub fn prepare(subject: &Subject<'_>) -> Value {
    let Subject {
        name,
        version,
        digest,
        ..
    } = *subject;
    Box::new(PipelineHeaders(Sharded::few(|| {
        let mut rest = Bytes::from(format!("{name}{version}{digest}"));
        let name = rest.split_to(name.len());
        let version = rest.split_to(version.len());
        Values([name, version, rest])
    })))
}

/// Says which pipeline answered: enough to find each component, file and setting of it.
pub(super) fn name_pipeline(response: &mut Response<Body>, pipeline: &Pipeline) {
    let Ok(PipelineHeaders(values)) = pipeline.extensions.get() else {
        return;
    };
    for (header, value) in NAMES.iter().zip(&values.own().0) {
        // The names were checked when they were parsed; a value that is no header text is left out.
        if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::clone(value)) {
            response.headers_mut().insert(header, value);
        }
    }
}
