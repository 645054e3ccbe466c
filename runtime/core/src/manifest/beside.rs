//! A route's `fallback` and `mirror`.
//!
//! ```yaml
//! fallback: { version: "1", timeout: 200ms, circuit: { failures: 5, open: 10s } }
//! mirror: [ { version: "3", percent: 20, queue: 256, tolerance: 0.01, keep: 10 } ]
//! ```
//!
//! Defaults: no timeout, no circuit (when there is one: 5 failures and 10 s), 100 percent,
//! [`QUEUE`] copies that wait, no tolerance, no examples. Bounds: those of [`route`](crate::route);
//! a timeout is 1 ms to an hour.

use std::time::Duration;

use serde_json::{Value, json};

use super::decode::Decoder;
use super::limits::{count, time_between};
use super::node::Node;
use super::read::number;
use crate::name::Version;
use crate::quantity::show_duration;
use crate::route::{Circuit, Fallback, KEEP_MAX, Mirror, Parts, QUEUE, QUEUE_MAX, Variant};
use crate::suggest::hint;

const TIMEOUT_MAX: Duration = Duration::from_hours(1);
const TIME_MIN: Duration = Duration::from_millis(1);
/// Failures in a row that open a circuit, by default.
const FAILURES: u32 = 5;
const OPEN: Duration = Duration::from_secs(10);
const FAILURES_MAX: u32 = 10_000;

pub(super) fn fallback(here: &mut Decoder, node: &Node, variants: &[Variant]) -> Option<Fallback> {
    let fields = here.fields(node, &["version", "timeout", "circuit"])?;
    let to = here.required(&fields, "version", |here, node| place(here, node, variants));
    let timeout = here.optional(&fields, "timeout", |here, node| {
        time(here, node, TIMEOUT_MAX)
    });
    let circuit = here.optional(&fields, "circuit", |here, node| {
        let fields = here.fields(node, &["failures", "open"])?;
        let failures = here.optional(&fields, "failures", |here, node| {
            count(here, node, FAILURES_MAX)
        });
        let open = here.optional(&fields, "open", |here, node| time(here, node, TIMEOUT_MAX));
        Some(Circuit {
            failures: failures.unwrap_or(FAILURES),
            open: open.unwrap_or(OPEN),
        })
    });
    Some(Fallback {
        to: to?,
        timeout,
        circuit,
    })
}

pub(super) fn mirror(here: &mut Decoder, node: &Node) -> Option<Mirror> {
    let fields = here.fields(node, &["version", "percent", "queue", "tolerance", "keep"])?;
    let version: Option<Version> = here.required(&fields, "version", Decoder::parsed);
    let percent = here.optional(&fields, "percent", |here, node| {
        number(here, node, "a number up to 100, like 10")
    });
    let queue = here.optional(&fields, "queue", |here, node| count(here, node, QUEUE_MAX));
    let tolerance = here.optional(&fields, "tolerance", |here, node| {
        number(here, node, "a number, like 1e-3")
    });
    let keep = here.optional(&fields, "keep", |here, node| count(here, node, KEEP_MAX));
    Some(Mirror {
        version: version?,
        percent: percent.unwrap_or(100.0),
        queue: queue.unwrap_or(QUEUE),
        tolerance,
        keep: keep.unwrap_or_default(),
    })
}

/// The index of a version in the split.
pub(super) fn place(here: &mut Decoder, node: &Node, variants: &[Variant]) -> Option<usize> {
    let version: Version = here.parsed(node)?;
    let position = variants
        .iter()
        .position(|variant| variant.version == version);
    let names = variants.iter().map(|variant| variant.version.as_str());
    let absent = || {
        let hint = hint(version.as_str(), names);
        format!("the split has no version `{version}`; {hint}; give it the weight 0 there")
    };
    here.sound(node, position.ok_or_else(absent))
}

/// A time from 1 ms to `max`.
pub(super) fn time(here: &mut Decoder, node: &Node, max: Duration) -> Option<Duration> {
    time_between(here, node, TIME_MIN, max)
}

/// Writes the keys that are set, so that a route without them keeps its text.
pub(super) fn write(spec: &mut Value, parts: &Parts) {
    if let Some(Fallback {
        to,
        timeout,
        circuit,
    }) = &parts.fallback
    {
        spec["fallback"] =
            json!({ "version": parts.variants.get(*to).map(|variant| variant.version.as_str()) });
        if let Some(timeout) = timeout {
            spec["fallback"]["timeout"] = json!(show_duration(*timeout));
        }
        if let Some(Circuit { failures, open }) = circuit {
            spec["fallback"]["circuit"] =
                json!({ "failures": failures, "open": show_duration(*open) });
        }
    }
    let mirrors = parts.mirrors.iter().map(
        |Mirror {
             version,
             percent,
             queue,
             tolerance,
             keep,
         }| {
            let mut mirror =
                json!({ "version": version.as_str(), "percent": percent, "queue": queue });
            if let Some(tolerance) = tolerance {
                mirror["tolerance"] = json!(tolerance);
            }
            if *keep > 0 {
                mirror["keep"] = json!(keep);
            }
            mirror
        },
    );
    let mirrors: Vec<Value> = mirrors.collect();
    if !mirrors.is_empty() {
        spec["mirror"] = json!(mirrors);
    }
}
