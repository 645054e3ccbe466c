//! The requests of the profile load: many paths through the server, the common ones more often.
//!
//! Besides the example's rows in all formats, small graphs run through tract. Otherwise the profile
//! would mark the operators of the bundled engine as cold, and the compiler would optimise them for
//! size.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::http::{exchange, request};
use crate::run::{OrStop, Outcome, Stop};
use crate::workspace::Workspace;

/// A request, and the status that it must get.
pub(super) struct Question {
    pub(super) bytes: Vec<u8>,
    pub(super) status: u16,
    /// How often it is sent in one round.
    pub(super) times: usize,
}

/// The graphs, and the inputs with which they were made.
const GRAPHS: &str = "plugins/onnx-sandboxed/src/tests/golden";

/// Writes manifests for the graphs, with which the server is started.
pub(super) fn manifests(workspace: &Workspace, place: &Path) -> Outcome<Vec<PathBuf>> {
    let folder = workspace.root.join(GRAPHS);
    let write = |graph: &Value| {
        let name = graph["graph"].as_str().unwrap_or_default();
        let manifest = json!({
            "apiVersion": "hotstage.dev/v1",
            "kind": "Pipeline",
            "metadata": { "name": name, "version": "1" },
            "spec": { "stages": [{
                "name": "compute", "role": "model", "component": "onnx", "settings": { "engine": "tract" },
                "files": { "model": folder.join(format!("{name}.onnx")) },
            }] },
        });
        let path = place.join(format!("{name}.yaml"));
        // JSON is YAML.
        fs::write(&path, manifest.to_string())
            .or_stop(|| format!("can't write {}", path.display()))?;
        Ok(path)
    };
    graphs(workspace)?.iter().map(write).collect()
}

/// All requests.
pub(super) fn all(workspace: &Workspace, to: SocketAddr) -> Outcome<Vec<Question>> {
    let tumor = workspace.root.join("examples/tumor");
    let read = |path: &str| {
        fs::read(tumor.join(path)).or_stop(|| format!("can't read examples/tumor/{path}"))
    };
    let (one, three, table) = (
        read("tests/row-malignant.json")?,
        read("tests/row-batch.json")?,
        read("held-out.csv")?,
    );
    let ask = |times: usize, model: &str, kind: &str, body: &[u8]| {
        let bytes = request(
            to,
            "POST",
            &format!("/v2/models/{model}/infer"),
            &[("content-type", kind)],
            body,
        );
        Question {
            bytes,
            status: 200,
            times,
        }
    };
    let json = "application/json";
    let mut questions = vec![
        ask(24, "tumor/versions/1", json, &one),
        ask(12, "tumor/versions/3", json, &one),
        ask(4, "tumor/versions/2", json, &three),
        ask(2, "tumor-panel", json, &one),
        ask(2, "tumor-careful", json, &three),
        ask(1, "tumor-csv", "text/csv", &table),
        Question {
            status: 400,
            ..ask(1, "tumor", json, b"{\"inputs\":[{\"name\":\"features\"}]}")
        },
        Question {
            status: 404,
            ..ask(1, "unknown", json, &one)
        },
        binary(to, 12, &one)?,
    ];
    for path in ["/v2/health/ready", "/v2/models/tumor", "/metrics"] {
        questions.push(Question {
            bytes: request(to, "GET", path, &[], &[]),
            status: 200,
            times: 1,
        });
    }
    for graph in graphs(workspace)? {
        if let Some(body) = graph_body(&graph, to)? {
            questions.push(ask(
                2,
                graph["graph"].as_str().unwrap_or_default(),
                json,
                body.as_bytes(),
            ));
        }
    }
    Ok(questions)
}

/// The row as a binary tensor, with a binary answer.
fn binary(to: SocketAddr, times: usize, row: &[u8]) -> Outcome<Question> {
    let row: Value =
        serde_json::from_slice(row).or_stop(|| "the example's row is not JSON".to_owned())?;
    let data = row["inputs"][0]["data"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the tensor has 32 bits, so values are rounded"
    )]
    let data: Vec<u8> = data
        .iter()
        .filter_map(Value::as_f64)
        .flat_map(|value| (value as f32).to_le_bytes())
        .collect();
    let head = json!({
        "inputs": [{ "name": "features", "shape": row["inputs"][0]["shape"], "datatype": "FP32",
                     "parameters": { "binary_data_size": data.len() } }],
        "parameters": { "binary_data_output": true },
    });
    let head = head.to_string();
    let length = head.len().to_string();
    let headers = [
        ("content-type", "application/octet-stream"),
        ("inference-header-content-length", length.as_str()),
    ];
    let body = [head.as_bytes(), &data].concat();
    let bytes = request(
        to,
        "POST",
        "/v2/models/tumor/versions/1/infer",
        &headers,
        &body,
    );
    Ok(Question {
        bytes,
        status: 200,
        times,
    })
}

fn graphs(workspace: &Workspace) -> Outcome<Vec<Value>> {
    let path = workspace.root.join(GRAPHS).join("answers.json");
    let text = fs::read_to_string(&path).or_stop(|| format!("can't read {}", path.display()))?;
    serde_json::from_str(&text).or_stop(|| format!("{} is not a JSON list", path.display()))
}

/// A graph's inputs, with the datatypes that the server reports. `None` for datatypes without
/// numbers in JSON.
fn graph_body(graph: &Value, to: SocketAddr) -> Outcome<Option<String>> {
    let path = format!("/v2/models/{}", graph["graph"].as_str().unwrap_or_default());
    let metadata =
        exchange(to, "GET", &path, None).map_err(|error| Stop::new(format!("{path}: {error}")))?;
    let metadata: Value = serde_json::from_str(&metadata.body)
        .or_stop(|| format!("{path} is not answered with JSON"))?;
    let datatype = |name: &Value| {
        let ports = metadata["inputs"].as_array().into_iter().flatten();
        ports
            .clone()
            .find(|port| port["name"] == *name)
            .map_or(Value::Null, |port| port["datatype"].clone())
    };
    let mut inputs = graph["inputs"].clone();
    for input in inputs.as_array_mut().into_iter().flatten() {
        input["datatype"] = datatype(&input["name"]);
        if matches!(input["datatype"].as_str(), Some("FP16" | "BF16")) {
            return Ok(None);
        }
    }
    Ok(Some(json!({ "inputs": inputs }).to_string()))
}
