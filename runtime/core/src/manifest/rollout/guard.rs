//! Guards of a rollout: what each measures, its limit, and how many samples it needs.
//!
//! Defaults: 100 samples, a window of a minute, the measure's name; without any guard, those of
//! [`usual`]. Bounds: [`GUARDS_MAX`], [`SAMPLES_MAX`], [`WINDOW_MAX`], [`NAME_BYTES_MAX`].

use std::time::Duration;

use serde_json::{Value, json};

use super::super::beside::time;
use super::super::decode::{Decoder, Fields};
use super::super::limits::count;
use super::super::node::Node;
use super::super::read::number;
use super::{TIME_MAX, at};
use crate::limits::is_observed_name;
use crate::quantity::show_duration;
use crate::rollout::{GUARDS_MAX, Guard, Measure, Metric, Step};

const WINDOW: Duration = Duration::from_secs(60);
/// How long counters are kept.
const WINDOW_MAX: Duration = Duration::from_secs(600);
const SAMPLES: u32 = 100;
const SAMPLES_MAX: u32 = 1_000_000_000;
const NAME_BYTES_MAX: usize = 64;
const METRIC_NAME: &str = "a stage's metric is called by 1 to 64 lower-case letters, digits and `_`, and begins with a letter";

/// The keys of a guard.
const KEYS: [&str; 9] = [
    "name",
    "errors",
    "p99",
    "p99_ratio",
    "disagreement",
    "metric",
    "tolerance",
    "min_samples",
    "window",
];

/// Reads one guard.
pub(super) fn read(here: &mut Decoder, node: &Node) -> Option<Guard> {
    let fields = here.fields(node, &KEYS)?;
    let measured = measured(here, &fields);
    // The keys that are measures.
    let words = &KEYS[1..6];
    let written = words
        .iter()
        .filter(|word| fields.get(word).is_some())
        .count();
    if written != 1 {
        let words = words.join("`, `");
        here.report(
            node.place,
            format!("a guard has one of the measures `{words}`, and this one has {written}"),
        );
        return None;
    }
    let name = here.optional(&fields, "name", name);
    let samples = here.optional(&fields, "min_samples", |here, node| {
        count(here, node, SAMPLES_MAX)
    });
    let window = here.optional(&fields, "window", |here, node| time(here, node, WINDOW_MAX));
    let tolerance = here.optional(&fields, "tolerance", tolerance);
    let (measure, limit) = measured?;
    if let (Some(node), true) = (fields.get("tolerance"), measure != Measure::Disagreement) {
        at(
            here,
            &fields,
            node,
            "tolerance",
            "belongs to `disagreement`: answers of other guards are not compared".to_owned(),
        );
    }
    Some(Guard {
        name: name.unwrap_or_else(|| measure.to_string()),
        measure,
        limit,
        min_samples: samples.unwrap_or(SAMPLES).into(),
        window: window.unwrap_or(WINDOW),
        tolerance,
    })
}

/// The guard's measure and limit; the last measure where several are written.
fn measured(here: &mut Decoder, fields: &Fields<'_>) -> Option<(Measure, f64)> {
    let mut measured = None;
    for measure in Measure::WORDS {
        let limit = here.optional(fields, measure.name(), |here, node| {
            limit(here, node, &measure)
        });
        measured = limit.map(|limit| (measure, limit)).or(measured);
    }
    here.optional(fields, "metric", metric).or(measured)
}

fn name(here: &mut Decoder, node: &Node) -> Option<String> {
    let name = here.text(node)?;
    let sound = (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control);
    let sound = if sound {
        Ok(name.to_owned())
    } else {
        Err(format!("a name has 1 to {NAME_BYTES_MAX} letters"))
    };
    here.sound(node, sound)
}

fn tolerance(here: &mut Decoder, node: &Node) -> Option<f64> {
    let tolerance = number(here, node, "a number, like 1e-3")?;
    let sound = (tolerance >= 0.0).then_some(tolerance);
    here.sound(
        node,
        sound.ok_or_else(|| "a tolerance is a number of 0 or more".to_owned()),
    )
}

/// A stage's metric, and the bound on its mean.
fn metric(here: &mut Decoder, node: &Node) -> Option<(Measure, f64)> {
    let fields = here.fields(node, &["stage", "name", "min", "max"])?;
    let stage = here.required(&fields, "stage", |here, node| {
        here.text(node).map(str::to_owned)
    });
    let name = here.required(&fields, "name", |here, node| {
        let name = here.text(node)?;
        let sound = is_observed_name(name).then(|| name.to_owned());
        here.sound(node, sound.ok_or_else(|| METRIC_NAME.to_owned()))
    });
    let bound = |here: &mut Decoder, node: &Node| number(here, node, "a number, like 0.5");
    let (min, max) = (
        here.optional(&fields, "min", bound),
        here.optional(&fields, "max", bound),
    );
    if fields.get("min").is_some() == fields.get("max").is_some() {
        here.report(
            node.place,
            "a metric has a `min` or a `max`; for both write two guards".to_owned(),
        );
        return None;
    }
    Some((
        Measure::Metric(Metric {
            stage: stage?,
            name: name?,
            is_least: min.is_some(),
        }),
        min.or(max)?,
    ))
}

fn limit(here: &mut Decoder, node: &Node, measure: &Measure) -> Option<f64> {
    if *measure == Measure::P99 {
        return time(here, node, TIME_MAX).map(|time| time.as_secs_f64() * 1e3);
    }
    let limit = number(here, node, "a number, like 0.01")?;
    let sound = match measure {
        Measure::P99Ratio if limit > 0.0 => Ok(limit),
        Measure::P99Ratio => Err(format!("a ratio is more than 0, not {limit}")),
        _ if (0.0..1.0).contains(&limit) => Ok(limit),
        _ => Err(format!(
            "a share is 0 or more and less than 1, not {limit}; 0.01 is one of a hundred"
        )),
    };
    here.sound(node, sound)
}

/// The guards when none are written.
pub(super) fn usual() -> Vec<Guard> {
    let guard = |measure: Measure, limit| Guard {
        name: measure.to_string(),
        measure,
        limit,
        min_samples: SAMPLES.into(),
        window: WINDOW,
        tolerance: None,
    };
    vec![guard(Measure::Errors, 0.01), guard(Measure::P99Ratio, 2.0)]
}

/// Each has a name of its own, and a step that gives it samples.
pub(super) fn check(
    here: &mut Decoder,
    fields: &Fields<'_>,
    node: &Node,
    guards: &[Guard],
    steps: &[Step],
) {
    let mut report = |message| at(here, fields, node, "guards", message);
    if guards.len() > GUARDS_MAX {
        report(format!(
            "{} guards; at most {GUARDS_MAX} are allowed",
            guards.len()
        ));
    }
    for (index, guard) in guards.iter().enumerate() {
        if guards[..index]
            .iter()
            .any(|earlier| earlier.name == guard.name)
        {
            report(format!(
                "two guards are called `{}`; give one of them another `name`",
                guard.name
            ));
        }
        if !steps.iter().any(|step| guard.is_judged_in(step)) {
            let message = format!(
                "guard `{}` would never see a sample: only a step of 0 percent mirrors",
                guard.name
            );
            report(format!("{message}; start with `strategy: mirror-first`"));
        }
    }
}

/// A guard as the canonical text has it, with every default spelled out.
pub(super) fn written(guard: &Guard) -> Value {
    let mut written = json!({
        "name": guard.name,
        "min_samples": guard.min_samples,
        "window": show_duration(guard.window),
    });
    written[guard.measure.name()] = match &guard.measure {
        Measure::Metric(Metric {
            stage,
            name,
            is_least,
        }) => {
            let bound = if *is_least { "min" } else { "max" };
            json!({ "stage": stage, "name": name, bound: guard.limit })
        }
        Measure::P99 => json!(show_duration(Duration::from_secs_f64(guard.limit / 1e3))),
        _ => json!(guard.limit),
    };
    if let Some(tolerance) = guard.tolerance {
        written["tolerance"] = json!(tolerance);
    }
    written
}
