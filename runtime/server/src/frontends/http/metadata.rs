//! Metadata of the server and its models, health, and metrics.
//!
//! The answers suit clients that check only the status and clients that read JSON. Not ready is
//! 503, which probes expect; clients treat any status but 200 as not ready.

use hotstage_core::failure::{Failure, Kind};
use hotstage_core::signature::Port;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use super::headers::name_pipeline;
use super::{Body, respond};
use crate::frontends::app::App;
use crate::serving::{Target, router};
use crate::telemetry::metrics::{self, Exposition};

/// The supported protocol extensions.
const EXTENSIONS: [&str; 2] = ["binary_tensor_data", "parameters"];

pub(super) fn server() -> Response<Body> {
    let about = json!({ "name": "hotstage", "version": env!("CARGO_PKG_VERSION"), "extensions": EXTENSIONS });
    respond::json(about.to_string())
}

pub(super) fn live() -> Response<Body> {
    respond::json(r#"{"live":true}"#)
}

pub(super) fn ready(app: &App) -> Result<Response<Body>, Failure> {
    require_ready(app)?;
    Ok(respond::json(r#"{"live":true,"ready":true}"#))
}

fn require_ready(app: &App) -> Result<(), Failure> {
    app.serving
        .registry
        .readiness()
        .map_err(|why| Failure::new(Kind::NotReady, format!("the server is not ready: {why}")))
}

pub(super) fn models(app: &App) -> Response<Body> {
    let names: Vec<Value> = app
        .serving
        .registry
        .read()
        .names()
        .into_iter()
        .map(|name| json!(name))
        .collect();
    respond::json(json!({ "models": names }).to_string())
}

pub(super) fn model(
    app: &App,
    name: &str,
    version: Option<&str>,
) -> Result<Response<Body>, Failure> {
    // Behind a route all versions have the same signature.
    let target = Target {
        model: name,
        version,
    };
    let pipeline = app.serving.described(target)?;
    let snapshot = app.serving.registry.read();
    let versions: Vec<&str> = router::find(&snapshot, name)?
        .versions()
        .iter()
        .map(|pipeline| pipeline.version.as_str())
        .collect();
    let signature = pipeline.signature();
    let about = json!({
        "name": pipeline.name,
        "versions": versions,
        "platform": "hotstage",
        "inputs": ports(&signature.inputs),
        "outputs": ports(&signature.outputs),
    });
    let mut response = respond::json(about.to_string());
    name_pipeline(&mut response, &pipeline);
    Ok(response)
}

fn ports(ports: &[Port]) -> Vec<Value> {
    let port = |port: &Port| {
        json!({
            "name": port.name,
            "datatype": port.datatype.name(),
            "shape": port.protocol_shape(),
        })
    };
    ports.iter().map(port).collect()
}

pub(super) fn model_ready(
    app: &App,
    name: &str,
    version: Option<&str>,
) -> Result<Response<Body>, Failure> {
    let target = Target {
        model: name,
        version,
    };
    let pipeline = app.serving.described(target)?;
    let mut response = respond::json(json!({ "name": pipeline.name, "ready": true }).to_string());
    name_pipeline(&mut response, &pipeline);
    Ok(response)
}

pub(super) fn metrics(app: &App, headers: &HeaderMap) -> Result<Response<Body>, Failure> {
    let exposition = Exposition::wanted(
        headers
            .get(header::ACCEPT)
            .and_then(|accept| accept.to_str().ok()),
    );
    let text = metrics::render(&app.serving, &app.intake, exposition).map_err(|error| {
        Failure::new(Kind::Internal, "the metrics can't be encoded").because(error)
    })?;
    Ok(respond::with_type(
        StatusCode::OK,
        HeaderValue::from_static(exposition.content_type()),
        text,
    ))
}
