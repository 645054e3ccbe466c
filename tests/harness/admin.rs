//! Client for a server's admin API, and pipelines whose answers identify their version.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde_json::{Value, json};

use super::http::{Connection, Request, Response};
use super::manifest::version;
use super::server::Server;

/// The admin API of a server, with the operator's token.
pub(crate) struct Admin {
    pub(crate) address: SocketAddr,
    pub(crate) token: String,
}

impl Admin {
    pub(crate) fn of(server: &Server) -> Self {
        let read = |name: &str| {
            std::fs::read_to_string(server.starting.state.join(name))
                .unwrap()
                .trim()
                .to_owned()
        };
        Self {
            address: read("admin-address").parse().unwrap(),
            token: read("admin-token"),
        }
    }

    /// One request with the given token.
    pub(crate) fn ask_as(&self, token: &str, request: Request) -> Response {
        let bearer = format!("Bearer {token}");
        Connection::open(self.address).ask(&request.header("authorization", bearer.as_str()))
    }

    pub(crate) fn ask(&self, request: Request) -> Response {
        self.ask_as(&self.token, request)
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        self.ask(Request::get(path)).ok().json()
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Response {
        self.ask(Request::post(path, body.to_string()).header("content-type", "application/json"))
    }

    pub(crate) fn delete(&self, path: &str) -> Response {
        self.ask(Request::new("DELETE", path))
    }

    /// Points a label at a version.
    pub(crate) fn label(&self, model: &str, label: &str, version: &str) -> Response {
        self.ask(labels(model, label, version))
    }

    /// Applies manifests, with the components that they name by their paths.
    pub(crate) fn apply(&self, manifests: &[Value]) -> Response {
        self.apply_with(manifests, &json!({}))
    }

    /// The same with more keys in the request.
    pub(crate) fn apply_with(&self, manifests: &[Value], more: &Value) -> Response {
        let files: BTreeSet<String> = manifests.iter().flat_map(paths).collect();
        for path in files {
            self.upload(&std::fs::read(path).unwrap());
        }
        self.ask(applies(manifests, more))
    }

    /// Uploads bytes and returns their digest.
    pub(crate) fn upload(&self, bytes: &[u8]) -> String {
        self.try_upload(bytes).ok();
        super::sha256(bytes)
    }

    /// The same for uploads that may be refused.
    pub(crate) fn try_upload(&self, bytes: &[u8]) -> Response {
        let path = format!("/v1/uploads/{}", super::sha256(bytes));
        let there = self.ask(Request::get(&path)).ok();
        if there.json()["complete"] == true {
            return there;
        }
        let part = Request::new("PATCH", &path)
            .body(bytes)
            .header("upload-offset", 0);
        self.ask(part.header("upload-complete", "?1"))
    }
}

/// Applies manifests whose components are already uploaded, with more keys in the request.
pub(crate) fn applies(manifests: &[Value], more: &Value) -> Request {
    let documents = manifests.iter().enumerate().map(|(index, manifest)| {
        let digest = |path: &String| json!(super::sha256(&std::fs::read(path).unwrap()));
        let paths: serde_json::Map<String, Value> = paths(manifest)
            .into_iter()
            .map(|path| (path.clone(), digest(&path)))
            .collect();
        json!({ "file": format!("{index}.yaml"), "text": manifest.to_string(), "paths": paths })
    });
    let mut request = json!({ "documents": documents.collect::<Vec<_>>() });
    for (key, value) in more.as_object().unwrap() {
        request[key] = value.clone();
    }
    Request::post("/v1/apply", request.to_string()).header("content-type", "application/json")
}

/// Points a label at a version.
pub(crate) fn labels(model: &str, label: &str, version: &str) -> Request {
    let path = format!("/v1/models/{model}/labels/{label}");
    let body = json!({ "version": version }).to_string();
    Request::new("PUT", &path)
        .body(body)
        .header("content-type", "application/json")
}

/// The components that a manifest refers to by path.
fn paths(manifest: &Value) -> Vec<String> {
    let stages = manifest["spec"]["stages"].as_array();
    let named = stages
        .into_iter()
        .flatten()
        .filter_map(|stage| stage["component"].as_str());
    named
        .filter(|component| component.starts_with('/'))
        .map(str::to_owned)
        .collect()
}

/// A pipeline that multiplies by a factor, so that its answer identifies its version.
pub(crate) fn times(name: &str, version_: &str, factor: f64) -> Value {
    version(name, version_, [scale("scale", 0.0, 1.0 / factor)])
}

/// A stage that computes `(x - mean) / std`.
pub(crate) fn scale(name: &str, mean: f64, std: f64) -> Value {
    json!({
        "name": name, "role": "preprocess", "component": "scale", "settings": { "mean": [mean], "std": [std] },
    })
}

/// A request with one number for a pipeline of such stages.
pub(crate) fn one(number: f64) -> Value {
    json!({ "inputs": [tensor(number)] })
}

/// One number as input or output of such a pipeline.
pub(crate) fn tensor(number: f64) -> Value {
    json!({ "name": "features", "datatype": "FP32", "shape": [1, 1], "data": [number] })
}

/// The answer of a version made by [`times`] to 1.0, and the version that the answer names.
pub(crate) fn ask(connection: &mut Connection, path: &str) -> Result<(f64, String), Response> {
    let response = connection.ask(&Request::post(path, one(1.0).to_string()));
    if response.status != 200 {
        return Err(response);
    }
    let version = response.header("hotstage-version").unwrap().to_owned();
    Ok((
        response.json()["outputs"][0]["data"][0].as_f64().unwrap(),
        version,
    ))
}
