//! `kind: Rollout`: how a version of a name gets its share of the requests.
//!
//! ```yaml
//! spec:
//!   to: "2"
//!   strategy: canary          # canary, linear, all-at-once or mirror-first;
//!                             # or `steps: [ { percent: 10, bake: 5m } ]`
//!   percent: 10
//!   bake: 5m
//!   guards: [ { errors: 0.01, min_samples: 200, window: 1m }, { p99_ratio: 1.5 } ]
//!   labels: [ stable ]
//! ```
//!
//! Defaults: canary; 10 percent, for linear steps of 20; 5 minutes a step; guards of 1 % errors and
//! a p99 of twice the other version's, 100 samples and a minute each; the label `stable`; no
//! timeout. Bounds: [`STEPS_MAX`], [`GUARDS_MAX`](crate::rollout::GUARDS_MAX); times are 1 ms to a
//! week.

mod guard;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::beside::time;
use super::canonical::canonical_text;
use super::decode::{Decoder, Fields};
use super::node::Node;
use super::problem::{KeyPath, Problem, Problems, Step as StepOf};
use super::read::number;
use super::resolved::NotCanonical;
use super::{API_VERSION, read};
use crate::digest::Digest;
use crate::name::{ModelName, Version};
use crate::quantity::show_duration;
use crate::rollout::{Plan, STEPS_MAX, Step};

const TIME_MAX: Duration = Duration::from_hours(24 * 7);
const BAKE: Duration = Duration::from_secs(300);

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
    /// The file that holds it, as the loader named it.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The name that clients use.
    pub const fn name(&self) -> &ModelName {
        &self.name
    }

    /// The plan of the rollout.
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

    /// The text that the blob store keeps, with every default spelled out.
    pub fn canonical(&self) -> String {
        canonical_text(&json!({
            "apiVersion": API_VERSION,
            "kind": "Rollout",
            "metadata": { "name": self.name.as_str() },
            "spec": written(&self.plan),
        }))
    }

    /// Its digest: the SHA-256 of its canonical text.
    pub fn digest(&self) -> Digest {
        Digest::of(self.canonical().as_bytes())
    }

    /// Parses a canonical text. Refuses every other text, even one with the same meaning.
    pub fn parse(text: &str) -> Result<Self, NotCanonical> {
        let value: Value =
            serde_json::from_str(text).map_err(|error| NotCanonical::because(&error))?;
        match decode(&"canonical".into(), Node::from_json(&value)) {
            (Some(rollout), problems) if problems.is_empty() && rollout.canonical() == text => {
                Ok(rollout)
            }
            (_, problems) if !problems.is_empty() => Err(NotCanonical::because(&problems)),
            _ => Err(NotCanonical::because(
                &"the text differs from its canonical form",
            )),
        }
    }
}

/// Reads one document. When there are problems, the document must not be used.
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
        .optional(&fields, "guards", |here, node| here.list(node, guard::read))
        .unwrap_or_else(guard::usual);
    if let Some(steps) = &steps {
        guard::check(here, &fields, node, &guards, steps);
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

/// Reports a problem of a key; of the whole where the key is not written.
fn at(here: &mut Decoder, fields: &Fields<'_>, whole: &Node, key: &str, message: String) {
    match fields.get(key) {
        Some(node) => here.under(StepOf::Key(key.to_owned()), |here| {
            here.report(node.place, message);
        }),
        None => here.report(whole.place, message),
    }
}

/// The steps that are written, or those of the strategy.
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
    let guards: Vec<Value> = guards.iter().map(guard::written).collect();
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
