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
//! Defaults: weight 1, no rules, nothing sticky, the route's name as its salt, 100 percent of a rule, no pins. Bounds:
//! those of [`route`](crate::route); a header's or cookie's name has 256 bytes at most, a value 1024.

use std::sync::Arc;

use serde_json::{Value, json};

use super::canonical::canonical_text;
use super::decode::Decoder;
use super::node::{Data, Entry, Node};
use super::problem::{KeyPath, Problem, Problems, Step};
use super::read::{boolean, number};
use super::resolved::NotCanonical;
use super::{API_VERSION, read};
use crate::digest::Digest;
use crate::name::{ModelName, Version};
use crate::route::{Condition, Part, Parts, Pattern, Route, Rule, Source, Test, Variant};
use crate::suggest::{hint, shown};

/// Bytes of a header's or cookie's name.
const SOURCE_BYTES_MAX: usize = 256;
/// Bytes of a value that a rule asks for, and of a salt.
const VALUE_BYTES_MAX: usize = 1024;

/// A route as written. It points at nothing, so it is as it is used.
#[derive(Clone, Debug)]
pub struct WrittenRoute {
    file: Arc<str>,
    root: Node,
    name: ModelName,
    route: Route,
}

impl WrittenRoute {
    /// The file that it is in, as the loader called it.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// What clients call.
    pub const fn name(&self) -> &ModelName {
        &self.name
    }

    /// What decides.
    pub const fn route(&self) -> &Route {
        &self.route
    }

    /// The versions that it names, in the order of its split.
    pub fn versions(&self) -> impl Iterator<Item = &Version> {
        self.route.parts().variants.iter().map(|variant| &variant.version)
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

    /// The same about one variant.
    pub fn variant_problem(&self, variant: usize, message: impl Into<String>) -> Problem {
        self.problem(&path(Part::Variant(variant)).key("version"), message)
    }

    /// The text that the store keeps. It is a manifest, too, with every default spelled out.
    pub fn canonical(&self) -> String {
        canonical_text(&json!({
            "apiVersion": API_VERSION,
            "kind": "Route",
            "metadata": { "name": self.name.as_str() },
            "spec": written(self.route.parts()),
        }))
    }

    /// What names it: the SHA-256 of its canonical text.
    pub fn digest(&self) -> Digest {
        Digest::of(self.canonical().as_bytes())
    }

    /// Reads a canonical text back. Refuses every other text, also one that means the same.
    pub fn parse(text: &str) -> Result<Self, NotCanonical> {
        let value: Value = serde_json::from_str(text).map_err(|error| NotCanonical::because(&error))?;
        match decode(&"canonical".into(), Node::from_json(&value)) {
            (Some(route), problems) if problems.is_empty() && route.canonical() == text => Ok(route),
            (_, problems) if !problems.is_empty() => Err(NotCanonical::because(&problems)),
            _ => Err(NotCanonical::because(&"written in another way than it would be written here")),
        }
    }
}

/// Reads one document. What comes back beside problems is not to be used.
pub(super) fn decode(file: &Arc<str>, root: Node) -> (Option<WrittenRoute>, Problems) {
    let mut here = Decoder { file: Arc::clone(file), path: KeyPath::default(), problems: Problems::default() };
    let parts = document(&mut here, &root);
    // What could not be read would only look wrong again.
    let parts = parts.filter(|_| here.problems.is_empty());
    let route = parts.and_then(|(name, parts)| match Route::new(parts) {
        Ok(route) => Some((name, route)),
        Err(flaws) => {
            for flaw in flaws {
                let path = path(flaw.part);
                let place = root.locate(&path);
                here.problems.push(Problem { file: Arc::clone(file), place, path, message: flaw.message });
            }
            None
        }
    });
    let written = route.map(|(name, route)| WrittenRoute { file: Arc::clone(file), root, name, route });
    (written, here.problems)
}

fn path(part: Part) -> KeyPath {
    let spec = KeyPath::default().key("spec");
    match part {
        Part::Split => spec.key("split"),
        Part::Variant(index) => spec.key("split").index(index),
        Part::Rules => spec.key("rules"),
        Part::Rule(index) => spec.key("rules").index(index),
        Part::Condition(index, _) => spec.key("rules").index(index).key("when"),
    }
}

fn document(here: &mut Decoder, root: &Node) -> Option<(ModelName, Parts)> {
    let fields = here.fields(root, &["apiVersion", "kind", "metadata", "spec"])?;
    here.required(&fields, "apiVersion", |here, node| here.word(node, &[(API_VERSION, ())]));
    here.required(&fields, "kind", |here, node| here.word(node, &[("Route", ())]));
    let name = here.required(&fields, "metadata", |here, node| {
        let fields = here.fields(node, &["name", "description", "labels", "annotations"])?;
        let name = here.required(&fields, "name", Decoder::parsed);
        here.optional(&fields, "description", |here, node| here.text(node).map(|_| ()));
        here.optional(&fields, "labels", read::texts);
        here.optional(&fields, "annotations", read::texts);
        name
    });
    let parts = here.required(&fields, "spec", spec);
    let (name, mut parts): (ModelName, Parts) = (name?, parts?);
    if parts.salt.is_empty() {
        name.as_str().clone_into(&mut parts.salt);
    }
    Some((name, parts))
}

fn spec(here: &mut Decoder, node: &Node) -> Option<Parts> {
    let fields = here.fields(node, &["split", "sticky", "salt", "rules", "pin"])?;
    let variants = here.required(&fields, "split", |here, node| here.list(node, variant))?;
    let sticky = here.optional(&fields, "sticky", sticky);
    let salt = here.optional(&fields, "salt", |here, node| value(here, node).map(str::to_owned));
    let rules = here.optional(&fields, "rules", |here, node| here.list(node, |here, node| rule(here, node, &variants)));
    let pin = here.optional(&fields, "pin", boolean);
    Some(Parts {
        salt: salt.unwrap_or_default(),
        variants,
        rules: rules.unwrap_or_default(),
        sticky,
        pin: pin.unwrap_or_default(),
    })
}

fn variant(here: &mut Decoder, node: &Node) -> Option<Variant> {
    let fields = here.fields(node, &["version", "weight"])?;
    let version = here.required(&fields, "version", Decoder::parsed);
    let weight = here.optional(&fields, "weight", |here, node| number(here, node, "a number of 0 or more, like 90"));
    Some(Variant { version: version?, weight: weight.unwrap_or(1.0) })
}

fn sticky(here: &mut Decoder, node: &Node) -> Option<Source> {
    let known = ["header", "cookie"];
    let fields = here.fields(node, &known)?;
    let written: Vec<&str> = known.into_iter().filter(|key| fields.get(key).is_some()).collect();
    if written.len() != 1 {
        here.report(node.place, format!("needs one of `header` and `cookie`, and has {}", written.len()));
        return None;
    }
    let header = here.optional(&fields, "header", |here, node| {
        let name = here.text(node)?;
        source(here, node, name, Source::Header)
    });
    let cookie = here.optional(&fields, "cookie", |here, node| {
        let name = here.text(node)?;
        source(here, node, name, Source::Cookie)
    });
    header.or(cookie)
}

/// A header or cookie of this name (RFC 9110, section 5.6.2: a token).
fn source(here: &mut Decoder, node: &Node, name: &str, of: fn(String) -> Source) -> Option<Source> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || name.len() > SOURCE_BYTES_MAX || !name.bytes().all(is_token) {
        let message = format!(
            "`{}` can't be sent as a name: one has 1 to {SOURCE_BYTES_MAX} letters, digits and signs like `-`",
            shown(name)
        );
        here.report(node.place, message);
        return None;
    }
    let source = of(name.to_owned());
    Some(match source {
        // Headers' names know no capitals; cookies' do.
        Source::Header(name) => Source::Header(name.to_ascii_lowercase()),
        cookie @ Source::Cookie(_) => cookie,
    })
}

fn rule(here: &mut Decoder, node: &Node, variants: &[Variant]) -> Option<Rule> {
    let fields = here.fields(node, &["when", "version", "percent"])?;
    let when = here.optional(&fields, "when", when);
    let percent = here.optional(&fields, "percent", |here, node| number(here, node, "a number up to 100, like 10"));
    let to = here.required(&fields, "version", |here, node| {
        let version: Version = here.parsed(node)?;
        let position = variants.iter().position(|variant| variant.version == version);
        let names = variants.iter().map(|variant| variant.version.as_str());
        let absent = || {
            format!(
                "the split has no version `{version}`; {}; give it the weight 0 there",
                hint(version.as_str(), names)
            )
        };
        here.sound(node, position.ok_or_else(absent))
    });
    Some(Rule { when: when.unwrap_or_default(), percent: percent.unwrap_or(100.0), to: to? })
}

fn when(here: &mut Decoder, node: &Node) -> Option<Vec<Condition>> {
    let fields = here.fields(node, &["header", "cookie"])?;
    let mut conditions = Vec::new();
    here.optional(&fields, "header", |here, node| of_source(here, node, Source::Header, &mut conditions));
    here.optional(&fields, "cookie", |here, node| of_source(here, node, Source::Cookie, &mut conditions));
    Some(conditions)
}

fn of_source(here: &mut Decoder, node: &Node, of: fn(String) -> Source, found: &mut Vec<Condition>) -> Option<()> {
    for Entry { key, value, .. } in here.map(node)? {
        here.under(Step::Key(key.clone()), |here| {
            let source = source(here, value, key, of);
            let test = test(here, value);
            found.extend(source.zip(test).map(|(source, test)| Condition { source, test }));
        });
    }
    Some(())
}

/// `pilot`, or one of the longer forms.
fn test(here: &mut Decoder, node: &Node) -> Option<Test> {
    if !matches!(node.data, Data::Map(_)) {
        return value(here, node).map(|text| Test::Equals(text.to_owned()));
    }
    let known = ["equals", "one_of", "prefix", "matches", "present"];
    let fields = here.fields(node, &known)?;
    let written = known.into_iter().filter(|key| fields.get(key).is_some()).count();
    if written != 1 {
        here.report(node.place, format!("needs one of `{}`, and has {written}", known.join("`, `")));
        return None;
    }
    let text = |here: &mut Decoder, node| value(here, node).map(str::to_owned);
    let equals = here.optional(&fields, "equals", text).map(Test::Equals);
    let one_of = here.optional(&fields, "one_of", |here, node| here.list(node, text)).map(Test::OneOf);
    let prefix = here.optional(&fields, "prefix", text).map(Test::Prefix);
    let matches = here.optional(&fields, "matches", |here, node| {
        let text = here.text(node)?;
        here.sound(node, Pattern::new(text).map_err(|error| format!("`{}` {error}", shown(text))))
    });
    let present = here.optional(&fields, "present", boolean);
    let present = present.map(|present| if present { Test::Present } else { Test::Absent });
    equals.or(one_of).or(prefix).or(matches.map(Test::Matches)).or(present)
}

fn value<'n>(here: &mut Decoder, node: &'n Node) -> Option<&'n str> {
    let text = here.text(node)?;
    let sound = if text.len() > VALUE_BYTES_MAX {
        Err(format!("has {} bytes; at most {VALUE_BYTES_MAX} are allowed", text.len()))
    } else {
        Ok(text)
    };
    here.sound(node, sound)
}

fn written(parts: &Parts) -> Value {
    let Parts { salt, variants, rules, sticky, pin } = parts;
    let split = variants.iter().map(|variant| json!({ "version": variant.version.as_str(), "weight": variant.weight }));
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
    spec
}

fn kind(source: &Source) -> (&'static str, &str) {
    match source {
        Source::Header(name) => ("header", name),
        Source::Cookie(name) => ("cookie", name),
    }
}

fn written_test(test: &Test) -> Value {
    match test {
        Test::Present => json!({ "present": true }),
        Test::Absent => json!({ "present": false }),
        Test::Equals(text) => json!({ "equals": text }),
        Test::OneOf(texts) => json!({ "one_of": texts }),
        Test::Prefix(text) => json!({ "prefix": text }),
        Test::Matches(pattern) => json!({ "matches": pattern.as_str() }),
    }
}
