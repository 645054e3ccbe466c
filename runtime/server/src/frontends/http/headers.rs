//! Response headers that name the pipeline, prepared when a version is deployed.

use bytes::Bytes;
use hotstage_core::sharded::Sharded;
use http::{HeaderName, HeaderValue, Response};

use super::Body;
use crate::extensions::{Subject, Value};
use crate::serving::pipeline::Pipeline;

static NAMES: [HeaderName; 3] = [
    HeaderName::from_static("hotstage-pipeline"),
    HeaderName::from_static("hotstage-version"),
    HeaderName::from_static("hotstage-digest"),
];

/// The values of one version. Small groups of threads share one copy, so that the reference counts,
/// which every response changes, are not contended.
struct PipelineHeaders(Sharded<Values>);

/// In the order of [`NAMES`]; slices of one buffer, with one reference count.
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

/// Adds the headers that name the pipeline; its digest identifies every component, file and
/// setting.
pub(super) fn name_pipeline(response: &mut Response<Body>, pipeline: &Pipeline) {
    let Ok(PipelineHeaders(values)) = pipeline.extensions.get() else {
        return;
    };
    for (header, value) in NAMES.iter().zip(&values.own().0) {
        // Names were checked when they were parsed; a value that is no valid header is left out.
        if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::clone(value)) {
            response.headers_mut().insert(header, value);
        }
    }
}
