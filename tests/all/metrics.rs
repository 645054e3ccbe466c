//! `/metrics`: both formats agree, and each figure changes exactly with the requests.

use std::collections::BTreeMap;

use serde_json::json;

use crate::harness::http::{Connection, Request};
use crate::harness::manifest::{model, pipeline};
use crate::harness::metrics::{Metrics, OPEN};
use crate::harness::server::Setup;
use crate::harness::tumor;

/// The differences between two scrapes, for counters and for the counts of histograms; their sums
/// are times.
fn moved(before: &Metrics, after: &Metrics) -> BTreeMap<String, f64> {
    let is_counted = |series: &str| {
        let name = series.split('{').next().unwrap();
        !name.starts_with("nv_") && ["_total", "_count"].iter().any(|end| name.ends_with(end))
    };
    let names = after.samples.keys().filter(|series| is_counted(series));
    let differences =
        names.map(|series| (series.clone(), after.value(series) - before.value(series)));
    differences
        .filter(|(_, difference)| *difference != 0.0)
        .collect()
}

#[track_caller]
fn check(connection: &mut Connection, requests: &[Request], expected: &[(&str, f64)]) {
    let before = Metrics::of(connection);
    for request in requests {
        connection.ask(request);
    }
    let after = Metrics::of(connection);
    let mut expected: BTreeMap<String, f64> = expected
        .iter()
        .map(|(name, by)| ((*name).to_owned(), *by))
        .collect();
    // Besides the requests, one of the two scrapes.
    expected.insert(
        "hotstage_http_requests_total".to_owned(),
        requests.len() as f64 + 1.0,
    );
    assert_eq!(moved(&before, &after), expected);
}

#[test]
fn figures_move_exactly_as_requests_do() {
    let server = Setup::tumor().start();
    let mut connection = server.connect();
    let infer = || {
        Request::post(
            "/v2/models/tumor/infer",
            tumor::request("benign").to_string(),
        )
    };
    let labels = r#"pipeline="tumor",version="1""#;
    let stage =
        |name: &str| format!(r#"hotstage_stage_duration_seconds_count{{{labels},stage="{name}"}}"#);
    let [scale, classify, label] = ["scale", "classify", "label"].map(stage);
    let answered = r#"hotstage_requests_total{pipeline="tumor",version="1",outcome="answered"}"#;
    let timed = r#"hotstage_request_duration_seconds_count{pipeline="tumor",version="1"}"#;
    check(
        &mut connection,
        &[infer(), infer(), infer()],
        &[
            (answered, 3.0),
            (timed, 3.0),
            (&scale, 3.0),
            (&classify, 3.0),
            (&label, 3.0),
        ],
    );
    check(
        &mut connection,
        &[Request::get("/v2"), Request::get("/v2/health/ready")],
        &[],
    );
    let failures = |kind: &str| format!(r#"hotstage_http_failures_total{{kind="{kind}"}}"#);
    let [invalid, missing, method] =
        ["invalid_input", "not_found", "method_not_allowed"].map(failures);
    check(
        &mut connection,
        &[
            Request::post("/v2/models/tumor/infer", "{}"),
            Request::get("/v2/models/zebra"),
            Request::get("/nowhere"),
            Request::post("/v2", ""),
        ],
        &[
            (&invalid, 1.0),
            (&missing, 2.0),
            (&method, 1.0),
            (&answered.replace("answered", "invalid_input"), 1.0),
        ],
    );
}

#[test]
fn a_call_that_ends_its_instance_is_counted_at_its_stage() {
    let server = Setup::of([pipeline("traps", [model("traps")])]).start();
    let mut connection = server.connect();
    let triggering = |number: u32| {
        let input = json!({ "name": "x", "datatype": "FP32", "shape": [1], "data": [number] });
        Request::post(
            "/v2/models/traps/infer",
            json!({ "inputs": [input] }).to_string(),
        )
    };
    connection.ask(&triggering(0)).ok();
    let labels = r#"pipeline="traps",version="1""#;
    check(
        &mut connection,
        &[triggering(13)],
        &[
            (
                &format!(r#"hotstage_requests_total{{{labels},outcome="stage_trapped"}}"#),
                1.0,
            ),
            (r#"hotstage_http_failures_total{kind="stage_trapped"}"#, 1.0),
            (
                &format!("hotstage_request_duration_seconds_count{{{labels}}}"),
                1.0,
            ),
            (
                &format!(r#"hotstage_stage_instances_ended_total{{{labels},stage="traps"}}"#),
                1.0,
            ),
        ],
    );
}

#[test]
fn gauges_show_the_current_state() {
    let server = Setup::tumor().start();
    let mut scraper = server.connect();
    for others in 0..3 {
        let mut open: Vec<Connection> = (0..others).map(|_| server.connect()).collect();
        for connection in &mut open {
            connection.ask(&Request::get("/v2")).ok();
        }
        let metrics = Metrics::of(&mut scraper);
        assert_eq!(
            metrics.value("hotstage_http_connections"),
            f64::from(others) + 1.0
        );
        assert_eq!(metrics.value("hotstage_http_requests_in_flight"), 1.0);
        for connection in &mut open {
            connection
                .ask(&Request::get("/v2").header("connection", "close"))
                .ok();
            connection.expect_closed();
        }
        crate::harness::eventually("they are gone", || {
            Metrics::of(&mut scraper).value("hotstage_http_connections") == 1.0
        });
    }
}

#[test]
fn tritons_names_say_the_same() {
    let server = Setup::tumor().start();
    server.infer("tumor", &tumor::request("batch")).ok();
    server.infer("tumor", &tumor::request("benign")).ok();
    server.infer("tumor", &json!({ "inputs": [] }));
    let metrics = server.metrics();
    let figure = |name: &str| {
        metrics.value(&format!(
            r#"nv_inference_{name}{{model="tumor",version="1"}}"#
        ))
    };
    let failed =
        metrics.value(r#"nv_inference_request_failure{model="tumor",version="1",reason="OTHER"}"#);
    // Three rows and one; a refused request is not an inference.
    assert_eq!(
        (
            figure("request_success"),
            figure("exec_count"),
            figure("count"),
            failed
        ),
        (2.0, 2.0, 4.0, 1.0)
    );
    let parts = ["queue", "compute_input", "compute_infer", "compute_output"].map(|part| {
        let took = figure(&format!("{part}_duration_us"));
        assert!(took > 0.0, "{part}");
        took
    });
    let whole = figure("request_duration_us");
    assert!(
        (parts.iter().sum::<f64>() - whole).abs() < 1.0,
        "{parts:?} make {whole}"
    );
    assert_eq!(figure("pending_request_count"), 0.0);
}

/// Buckets are cumulative, the last one counts everything, and the sum is plausible.
#[test]
fn histograms_are_sound() {
    let server = Setup::tumor().start();
    for _ in 0..5 {
        server.infer("tumor", &tumor::request("batch")).ok();
    }
    let metrics = server.metrics();
    let name = |suffix: &str| format!(r#"hotstage_request_duration_seconds_{suffix}{{"#);
    let figure = |suffix: &str| {
        metrics.value(&format!(
            r#"{}pipeline="tumor",version="1"}}"#,
            name(suffix)
        ))
    };
    let bound = |series: &str| {
        let text = series
            .split("le=\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap();
        if text == "+Inf" {
            f64::INFINITY
        } else {
            text.parse::<f64>().unwrap()
        }
    };
    let buckets = metrics
        .samples
        .iter()
        .filter(|(series, _)| series.starts_with(&name("bucket")));
    let mut buckets: Vec<(f64, f64)> = buckets
        .map(|(series, count)| (bound(series), *count))
        .collect();
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    assert!(
        buckets.len() > 10 && buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1),
        "{buckets:?}"
    );
    assert_eq!(*buckets.last().unwrap(), (f64::INFINITY, 5.0));
    assert_eq!(figure("count"), 5.0);
    let sum = figure("sum");
    let most = buckets.iter().find(|(_, count)| *count == 5.0).unwrap().0;
    assert!(sum > 0.0 && sum <= 5.0 * most, "{sum} of 5 below {most}");
}

#[test]
fn both_formats_say_the_same() {
    let server = Setup::tumor().start();
    let mut connection = server.connect();
    connection
        .ask(&Request::post(
            "/v2/models/tumor/infer",
            tumor::request("benign").to_string(),
        ))
        .ok();
    let open = connection
        .ask(&Request::get("/metrics").header("accept", OPEN))
        .ok();
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(open.header("content-type"), Some(content_type));
    let plain = connection.ask(&Request::get("/metrics")).ok();
    assert_eq!(
        plain.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );

    let mut open = Metrics::parse(open.text().strip_suffix("# EOF\n").unwrap(), true);
    let plain = Metrics::parse(&plain.text(), false);
    *open
        .samples
        .get_mut("hotstage_http_requests_total")
        .unwrap() += 1.0;
    assert_eq!(open.samples.len(), plain.samples.len());
    for (series, value) in open.samples {
        assert_eq!(plain.samples.get(&series), Some(&value), "{series}");
    }
    assert_eq!(open.families.len(), plain.families.len());
}
