//! `route`: the cost of a route's decision with ten variants, twenty rules that do not match, and a
//! sticky key, compared with reading the same headers.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use hotstage_core::manifest::parse;
use hotstage_server::frontends::http::HttpAttributes;
use hotstage_server::serving::pipeline::Pipeline;
use hotstage_server::serving::routing::Routing;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use crate::Outcome;
use crate::deploy::Host;
use crate::measure::{Effort, Side, compare};
use crate::origin::Origin;
use crate::table::{Goal, Line, Table, tell};

const VARIANTS: usize = 10;
const RULES: usize = 20;
/// Headers of the rules, in rotation.
const HEADERS: [&str; 4] = ["x-cohort", "x-site", "x-client", "x-tier"];
const STICKY: &str = "x-patient-id";
/// Nanoseconds.
const GOAL: f64 = 300.0;

pub(crate) fn measure(origin: &Origin, effort: &Effort, table: &mut Table) -> Outcome {
    tell("a route's decision");
    let host = Host::open(origin)?;
    let routing = routing(&host)?;
    let headers = headers();
    let names: Vec<HeaderName> = HEADERS
        .iter()
        .chain([&STICKY])
        .map(|name| HeaderName::try_from(*name))
        .collect::<Result<_, _>>()?;
    let ours: Side<'_> = Box::new(|times| {
        let began = Instant::now();
        for _ in 0..times {
            let request = HttpAttributes::of_head(black_box(&headers));
            black_box(routing.decide(&request).is_ok());
        }
        Ok(began.elapsed())
    });
    let floor: Side<'_> = Box::new(|times| {
        let began = Instant::now();
        for _ in 0..times {
            for name in &names {
                black_box(black_box(&headers).get(name));
            }
        }
        Ok(began.elapsed())
    });
    let [ours, floor] = compare(effort, [ours, floor])?;
    let what = format!("route, {VARIANTS} variants, {RULES} rules");
    table.push(Line::beside(what, "ns", ours * 1e3, floor * 1e3).goal(Goal::AtMost(GOAL)));
    Ok(())
}

fn routing(host: &Host) -> Outcome<Routing> {
    let mut pipelines: Vec<Arc<Pipeline>> = Vec::new();
    for version in 0..VARIANTS {
        let manifest = json!({
            "apiVersion": "hotstage.dev/v1", "kind": "Pipeline",
            "metadata": { "name": "m", "version": version.to_string() },
            "spec": { "stages": [
                { "name": "s", "role": "preprocess", "component": "scale", "settings": { "mean": [0], "std": [1] } },
            ] },
        });
        let path = host.write(
            &format!("m-{version}.yaml"),
            manifest.to_string().as_bytes(),
        )?;
        pipelines.push(host.load(&path)?);
    }
    let documents =
        parse("route", &document().to_string()).map_err(|problems| problems.to_string())?;
    let route = documents.routes.first().ok_or("no route")?;
    let find = |version: &str| {
        pipelines
            .iter()
            .find(|pipeline| pipeline.version == version)
            .map(Arc::clone)
    };
    Routing::new(route, find, None).map_err(|unfit| format!("{unfit:?}").into())
}

/// Rules of every kind; none matches the request below.
fn document() -> Value {
    let rules: Vec<Value> = (0..RULES)
        .map(|number| {
            let test = match number % 4 {
                0 => json!(format!("other-{number}")),
                1 => json!({ "one_of": [format!("a-{number}"), format!("b-{number}")] }),
                2 => json!({ "prefix": format!("none-{number}") }),
                _ => json!({ "matches": format!("test-{number}/[0-9]+") }),
            };
            json!({ "when": { "header": { HEADERS[number % 4]: test } }, "version": (number % VARIANTS).to_string() })
        })
        .collect();
    let split: Vec<Value> = (0..VARIANTS)
        .map(|version| json!({ "version": version.to_string(), "weight": version + 1 }))
        .collect();
    json!({
        "apiVersion": "hotstage.dev/v1", "kind": "Route", "metadata": { "name": "m" },
        "spec": { "split": split, "sticky": { "header": STICKY }, "rules": rules },
    })
}

/// A client's headers, some of which the route does not read.
fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    for name in [
        "host",
        "accept",
        "content-type",
        "content-length",
        "user-agent",
    ] {
        headers.insert(name, HeaderValue::from_static("something"));
    }
    for name in HEADERS {
        headers.insert(name, HeaderValue::from_static("test-value"));
    }
    headers.insert(STICKY, HeaderValue::from_static("patient-0012345"));
    headers
}
