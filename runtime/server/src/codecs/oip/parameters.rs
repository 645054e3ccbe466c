//! The `parameters` objects: a few are understood, a few are rejected, and all others are ignored.
//!
//! A value is a string, a number or a boolean. A parameter that asks for an unsupported feature is
//! rejected rather than ignored, because the client relies on its effect.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use hotstage_core::failure::Failure;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::field_path::{FieldPath, Side};
use super::text::{excerpt, string};

/// Parameters that the server understands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Parameters {
    /// Of a request: answer with binary tensors.
    pub(super) binary_data_output: Option<bool>,
    /// Of a requested output: whether it is binary.
    pub(super) binary_data: Option<bool>,
    /// Of a tensor: the size of its bytes after the JSON.
    pub(super) binary_data_size: Option<usize>,
    /// Of a request: how long the client waits for its answer.
    pub(super) timeout: Option<Duration>,
}

impl Parameters {
    /// Reads the object at `place`, if there is one.
    pub(super) fn read(place: FieldPath, raw: Option<&str>) -> Result<Self, Failure> {
        let Some(raw) = raw else {
            return Ok(Self::default());
        };
        let mut deserializer = serde_json::Deserializer::from_str(raw);
        deserializer
            .deserialize_map(Object(place))
            .unwrap_or_else(|_not_an_object| {
                Err(Failure::invalid(format!(
                    "{place}parameters must be an object, given {}",
                    excerpt(raw)
                )))
            })
    }

    fn set(&mut self, place: FieldPath, key: &str, value: &str) -> Result<(), Failure> {
        if !value.starts_with(|first: char| matches!(first, '"' | '-' | '0'..='9' | 't' | 'f')) {
            return Err(must_be(
                place,
                key,
                "a string, a number or a boolean",
                value,
            ));
        }
        match (place, key) {
            (FieldPath::Top, "binary_data_output") => {
                self.binary_data_output = Some(boolean(place, key, value)?);
            }
            // As in Triton: microseconds; 0 means no bound.
            (FieldPath::Top, "timeout") => {
                let microseconds: u64 = value.parse().map_err(|_not_a_number| {
                    must_be(place, key, "a number of microseconds", value)
                })?;
                let timeout = Duration::from_micros(microseconds);
                self.timeout = Some(timeout).filter(|timeout| !timeout.is_zero());
            }
            (FieldPath::RequestedOutput(_), "binary_data") => {
                self.binary_data = Some(boolean(place, key, value)?);
            }
            (FieldPath::Tensor(..), "binary_data_size") => {
                let size = value
                    .parse()
                    .map_err(|_not_a_size| must_be(place, key, "a number of bytes", value))?;
                self.binary_data_size = Some(size);
            }
            // A response comes from a server, which may use parameters that a client may not.
            (FieldPath::Tensor(Side::Output, _), _) => {}
            _ => refuse(place, key)?,
        }
        Ok(())
    }
}

/// Rejects unsupported parameters of clients.
fn refuse(place: FieldPath, key: &str) -> Result<(), Failure> {
    if key.starts_with("triton_") {
        return Err(Failure::invalid(
            "parameter keys starting with 'triton_' are reserved",
        ));
    }
    let reason = match (place, key) {
        (FieldPath::Top, _) => return Ok(()),
        (_, "shared_memory_region" | "shared_memory_offset" | "shared_memory_byte_size") => {
            "shared memory isn't supported; send the tensor in the body"
        }
        (FieldPath::RequestedOutput(_), "classification") => {
            "classification isn't supported; ask for the output itself, or let a stage make the classes"
        }
        _ => return Ok(()),
    };
    Err(Failure::invalid(format!(
        "{place}parameters.{key}: {reason}"
    )))
}

fn boolean(place: FieldPath, key: &str, value: &str) -> Result<bool, Failure> {
    value
        .parse()
        .map_err(|_not_a_boolean| must_be(place, key, "true or false", value))
}

#[cold]
fn must_be(place: FieldPath, key: &str, what: &str, value: &str) -> Failure {
    let (key, value) = (excerpt(key), excerpt(value));
    Failure::invalid(format!(
        "{place}parameters.{key} must be {what}, given {value}"
    ))
}

/// A key, borrowed unless it contains escapes.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// Handles each parameter as it is read, so that many parameters use no memory.
struct Object(FieldPath);

impl<'de> Visitor<'de> for Object {
    type Value = Result<Parameters, Failure>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut parameters = Ok(Parameters::default());
        while let Some((key, value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
            parameters = parameters.and_then(|mut parameters: Parameters| {
                parameters.set(self.0, &key.0, value.get())?;
                Ok(parameters)
            });
        }
        Ok(parameters)
    }
}

/// One parameter of a request as text: the content of a string, or the number or boolean as
/// written.
pub fn parameter(raw: &[u8], name: &str) -> Option<String> {
    let mut deserializer = serde_json::Deserializer::from_slice(raw);
    deserializer.deserialize_map(Sought(name)).ok().flatten()
}

struct Sought<'n>(&'n str);

impl<'de> Visitor<'de> for Sought<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some((key, value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
            if key.0 == self.0 {
                let text = value.get();
                found = Some(string(text).map_or_else(|| text.to_owned(), Cow::into_owned));
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::parameter;

    #[test]
    fn a_parameter_is_found_as_text() {
        let raw = br#"{"a": "x\u0020y", "b": 7, "c": true, "a b": 1.5e3}"#;
        for (name, expect) in [
            ("a", Some("x y")),
            ("b", Some("7")),
            ("c", Some("true")),
            ("a b", Some("1.5e3")),
            ("d", None),
        ] {
            assert_eq!(parameter(raw, name).as_deref(), expect, "{name}");
        }
        assert_eq!(parameter(b"[]", "a"), None);
    }
}
