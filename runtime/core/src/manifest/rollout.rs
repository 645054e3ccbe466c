//! `kind: Rollout`: how a version of a name gets its share of the requests.
//!
//! ```yaml
//! spec:
//!   to: "2"
//!   strategy: canary          # canary, linear, all-at-once or mirror-first; or `steps: [ { percent: 10, bake: 5m } ]`
//!   percent: 10
//!   bake: 5m
//!   guards: [ { errors: 0.01, min_samples: 200, window: 1m }, { p99_ratio: 1.5 } ]
//!   labels: [ stable ]
//! ```
//!
//! Defaults: canary; 10 percent, for linear steps of 20; 5 minutes a step; guards of 1 % errors and
//! a p99 of twice the other version's, 100 samples and a minute each; the label `stable`; no
//! timeout. Bounds: [`STEPS_MAX`], [`GUARDS_MAX`]; times are 1 ms to a week.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::beside::time;
use super::canonical::canonical_text;
use super::decode::{Decoder, Fields};
use super::limits::count;
use super::node::Node;
use super::problem::{KeyPath, Problem, Problems, Step as StepOf};
use super::read::number;
use super::resolved::NotCanonical;
use super::{API_VERSION, read};
use crate::digest::Digest;
use crate::limits::is_observed_name;
use crate::name::{ModelName, Version};
use crate::quantity::show_duration;
use crate::rollout::{GUARDS_MAX, Guard, Measure, Metric, Plan, STEPS_MAX, Step};

const TIME_MAX: Duration = Duration::from_hours(24 * 7);
const BAKE: Duration = Duration::from_secs(300);
const WINDOW: Duration = Duration::from_secs(60);
/// As far back as counters are kept.
const WINDOW_MAX: Duration = Duration::from_secs(600);
const SAMPLES: u32 = 100;
const SAMPLES_MAX: u32 = 1_000_000_000;
const NAME_BYTES_MAX: usize = 64;
const METRIC_NAME: &str = "a stage's metric is called by 1 to 64 lower-case letters, digits and `_`, and begins with a letter";

/// A rollout as written.
#[derive(Clone, Debug)]
pub struct WrittenRollout {
    file: Arc<str>,
    root: Node,
    name: ModelName,
    plan: Plan,
}

/// How steps follow from a few numbers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strategy {
    Canary,
    Linear,
    AllAtOnce,
    MirrorFirst,
}

const STRATEGIES: [(&str, Strategy); 4] = [
    ("canary", Strategy::Canary),
    ("linear", Strategy::Linear),
    ("all-at-once", Strategy::AllAtOnce),
    ("mirror-first", Strategy::MirrorFirst),
];

impl WrittenRollout {
    /// The file that it is in, as the loader called it.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// What clients call.
    pub const fn name(&self) -> &ModelName {
        &self.name
    }

    /// What it shall do.
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// A problem that was found later, with its place in the file.
    pub fn problem(&self, key: &str, message: impl Into<String>) -> Problem {
        let path = KeyPath::default().key("spec").key(key);
        Problem {
            file: Arc::clone(&self.file),
            place: self.root.locate(&path),
            path,
            message: message.into(),
        }
    }

    /// The text that the store keeps, with every default spelled out.
    pub fn canonical(&self) -> String {
        canonical_text(&json!({
            "apiVersion": API_VERSION,
            "kind": "Rollout",
            "metadata": { "name": self.name.as_str() },
            "spec": written(&self.plan),
        }))
    }

    /// What names it: the SHA-256 of its canonical text.
    pub fn digest(&self) -> Digest {
        Digest::of(self.canonical().as_bytes())
    }

    /// Reads a canonical text back. Refuses every other text, also one that means the same.
    pub fn parse(text: &str) -> Result<Self, NotCanonical> {
        let value: Value =
            serde_json::from_str(text).map_err(|error| NotCanonical::because(&error))?;
        match decode(&"canonical".into(), Node::from_json(&value)) {
            (Some(rollout), problems) if problems.is_empty() && rollout.canonical() == text => {
                Ok(rollout)
            }
            (_, problems) if !problems.is_empty() => Err(NotCanonical::because(&problems)),
            _ => Err(NotCanonical::because(
                &"written in another way than it would be written here",
            )),
        }
    }
}

/// Reads one document. What comes back beside problems is not to be used.
pub(super) fn decode(file: &Arc<str>, root: Node) -> (Option<WrittenRollout>, Problems) {
    let mut here = Decoder {
        file: Arc::clone(file),
        path: KeyPath::default(),
        problems: Problems::default(),
    };
    let parts = read::headed(&mut here, &root, "Rollout", spec);
    let written = parts.map(|(name, plan)| WrittenRollout {
        file: Arc::clone(file),
        root,
        name,
        plan,
    });
    (written, here.problems)
}

fn spec(here: &mut Decoder, node: &Node) -> Option<Plan> {
    let known = [
        "to", "from", "strategy", "percent", "bake", "steps", "guards", "labels", "timeout",
    ];
    let fields = here.fields(node, &known)?;
    let to: Option<Version> = here.required(&fields, "to", Decoder::parsed);
    let from: Option<Version> = here.optional(&fields, "from", Decoder::parsed);
    if let (Some(from), Some(to)) = (&from, &to)
        && from == to
    {
        at(
            here,
            &fields,
            node,
            "from",
            format!("version `{to}` can't take over from itself"),
        );
    }
    let steps = steps(here, &fields, node);
    let guards = here
        .optional(&fields, "guards", |here, node| here.list(node, guard))
        .unwrap_or_else(usual);
    if let Some(steps) = &steps {
        check_guards(here, &fields, node, &guards, steps);
    }
    let labels = here.optional(&fields, "labels", |here, node| {
        here.list(node, Decoder::parsed)
    });
    let timeout = here.optional(&fields, "timeout", |here, node| time(here, node, TIME_MAX));
    let stable = || "stable".parse().into_iter().collect();
    Some(Plan {
        to: to?,
        from,
        steps: steps?,
        guards,
        labels: labels.unwrap_or_else(stable),
        timeout,
    })
}

/// Reports something about a key; about the whole where the key is not there.
fn at(here: &mut Decoder, fields: &Fields<'_>, whole: &Node, key: &str, message: String) {
    match fields.get(key) {
        Some(node) => here.under(StepOf::Key(key.to_owned()), |here| {
            here.report(node.place, message)
        }),
        None => here.report(whole.place, message),
    }
}

/// The steps that are written, or those that the strategy means.
fn steps(here: &mut Decoder, fields: &Fields<'_>, node: &Node) -> Option<Vec<Step>> {
    let written = here.optional(fields, "steps", |here, node| here.list(node, step));
    let strategy = here.optional(fields, "strategy", |here, node| {
        here.word(node, &STRATEGIES)
    });
    let percent = here.optional(fields, "percent", |here, node| {
        number(here, node, "a number up to 100, like 10")
    });
    let bake = here.optional(fields, "bake", |here, node| time(here, node, TIME_MAX));
    let Some(steps) = written else {
        let bake = bake.unwrap_or(BAKE);
        let strategy = strategy.unwrap_or(Strategy::Canary);
        let percent = percent.unwrap_or(if strategy == Strategy::Linear {
            20.0
        } else {
            10.0
        });
        if !(1.0..=100.0).contains(&percent) {
            let message =
                format!("percent is 1 to 100 of what the two versions have, not {percent}");
            at(here, fields, node, "percent", message);
            return None;
        }
        return Some(strategy.steps(percent, bake));
    };
    for key in ["strategy", "percent", "bake"] {
        if fields.get(key).is_some() {
            let message =
                format!("`{key}` makes steps, and `steps` says them; leave one of them out");
            at(here, fields, node, key, message);
        }
    }
    if steps.is_empty() || steps.len() > STEPS_MAX {
        at(
            here,
            fields,
            node,
            "steps",
            format!("a rollout has 1 to {STEPS_MAX} steps, not {}", steps.len()),
        );
        return None;
    }
    if !steps.is_sorted_by(|one, next| one.percent < next.percent) {
        at(
            here,
            fields,
            node,
            "steps",
            "each step gives more than the one before".to_owned(),
        );
        return None;
    }
    Some(steps)
}

impl Strategy {
    fn steps(self, percent: f64, bake: Duration) -> Vec<Step> {
        let step = |percent| Step { percent, bake };
        match self {
            Self::Canary => vec![step(percent)],
            Self::AllAtOnce => vec![step(100.0)],
            Self::MirrorFirst => vec![step(0.0), step(percent)],
            Self::Linear => {
                let mut steps: Vec<Step> = Vec::new();
                let mut reached = percent;
                while reached < 100.0 {
                    steps.push(step(reached));
                    reached += percent;
                }
                steps.push(step(100.0));
                steps
            }
        }
    }
}

fn step(here: &mut Decoder, node: &Node) -> Option<Step> {
    let fields = here.fields(node, &["percent", "bake"])?;
    let percent = here.required(&fields, "percent", |here, node| {
        let percent = number(here, node, "a number up to 100, like 10")?;
        let sound = (0.0..=100.0).contains(&percent).then_some(percent);
        here.sound(
            node,
            sound.ok_or_else(|| format!("percent is 0, for copies alone, to 100, not {percent}")),
        )
    });
    let bake = here.optional(&fields, "bake", |here, node| time(here, node, TIME_MAX));
    Some(Step {
        percent: percent?,
        bake: bake.unwrap_or(BAKE),
    })
}

fn guard(here: &mut Decoder, node: &Node) -> Option<Guard> {
    let known = [
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
    let fields = here.fields(node, &known)?;
    let mut measures = Vec::new();
    for measure in Measure::WORDS {
        let limit = here.optional(&fields, measure.name(), |here, node| {
            limit(here, node, &measure)
        });
        measures.extend(limit.map(|limit| (measure, limit)));
    }
    measures.extend(here.optional(&fields, "metric", metric));
    let written = known[1..6]
        .iter()
        .filter(|word| fields.get(word).is_some())
        .count();
    if written != 1 {
        let words = known[1..6].join("`, `");
        here.report(
            node.place,
            format!("a guard looks at one of `{words}`, and this one at {written}"),
        );
        return None;
    }
    let name = here.optional(&fields, "name", |here, node| {
        let name = here.text(node)?;
        let sound =
            (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control);
        let sound = if sound {
            Ok(name.to_owned())
        } else {
            Err(format!("a name has 1 to {NAME_BYTES_MAX} letters"))
        };
        here.sound(node, sound)
    });
    let samples = here.optional(&fields, "min_samples", |here, node| {
        count(here, node, SAMPLES_MAX)
    });
    let window = here.optional(&fields, "window", |here, node| time(here, node, WINDOW_MAX));
    let tolerance = here.optional(&fields, "tolerance", |here, node| {
        let tolerance = number(here, node, "a number, like 1e-3")?;
        let sound = (tolerance >= 0.0).then_some(tolerance);
        here.sound(
            node,
            sound.ok_or_else(|| "a tolerance is a number of 0 or more".to_owned()),
        )
    });
    let (measure, limit) = measures.pop()?;
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

/// Guards when nobody names any.
fn usual() -> Vec<Guard> {
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
fn check_guards(
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

fn written(plan: &Plan) -> Value {
    let Plan {
        to,
        from,
        steps,
        guards,
        labels,
        timeout,
    } = plan;
    let steps: Vec<Value> = steps
        .iter()
        .map(|Step { percent, bake }| json!({ "percent": percent, "bake": show_duration(*bake) }))
        .collect();
    let guards: Vec<Value> = guards
        .iter()
        .map(|guard| {
            let mut written =
                json!({ "name": guard.name, "min_samples": guard.min_samples, "window": show_duration(guard.window) });
            written[guard.measure.name()] = match &guard.measure {
                Measure::Metric(Metric { stage, name, is_least }) => {
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
        })
        .collect();
    let labels: Vec<&str> = labels.iter().map(Version::as_str).collect();
    let mut spec = json!({ "to": to.as_str(), "steps": steps, "guards": guards, "labels": labels });
    if let Some(from) = from {
        spec["from"] = json!(from.as_str());
    }
    if let Some(timeout) = timeout {
        spec["timeout"] = json!(show_duration(*timeout));
    }
    spec
}
