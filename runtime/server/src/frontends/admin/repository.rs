//! Triton's repository API, for tools that load and unload models through it.
//!
//! Models come from applied manifests, so `load` serves a name again as it last was. A request with
//! a configuration or files is refused.

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
    /// List only ready versions.
    #[serde(default)]
    ready: bool,
}

/// One version of one model.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "RepositoryModel")]
pub(super) struct Listed {
    /// The model name that clients use.
    name: String,
    /// The version.
    version: String,
    /// Whether it is ready.
    state: State,
    /// Why it is not ready.
    reason: String,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[schemars(rename = "RepositoryState")]
enum State {
    Ready,
    Unavailable,
}

/// Parameters of load and unload.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RepositoryParameters")]
pub(super) struct Parameters {
    /// `unload_dependents`, which must be false, since models do not depend on each other here.
    #[serde(default)]
    parameters: Map<String, Value>,
}

/// An empty answer.
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
    fn refusal(body: &str, verb: &str) -> String {
        let parameters: Parameters = serde_json::from_str(body).unwrap();
        check(&parameters, verb)
            .err()
            .map(|refusal| refusal.message)
            .unwrap_or_default()
    }

    #[test]
    fn what_brings_files_is_refused() {
        assert_eq!(refusal("{}", "load"), "");
        assert_eq!(refusal(r#"{"parameters":{}}"#, "load"), "");
        assert!(
            refusal(r#"{"parameters":{"config":"{}"}}"#, "load")
                .contains("parameters.config: a model comes from")
        );
        assert!(
            refusal(r#"{"parameters":{"file:1/model.onnx":"AA=="}}"#, "load")
                .contains("send them to /v1/apply")
        );
        assert!(
            refusal(r#"{"parameters":{"pace":1}}"#, "load")
                .contains("parameters.pace: load has no such")
        );
    }

    #[test]
    fn nothing_depends_on_another() {
        assert_eq!(
            refusal(r#"{"parameters":{"unload_dependents":false}}"#, "unload"),
            ""
        );
        assert!(
            refusal(r#"{"parameters":{"unload_dependents":true}}"#, "unload")
                .contains("must be false")
        );
        assert!(
            refusal(r#"{"parameters":{"unload_dependents":"no"}}"#, "unload")
                .contains("must be false")
        );
        assert!(
            refusal(r#"{"parameters":{"unload_dependents":false}}"#, "load")
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
