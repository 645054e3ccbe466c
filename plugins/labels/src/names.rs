//! The labels of the columns: texts or integers, from the settings or from a file.
//!
//! A file has one label per line, or JSON: a list, `{"0": "cat"}`, `{"cat": 0}`, or an object with
//! such an object under `id2label`, as in the configuration of many published models. Bound: the
//! file fits the stage's limit `memory`.

use std::borrow::Cow;
use std::fmt;

use hotstage_sdk::{Datatype, Failure, Outputs};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde_json::{Map, Value};

/// The labels of all columns. They have one type, which is the output's.
#[derive(Debug)]
pub(crate) enum Names {
    Texts(Vec<String>),
    Numbers(Vec<i64>),
}

/// One label in the settings.
#[derive(Debug)]
pub(crate) enum Label {
    Text(String),
    Number(i64),
}

impl Names {
    pub(crate) const fn len(&self) -> usize {
        match self {
            Self::Texts(texts) => texts.len(),
            Self::Numbers(numbers) => numbers.len(),
        }
    }

    pub(crate) const fn datatype(&self) -> Datatype {
        match self {
            Self::Texts(_) => Datatype::Bytes,
            Self::Numbers(_) => Datatype::Int64,
        }
    }

    /// Adds a label after those of the columns. False if it has the other type.
    pub(crate) fn push(&mut self, label: Label) -> bool {
        match (self, label) {
            (Self::Texts(texts), Label::Text(text)) => texts.push(text),
            (Self::Numbers(numbers), Label::Number(number)) => numbers.push(number),
            _ => return false,
        }
        true
    }

    /// Sets an output to the labels with these indices.
    pub(crate) fn put(
        &self,
        outputs: &mut Outputs,
        output: &str,
        shape: &[usize],
        places: impl Iterator<Item = usize>,
    ) -> Result<(), Failure> {
        match self {
            Self::Texts(texts) => {
                outputs.put_bytes(output, shape, places.map(|place| &texts[place]))
            }
            Self::Numbers(numbers) => {
                let answered = outputs.make_slice::<i64>(output, shape)?;
                answered
                    .iter_mut()
                    .zip(places)
                    .for_each(|(label, place)| *label = numbers[place]);
                Ok(())
            }
        }
    }
}

/// Parses a file of labels.
pub(crate) fn parse(file: &[u8]) -> Result<Vec<String>, String> {
    let text = std::str::from_utf8(file).map_err(|error| {
        let line = file[..error.valid_up_to()]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count()
            + 1;
        format!("line {line}: is not UTF-8")
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if !text.trim_start().starts_with(['[', '{']) {
        return lines(text);
    }
    match serde_json::from_str(text)
        .map_err(|error| format!("begins like JSON, and is not: {error}"))?
    {
        Value::Array(elements) => {
            let text = |(index, element)| match element {
                Value::String(label) => Ok(label),
                other => Err(format!("[{index}]: is {other}; a label is a string")),
            };
            elements.into_iter().enumerate().map(text).collect()
        }
        Value::Object(mut object) => match object.get_mut("id2label") {
            Some(Value::Object(inner)) => by_place(std::mem::take(inner)),
            _ => by_place(object),
        },
        other => Err(format!("is {other}; lines, a list or an object are needed")),
    }
}

fn lines(text: &str) -> Result<Vec<String>, String> {
    let labels: Vec<String> = text
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect();
    match labels.iter().position(String::is_empty) {
        Some(index) => Err(format!(
            "line {}: is empty; each line is a label",
            index + 1
        )),
        None => Ok(labels),
    }
}

/// `{"0": "cat", "1": "dog"}` or `{"cat": 0, "dog": 1}`.
fn by_place(object: Map<String, Value>) -> Result<Vec<String>, String> {
    let mut labels = vec![None; object.len()];
    for (key, value) in object {
        let (label, place) = match value {
            Value::String(label) => (label, key),
            Value::Number(place) => (key, place.to_string()),
            other => {
                return Err(format!(
                    "`{key}`: is {other}; a label or its column's number is needed"
                ));
            }
        };
        let count = labels.len();
        let found = place
            .parse()
            .ok()
            .and_then(|place: usize| labels.get_mut(place));
        let Some(free) = found else {
            let last = count - 1;
            return Err(format!(
                "label `{label}`: has the number {place}; the {count} labels have the numbers 0 to {last}"
            ));
        };
        if let Some(other) = free.replace(label) {
            return Err(format!(
                "two labels have the number {place}; one is `{other}`"
            ));
        }
    }
    Ok(labels.into_iter().flatten().collect())
}

impl<'de> Deserialize<'de> for Label {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl Visitor<'_> for Either {
            type Value = Label;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a whole number")
            }

            fn visit_str<E>(self, text: &str) -> Result<Label, E> {
                Ok(Label::Text(text.to_owned()))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Label, E> {
                Ok(Label::Number(number))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Label, E> {
                i64::try_from(number)
                    .map(Label::Number)
                    .map_err(|_| E::custom(format!("{number} is no INT64")))
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for Label {
    fn schema_name() -> Cow<'static, str> {
        "Label".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer"] })
    }
}
