//! The server exports every series and label that the queries of the dashboard in
//! `examples/grafana` name.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::guests::request;
use crate::harness::manifest::{With as _, model, version};
use crate::harness::metrics::Metrics;
use crate::harness::root;
use crate::harness::server::Setup;

/// Label names of each metric, in Prometheus' text format.
type Known = BTreeMap<String, BTreeSet<String>>;

fn known(metrics: &Metrics) -> Known {
    let mut known = Known::new();
    for series in metrics.samples.keys() {
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let of_name = known.entry(name.to_owned()).or_default();
        of_name.extend(
            labels
                .split("\",")
                .filter_map(|label| Some(label.split_once('=')?.0.to_owned())),
        );
    }
    known
}

/// The words of a query outside quotes.
fn words(query: &str) -> Vec<String> {
    let bare: String = query.split('"').step_by(2).collect::<Vec<_>>().join("\"");
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || "_$".contains(letter);
    bare.split(|letter| !is_word(letter))
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Labels in the braces of a metric, and in `by (…)` and `ignoring (…)`.
fn labels(query: &str) -> Vec<String> {
    let bare: String = query.split('"').step_by(2).collect::<Vec<_>>().join("\"");
    let mut labels = Vec::new();
    for (open, close) in [("{", '}'), ("by (", ')'), ("ignoring (", ')')] {
        for part in bare.split(open).skip(1) {
            let inside = part.split(close).next().unwrap();
            let names = inside
                .split(',')
                .map(|label| label.split(['=', '!']).next().unwrap().trim().to_owned());
            labels.extend(names);
        }
    }
    labels
}

fn check(query: &str, known: &Known) {
    let metrics: Vec<String> = words(query)
        .into_iter()
        .filter(|word| word.starts_with("hotstage_"))
        .collect();
    assert!(!metrics.is_empty(), "{query}: no metric");
    let mut of_query = BTreeSet::new();
    for metric in metrics {
        let labels = known
            .get(&metric)
            .unwrap_or_else(|| panic!("{query}: there is no {metric}"));
        of_query.extend(labels.iter().cloned());
    }
    for label in labels(query) {
        assert!(
            of_query.contains(&label),
            "{query}: there is no label {label} among {of_query:?}"
        );
    }
}

#[test]
fn every_query_names_what_there_is() {
    let guest = |name: &str, as_version: &str| version("m", as_version, [model(name)]);
    let head =
        json!({ "apiVersion": "hotstage.dev/v1", "kind": "Route", "metadata": { "name": "m" } });
    let split = json!([{ "version": "1", "weight": 0 }, { "version": "2" }]);
    let spec =
        json!({ "split": split, "fallback": { "version": "1" }, "mirror": [{ "version": "3" }] });
    let pipelines = [
        guest("echo", "1"),
        guest("fails_internal", "2"),
        guest("echo", "3"),
        head.with("spec", spec),
    ];
    let server = Setup::of(pipelines).start();
    for number in [1.0, 13.0] {
        assert_eq!(server.ask(&request("m", &[number])).status, 200);
    }
    let text = server.get("/metrics").ok().text();
    let known = known(&Metrics::parse(&text, false));
    let dashboard = std::fs::read(root().join("examples/grafana/hotstage.json")).unwrap();
    let dashboard: Value = serde_json::from_slice(&dashboard).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels
        .iter()
        .filter_map(|panel| panel["targets"].as_array())
        .flatten();
    let queries: Vec<&str> = targets
        .map(|target| target["expr"].as_str().unwrap())
        .collect();
    assert!(queries.len() >= 20, "{queries:?}");
    for query in &queries {
        check(query, &known);
    }
    // Conversely, the list names every metric that the dashboard omits on purpose.
    let shown: BTreeSet<String> = queries.iter().flat_map(|query| words(query)).collect();
    let left_out = [
        "nv_",
        "hotstage_http_",
        "hotstage_stage_",
        "hotstage_versions_",
        "hotstage_requests_drained",
    ];
    for name in known.keys() {
        let stem = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|end| name.strip_suffix(end))
            .unwrap_or(name);
        let is_shown = shown.iter().any(|word| word.starts_with(stem));
        assert!(
            is_shown || left_out.iter().any(|start| name.starts_with(start)),
            "the dashboard does not show {name}"
        );
    }
}
