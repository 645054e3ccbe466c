//! Changing what is served, over the admin API: what is recorded, what is swapped, what is refused, what survives.

mod commands;
mod history;
mod many;
mod refused;
mod survives;
mod swap;
mod watch;

use serde_json::{Value, json};

use crate::harness::http::{Connection, Request, Response};
use crate::harness::server::Server;

/// The admin API of a server, with the operator's token.
pub(crate) struct Admin {
    address: std::net::SocketAddr,
    token: String,
}

impl Admin {
    pub(crate) fn of(server: &Server) -> Self {
        let read = |name: &str| std::fs::read_to_string(server.starting.state.join(name)).unwrap().trim().to_owned();
        Self { address: read("admin-address").parse().unwrap(), token: read("admin-token") }
    }

    /// One request with a token of the test's choice.
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
        let path = format!("/v1/models/{model}/labels/{label}");
        let body = json!({ "version": version }).to_string();
        self.ask(Request::new("PUT", &path).body(body).header("content-type", "application/json"))
    }

    /// Applies manifests whose components were uploaded, or are there already.
    pub(crate) fn apply(&self, manifests: &[Value]) -> Response {
        self.apply_with(manifests, &json!({}))
    }

    /// The same with more keys of the request.
    pub(crate) fn apply_with(&self, manifests: &[Value], more: &Value) -> Response {
        let documents: Vec<Value> = manifests
            .iter()
            .enumerate()
            .map(|(index, manifest)| {
                let paths: serde_json::Map<String, Value> = paths(manifest)
                    .into_iter()
                    .map(|path| (path.clone(), json!(self.upload(&std::fs::read(&path).unwrap()))))
                    .collect();
                json!({ "file": format!("{index}.yaml"), "text": manifest.to_string(), "paths": paths })
            })
            .collect();
        let mut request = json!({ "documents": documents });
        for (key, value) in more.as_object().unwrap() {
            request[key] = value.clone();
        }
        self.post("/v1/apply", &request)
    }

    /// Uploads bytes; answers their digest.
    pub(crate) fn upload(&self, bytes: &[u8]) -> String {
        let digest = crate::harness::sha256(bytes);
        let path = format!("/v1/uploads/{digest}");
        if self.get(&path)["complete"] != true {
            let part = Request::new("PATCH", &path).body(bytes).header("upload-offset", 0);
            self.ask(part.header("upload-complete", "?1")).ok();
        }
        digest
    }
}

/// The components that a manifest names by their paths.
fn paths(manifest: &Value) -> Vec<String> {
    let stages = manifest["spec"]["stages"].as_array().unwrap();
    let named = stages.iter().filter_map(|stage| stage["component"].as_str());
    named.filter(|component| component.starts_with('/')).map(str::to_owned).collect()
}

/// A pipeline that multiplies by a factor, so that its answer says which version it is.
pub(crate) fn times(name: &str, version: &str, factor: f64) -> Value {
    let scale = json!({
        "name": "scale", "role": "preprocess", "component": "scale",
        "settings": { "mean": [0.0], "std": [1.0 / factor] },
    });
    crate::harness::manifest::version(name, version, [scale])
}

/// What a version made by [`times`] answers to 1.0, and the version that the answer names.
pub(crate) fn ask(connection: &mut Connection, path: &str) -> Result<(f64, String), Response> {
    let request = json!({ "inputs": [{ "name": "features", "datatype": "FP32", "shape": [1, 1], "data": [1.0] }] });
    let response = connection.ask(&Request::post(path, request.to_string()));
    if response.status != 200 {
        return Err(response);
    }
    let version = response.header("hotstage-version").unwrap().to_owned();
    Ok((response.json()["outputs"][0]["data"][0].as_f64().unwrap(), version))
}
