//! `kind: Route`: which version of a name answers which request.
//!
//! ```yaml
//! spec:
//!   split: [ { version: "1", weight: 90 }, { version: "2", weight: 10 } ]
//!   sticky: { header: x-patient-id }
//!   rules:
//!     - { when: { header: { x-cohort: pilot } }, version: "2" }
//! ```
//!
//! Defaults: weight 1, no rules, nothing sticky, the route's name as its salt, 100 percent of a
//! rule, no pins, no fallback and no mirror. Bounds: those of [`route`](crate::route); the name of
//! a value's source has 256 bytes at most, a value 1024. `experiment`, `fallback` and `mirror` are
//! read in files of their own.

use std::sync::Arc;

use serde_json::{Value, json};

use super::beside;
use super::canonical::canonical_text;
use super::condition::{kind, sticky, value, when, written_test};
use super::decode::Decoder;
use super::node::Node;
use super::problem::{KeyPath, Problem, Problems};
use super::read::{boolean, number};
use super::resolved::NotCanonical;
use super::stage::renames;
use super::{API_VERSION, experiment, read};
use crate::digest::Digest;
use crate::experiment::Plan;
use crate::name::{ModelName, Version};
use crate::route::{Adapt, Condition, Flaw, Part, Parts, Route, Rule, Variant};

/// A route as written. It has no references, so it needs no resolution.
#[derive(Clone, Debug)]
pub struct WrittenRoute {
    file: Arc<str>,
    root: Node,
    name: ModelName,
    route: Route,
    experiment: Option<Plan>,
}

impl WrittenRoute {
    /// A route that the server makes, for a rollout.
    pub fn of(name: &ModelName, parts: Parts, experiment: Option<Plan>) -> Result<Self, Vec<Flaw>> {
        let (file, root) = ("a rollout".into(), Node::from_json(&Value::Null));
        Ok(Self {
            file,
            root,
            name: name.clone(),
            route: Route::new(parts)?,
            experiment,
        })
    }

    /// The file that holds it, as the loader named it.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The name that clients use.
    pub const fn name(&self) -> &ModelName {
        &self.name
    }

    /// The route that decides.
    pub const fn route(&self) -> &Route {
        &self.route
    }

    /// The experiment over its variants.
    pub const fn experiment(&self) -> Option<&Plan> {
        self.experiment.as_ref()
    }

    /// The same route with other weights for requests without a key, in the order of its split.
    /// `None` when its weights do not move.
    pub fn drawing_by(&self, weights: Vec<f64>) -> Option<Self> {
        let mut moved = self.clone();
        moved.experiment.as_mut()?.adapt.as_mut()?.drawn = Some(weights);
        Self::parse(&moved.canonical()).ok()
    }

    /// The same route as it was written, without the weights that an experiment has moved since.
    /// `None` when none moved.
    pub fn unmoved(&self) -> Option<Self> {
        let mut written = self.clone();
        written.experiment.as_mut()?.adapt.as_mut()?.drawn.take()?;
        Self::parse(&written.canonical()).ok()
    }

    /// The versions that it names: those of its split in their order, then those that only get
    /// copies.
    pub fn versions(&self) -> impl Iterator<Item = &Version> {
        let Parts {
            variants, mirrors, ..
        } = self.route.parts();
        let answers =
            |version: &Version| variants.iter().any(|variant| variant.version == *version);
        let copies = mirrors
            .iter()
            .map(|mirror| &mirror.version)
            .filter(move |version| !answers(version));
        variants
            .iter()
            .map(|variant| &variant.version)
            .chain(copies)
    }

    /// A problem that was found later, with its place in the file.
    pub fn problem(&self, path: &KeyPath, message: impl Into<String>) -> Problem {
        Problem {
            file: Arc::clone(&self.file),
            place: self.root.locate(path),
            path: path.clone(),
            message: message.into(),
        }
    }

    /// The same about one of its versions, by its index in [`Self::versions`].
    pub fn version_problem(&self, place: usize, message: impl Into<String>) -> Problem {
        let Parts {
            variants, mirrors, ..
        } = self.route.parts();
        let of_mirror = || {
            let version = self.versions().nth(place)?;
            mirrors
                .iter()
                .position(|mirror| mirror.version == *version)
                .map(Part::Mirror)
        };
        let part = if place < variants.len() {
            None
        } else {
            of_mirror()
        };
        self.problem(
            &path(part.unwrap_or(Part::Variant(place))).key("version"),
            message,
        )
    }

    /// The text that the blob store keeps. It is a manifest, too, with every default spelled out.
    pub fn canonical(&self) -> String {
        let mut spec = written(self.route.parts());
        if let Some(plan) = &self.experiment {
            spec["experiment"] = experiment::written(plan, self.route.parts());
        }
        canonical_text(&json!({
            "apiVersion": API_VERSION,
            "kind": "Route",
            "metadata": { "name": self.name.as_str() },
            "spec": spec,
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
            (Some(route), problems) if problems.is_empty() && route.canonical() == text => {
                Ok(route)
            }
            (_, problems) if !problems.is_empty() => Err(NotCanonical::because(&problems)),
            _ => Err(NotCanonical::because(
                &"the text differs from its canonical form",
            )),
        }
    }
}

/// Reads one document. When there are problems, the document must not be used.
pub(super) fn decode(file: &Arc<str>, root: Node) -> (Option<WrittenRoute>, Problems) {
    let mut here = Decoder {
        file: Arc::clone(file),
        path: KeyPath::default(),
        problems: Problems::default(),
    };
    let parts = document(&mut here, &root);
    let experiment = experiment::of(&mut here, &root, parts.as_ref().map(|(_, parts)| parts));
    // Parts that could not be read would be reported a second time.
    let parts = parts.filter(|_| here.problems.is_empty());
    let route = parts.and_then(|(name, parts)| match Route::new(parts) {
        Ok(route) => Some((name, route)),
        Err(flaws) => {
            for flaw in flaws {
                let path = path(flaw.part);
                let place = root.locate(&path);
                here.problems.push(Problem {
                    file: Arc::clone(file),
                    place,
                    path,
                    message: flaw.message,
                });
            }
            None
        }
    });
    let written = route.map(|(name, route)| {
        let route = match experiment.as_ref().and_then(Plan::drawn) {
            Some(weights) => route.drawing_by(weights),
            None => route,
        };
        WrittenRoute {
            file: Arc::clone(file),
            root,
            name,
            route,
            experiment,
        }
    });
    (written, here.problems)
}

fn path(part: Part) -> KeyPath {
    let spec = KeyPath::default().key("spec");
    match part {
        Part::Split => spec.key("split"),
        Part::Variant(index) => spec.key("split").index(index),
        Part::Rules => spec.key("rules"),
        Part::Rule(index) => spec.key("rules").index(index),
        Part::Fallback => spec.key("fallback"),
        Part::Mirrors => spec.key("mirror"),
        Part::Mirror(index) => spec.key("mirror").index(index),
        Part::Condition(index, _) => spec.key("rules").index(index).key("when"),
    }
}

fn document(here: &mut Decoder, root: &Node) -> Option<(ModelName, Parts)> {
    let (name, mut parts) = read::headed(here, root, "Route", spec)?;
    if parts.salt.is_empty() {
        name.as_str().clone_into(&mut parts.salt);
    }
    Some((name, parts))
}

fn spec(here: &mut Decoder, node: &Node) -> Option<Parts> {
    let known = [
        "split",
        "sticky",
        "salt",
        "rules",
        "pin",
        "fallback",
        "mirror",
        "experiment",
    ];
    let fields = here.fields(node, &known)?;
    let variants = here.required(&fields, "split", |here, node| here.list(node, variant))?;
    let sticky = here.optional(&fields, "sticky", sticky);
    let salt = here.optional(&fields, "salt", |here, node| {
        value(here, node).map(str::to_owned)
    });
    let rules = here.optional(&fields, "rules", |here, node| {
        here.list(node, |here, node| rule(here, node, &variants))
    });
    let pin = here.optional(&fields, "pin", boolean);
    let fallback = here.optional(&fields, "fallback", |here, node| {
        beside::fallback(here, node, &variants)
    });
    let mirrors = here.optional(&fields, "mirror", |here, node| {
        here.list(node, beside::mirror)
    });
    Some(Parts {
        salt: salt.unwrap_or_default(),
        variants,
        rules: rules.unwrap_or_default(),
        sticky,
        pin: pin.unwrap_or_default(),
        fallback,
        mirrors: mirrors.unwrap_or_default(),
    })
}

fn variant(here: &mut Decoder, node: &Node) -> Option<Variant> {
    let fields = here.fields(node, &["version", "weight", "inputs", "outputs"])?;
    let version = here.required(&fields, "version", Decoder::parsed);
    let weight = here.optional(&fields, "weight", |here, node| {
        number(here, node, "a number of 0 or more, like 90")
    });
    let inputs = here
        .optional(&fields, "inputs", renames)
        .unwrap_or_default();
    let outputs = here
        .optional(&fields, "outputs", renames)
        .unwrap_or_default();
    Some(Variant {
        version: version?,
        weight: weight.unwrap_or(1.0),
        adapt: Adapt { inputs, outputs },
    })
}

fn rule(here: &mut Decoder, node: &Node, variants: &[Variant]) -> Option<Rule> {
    let fields = here.fields(node, &["when", "version", "percent"])?;
    let when = here.optional(&fields, "when", when);
    let percent = here.optional(&fields, "percent", |here, node| {
        number(here, node, "a number up to 100, like 10")
    });
    let to = here.required(&fields, "version", |here, node| {
        beside::place(here, node, variants)
    });
    Some(Rule {
        when: when.unwrap_or_default(),
        percent: percent.unwrap_or(100.0),
        to: to?,
    })
}

fn written(parts: &Parts) -> Value {
    let Parts {
        salt,
        variants,
        rules,
        sticky,
        pin,
        ..
    } = parts;
    let split = variants.iter().map(
        |Variant {
             version,
             weight,
             adapt: Adapt { inputs, outputs },
         }| {
            let mut written = json!({ "version": version.as_str(), "weight": weight });
            for (key, renames) in [("inputs", inputs), ("outputs", outputs)]
                .into_iter()
                .filter(|(_, it)| !it.is_empty())
            {
                written[key] = json!(renames);
            }
            written
        },
    );
    let rules = rules.iter().map(|rule| {
        json!({
            "when": rule.when.iter().fold(json!({}), |mut when, Condition { source, test }| {
                let (kind, name) = kind(source);
                when[kind][name] = written_test(test);
                when
            }),
            "percent": rule.percent,
            "version": variants.get(rule.to).map(|variant| variant.version.as_str()),
        })
    });
    let mut spec = json!({
        "split": split.collect::<Vec<_>>(),
        "salt": salt,
        "rules": rules.collect::<Vec<_>>(),
        "pin": pin,
    });
    if let Some(source) = sticky {
        let (kind, name) = kind(source);
        spec["sticky"] = json!({ kind: name });
    }
    beside::write(&mut spec, parts);
    spec
}
