//! Reads the conditions of a route's rules, and the sticky key that groups requests.

use serde_json::{Value, json};

use super::decode::Decoder;
use super::node::{Data, Entry, Node};
use super::problem::Step;
use super::read::boolean;
use crate::route::{Condition, Pattern, Source, Test};
use crate::suggest::shown;

/// Bytes of a header's or cookie's name.
const SOURCE_BYTES_MAX: usize = 256;
/// Bytes of a value in a rule, and of a salt.
const VALUE_BYTES_MAX: usize = 1024;

pub(super) fn sticky(here: &mut Decoder, node: &Node) -> Option<Source> {
    let fields = here.fields(node, &SOURCES.map(|(key, _)| key))?;
    let written = SOURCES
        .iter()
        .filter(|(key, _)| fields.get(key).is_some())
        .count();
    if written != 1 {
        let known = SOURCES.map(|(key, _)| key).join("`, `");
        here.report(
            node.place,
            format!("needs one of `{known}`, and has {written}"),
        );
        return None;
    }
    SOURCES.into_iter().find_map(|(key, of)| {
        here.optional(&fields, key, |here, node| {
            let name = here.text(node)?;
            source(here, node, name, of)
        })
    })
}

/// Makes a source from a name.
type OfName = fn(String) -> Source;

/// The sources of values, by their keys.
const SOURCES: [(&str, OfName); 4] = [
    ("header", Source::Header),
    ("cookie", Source::Cookie),
    ("parameter", Source::Parameter),
    ("input", Source::Input),
];

/// A source of this name; the name of a header or cookie is a token (RFC 9110, section 5.6.2).
fn source(here: &mut Decoder, node: &Node, name: &str, of: OfName) -> Option<Source> {
    let source = of(name.to_owned());
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !source.is_in_the_head() {
        let sound = (1..=SOURCE_BYTES_MAX).contains(&name.len());
        return here.sound(
            node,
            sound
                .then_some(source)
                .ok_or(format!("a name has 1 to {SOURCE_BYTES_MAX} bytes")),
        );
    }
    if name.is_empty() || name.len() > SOURCE_BYTES_MAX || !name.bytes().all(is_token) {
        let message = format!(
            "`{}` can't be sent as a name: one has 1 to {SOURCE_BYTES_MAX} letters, digits and signs like `-`",
            shown(name)
        );
        here.report(node.place, message);
        return None;
    }
    Some(match source {
        // Header names are case-insensitive; other names are not.
        Source::Header(name) => Source::Header(name.to_ascii_lowercase()),
        other => other,
    })
}

pub(super) fn when(here: &mut Decoder, node: &Node) -> Option<Vec<Condition>> {
    let fields = here.fields(node, &SOURCES.map(|(key, _)| key))?;
    let mut conditions = Vec::new();
    for (key, of) in SOURCES {
        here.optional(&fields, key, |here, node| {
            of_source(here, node, of, &mut conditions)
        });
    }
    Some(conditions)
}

fn of_source(
    here: &mut Decoder,
    node: &Node,
    of: OfName,
    found: &mut Vec<Condition>,
) -> Option<()> {
    for Entry { key, value, .. } in here.map(node)? {
        here.under(Step::Key(key.clone()), |here| {
            let source = source(here, value, key, of);
            let test = test(here, value);
            found.extend(
                source
                    .zip(test)
                    .map(|(source, test)| Condition { source, test }),
            );
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
    let written = known
        .into_iter()
        .filter(|key| fields.get(key).is_some())
        .count();
    if written != 1 {
        here.report(
            node.place,
            format!("needs one of `{}`, and has {written}", known.join("`, `")),
        );
        return None;
    }
    let text = |here: &mut Decoder, node| value(here, node).map(str::to_owned);
    let equals = here.optional(&fields, "equals", text).map(Test::Equals);
    let one_of = here
        .optional(&fields, "one_of", |here, node| here.list(node, text))
        .map(Test::OneOf);
    let prefix = here.optional(&fields, "prefix", text).map(Test::Prefix);
    let matches = here.optional(&fields, "matches", |here, node| {
        let text = here.text(node)?;
        here.sound(
            node,
            Pattern::new(text).map_err(|error| format!("`{}` {error}", shown(text))),
        )
    });
    let present = here.optional(&fields, "present", boolean);
    let present = present.map(|present| if present { Test::Present } else { Test::Absent });
    equals
        .or(one_of)
        .or(prefix)
        .or(matches.map(Test::Matches))
        .or(present)
}

pub(super) fn value<'n>(here: &mut Decoder, node: &'n Node) -> Option<&'n str> {
    let text = here.text(node)?;
    let sound = if text.len() > VALUE_BYTES_MAX {
        Err(format!(
            "has {} bytes; at most {VALUE_BYTES_MAX} are allowed",
            text.len()
        ))
    } else {
        Ok(text)
    };
    here.sound(node, sound)
}

pub(super) fn kind(source: &Source) -> (&'static str, &str) {
    match source {
        Source::Header(name) => ("header", name),
        Source::Cookie(name) => ("cookie", name),
        Source::Parameter(name) => ("parameter", name),
        Source::Input(name) => ("input", name),
    }
}

pub(super) fn written_test(test: &Test) -> Value {
    match test {
        Test::Present => json!({ "present": true }),
        Test::Absent => json!({ "present": false }),
        Test::Equals(text) => json!({ "equals": text }),
        Test::OneOf(texts) => json!({ "one_of": texts }),
        Test::Prefix(text) => json!({ "prefix": text }),
        Test::Matches(pattern) => json!({ "matches": pattern.as_str() }),
    }
}
