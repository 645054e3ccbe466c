//! Pipelines as manifests. JSON is YAML, so they are built as JSON values.

use serde_json::{Value, json};

use super::guest;

/// A manifest of these stages, version `1`.
pub(crate) fn pipeline(name: &str, stages: impl Into<Vec<Value>>) -> Value {
    version(name, "1", stages)
}

/// The same with the given version.
pub(crate) fn version(name: &str, version: &str, stages: impl Into<Vec<Value>>) -> Value {
    json!({
        "apiVersion": "hotstage.dev/v1",
        "kind": "Pipeline",
        "metadata": { "name": name, "version": version },
        "spec": { "stages": stages.into() },
    })
}

/// A stage with a guest: `model("slow")`. More keys follow as in `model("slow").with("limits",
/// json!({…}))`.
pub(crate) fn model(name: &str) -> Value {
    stage("model", name)
}

/// A stage with a guest in another role.
pub(crate) fn stage(role: &str, name: &str) -> Value {
    // Stage names have no underscores.
    json!({ "name": name.replace('_', "-"), "role": role, "component": guest(name) })
}

/// Adds a key to a stage or another object.
pub(crate) trait With {
    fn with(self, key: &str, value: impl Into<Value>) -> Value;
}

impl With for Value {
    fn with(mut self, key: &str, value: impl Into<Value>) -> Value {
        self[key] = value.into();
        self
    }
}
