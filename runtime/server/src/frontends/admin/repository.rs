//! Triton's repository API, for tools that load and unload models through it.
//!
//! Models come from manifests that were applied, so `load` serves a name again as it last was, and
//! a request that brings a configuration or files of its own is refused.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Admin;
use super::query::shown;
use super::refusal::Refusal;
use super::request::AdminRequest;

/// Which models are listed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RepositoryIndexRequest")]
pub(super) struct IndexRequest {
    /// Those alone that are ready.
    #[serde(default)]
    ready: bool,
}

/// One version of one model.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "RepositoryModel")]
pub(super) struct Listed {
    /// What clients call.
    name: String,
    /// The version.
    version: String,
    /// Whether it answers.
    state: State,
    /// Why it does not, if it does not.
    reason: String,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[schemars(rename = "RepositoryState")]
enum State {
    Ready,
    Unavailable,
}

/// What a model is loaded or unloaded with.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RepositoryParameters")]
pub(super) struct Parameters {
    /// `unload_dependents`, which must be false: nothing depends on another model here.
    #[serde(default)]
    parameters: Map<String, Value>,
}

/// Nothing to say.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Nothing")]
pub(super) struct Nothing {}

pub(super) async fn index(
    admin: Arc<Admin>,
    asked: AdminRequest<IndexRequest>,
) -> Result<Vec<Listed>, Refusal> {
    let models = admin
        .control
        .index()
        .await?
        .into_iter()
        .filter(|(_, _, ready, _)| *ready || !asked.body.ready);
    let listed = models.map(|(name, version, ready, reason)| {
        let state = if ready {
            State::Ready
        } else {
            State::Unavailable
        };
        Listed {
            name,
            version,
            state,
            reason,
        }
    });
    Ok(listed.collect())
}

pub(super) async fn load(
    admin: Arc<Admin>,
    asked: AdminRequest<Parameters>,
) -> Result<Nothing, Refusal> {
    check(&asked.body, "load")?;
    admin
        .control
        .load(&asked.actor, asked.place("name"))
        .await?;
    Ok(Nothing {})
}

pub(super) async fn unload(
    admin: Arc<Admin>,
    asked: AdminRequest<Parameters>,
) -> Result<Nothing, Refusal> {
    check(&asked.body, "unload")?;
    admin
        .control
        .unload(&asked.actor, asked.place("name"))
        .await?;
    Ok(Nothing {})
}

fn check(Parameters { parameters }: &Parameters, verb: &str) -> Result<(), Refusal> {
    for (key, value) in parameters {
        match (key.as_str(), value) {
            ("unload_dependents", Value::Bool(false)) if verb == "unload" => {}
            ("unload_dependents", _) if verb == "unload" => {
                let message = "parameters.unload_dependents: must be false, as no model depends on another here";
                return Err(Refusal::invalid(message));
            }
            (key, _) if key == "config" || key.starts_with("file:") => {
                let message = format!(
                    "parameters.{}: a model comes from a manifest and from uploaded bytes, so that what answers can \
                     be traced; send them to /v1/apply",
                    shown(key)
                );
                return Err(Refusal::invalid(message));
            }
            (key, _) => {
                let message = format!("parameters.{}: {verb} has no such parameter", shown(key));
                return Err(Refusal::invalid(message));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn told(body: &str, verb: &str) -> String {
        let parameters: Parameters = serde_json::from_str(body).unwrap();
        check(&parameters, verb)
            .err()
            .map(|refusal| refusal.message)
            .unwrap_or_default()
    }

    #[test]
    fn what_brings_files_is_refused() {
        assert_eq!(told("{}", "load"), "");
        assert_eq!(told(r#"{"parameters":{}}"#, "load"), "");
        assert!(
            told(r#"{"parameters":{"config":"{}"}}"#, "load")
                .contains("parameters.config: a model comes from")
        );
        assert!(
            told(r#"{"parameters":{"file:1/model.onnx":"AA=="}}"#, "load")
                .contains("send them to /v1/apply")
        );
        assert!(
            told(r#"{"parameters":{"pace":1}}"#, "load")
                .contains("parameters.pace: load has no such")
        );
    }

    #[test]
    fn nothing_depends_on_another() {
        assert_eq!(
            told(r#"{"parameters":{"unload_dependents":false}}"#, "unload"),
            ""
        );
        assert!(
            told(r#"{"parameters":{"unload_dependents":true}}"#, "unload")
                .contains("must be false")
        );
        assert!(
            told(r#"{"parameters":{"unload_dependents":"no"}}"#, "unload")
                .contains("must be false")
        );
        assert!(
            told(r#"{"parameters":{"unload_dependents":false}}"#, "load")
                .contains("no such parameter")
        );
    }

    #[test]
    fn the_shapes_are_those_that_clients_know() {
        let listed = Listed {
            name: "m".into(),
            version: "1".into(),
            state: State::Ready,
            reason: String::new(),
        };
        let text = serde_json::to_string(&[listed]).unwrap();
        assert_eq!(
            text,
            r#"[{"name":"m","version":"1","state":"READY","reason":""}]"#
        );
        assert_eq!(
            serde_json::to_string(&State::Unavailable).unwrap(),
            r#""UNAVAILABLE""#
        );
        assert_eq!(serde_json::to_string(&Nothing {}).unwrap(), "{}");
    }
}
