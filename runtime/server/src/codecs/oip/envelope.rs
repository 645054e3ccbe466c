//! The JSON around the elements, read without building a tree: every value stays a slice of the
//! text. Most documents are read by `fast_path`; this module reads those that it leaves.
//!
//! Keys may come in any order; unknown keys are skipped. `null` counts as absent. A duplicate key
//! is an error, because it is unclear which value is meant. Values are skipped without recursion,
//! so nesting uses no stack. Bound: [`PORTS_MAX`] objects in a list.

use std::fmt;

use hotstage_core::failure::Failure;
use hotstage_core::limits::PORTS_MAX;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use smallvec::SmallVec;

use super::fast_path;
use super::field_path::Side;

/// The longest part of serde's explanation that a message repeats, in bytes; it may quote a value
/// of any length.
const REASON_BYTES_MAX: usize = 200;

/// A request, a response, or a golden test's document.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Envelope<'a> {
    pub(super) id: Option<&'a str>,
    pub(super) parameters: Option<&'a str>,
    pub(super) inputs: Option<List<'a>>,
    pub(super) outputs: Option<List<'a>>,
}

/// The objects of `inputs` or `outputs`.
pub(super) type List<'a> = SmallVec<[Fields<'a>; 2]>;

/// One tensor's object.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Fields<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) shape: Option<&'a str>,
    pub(super) datatype: Option<&'a str>,
    pub(super) parameters: Option<&'a str>,
    pub(super) data: Option<&'a str>,
}

/// Reads a whole document. `what` is its name in messages: "the request".
pub(super) fn read<'a>(what: &str, json: &'a [u8]) -> Result<Envelope<'a>, Failure> {
    let text = std::str::from_utf8(json).map_err(|error| {
        Failure::invalid(format!(
            "{what} isn't JSON: byte {} isn't UTF-8",
            error.valid_up_to()
        ))
    })?;
    if text.is_empty() {
        return Err(Failure::invalid(format!("{what} is empty")));
    }
    fast_path::read(text).map_or_else(|| slow(what, text), Ok)
}

/// Reads any document, and explains what is wrong with it.
pub(super) fn slow<'a>(what: &str, text: &'a str) -> Result<Envelope<'a>, Failure> {
    let mut envelope = Envelope::default();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    match deserializer
        .deserialize_any(Document(&mut envelope))
        .and_then(|()| deserializer.end())
    {
        Ok(()) => Ok(envelope),
        Err(error) => Err(explain(what, &error)),
    }
}

#[cold]
fn explain(what: &str, error: &serde_json::Error) -> Failure {
    let (line, column) = (error.line(), error.column());
    let full = error.to_string();
    let at = format!(" at line {line} column {column}");
    let reason = full.strip_suffix(&at).unwrap_or(&full);
    let reason = match reason.split_at_checked(reason.floor_char_boundary(REASON_BYTES_MAX)) {
        Some((head, rest)) if !rest.is_empty() => format!("{head}…"),
        _ => reason.to_owned(),
    };
    let problem = if error.is_data() {
        "is not valid"
    } else {
        "isn't JSON"
    };
    Failure::invalid(format!("{what} {problem}: {reason}{at}"))
}

/// Reads a key as its index in the list; `None` for an unknown key.
struct Key(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<usize>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Option<usize>, E> {
        Ok(self.0.iter().position(|known| *known == key))
    }
}

/// The slot for a key's value, if it is the key's first.
fn vacant<'s, T, E: Error>(
    slot: &'s mut Option<T>,
    key: &'static str,
) -> Result<&'s mut Option<T>, E> {
    if slot.is_some() {
        Err(E::duplicate_field(key))
    } else {
        Ok(slot)
    }
}

fn raw<'de, A: MapAccess<'de>>(map: &mut A) -> Result<&'de str, A::Error> {
    map.next_value::<&'de RawValue>().map(RawValue::get)
}

#[inline]
pub(super) fn present(raw: Option<&str>) -> Option<&str> {
    raw.filter(|raw| *raw != "null")
}

// The objects below fill a `&mut` target: returned by value they would be moved at every level, and
// they are large.

/// The outermost object.
struct Document<'e, 'a>(&'e mut Envelope<'a>);

const DOCUMENT_KEYS: [&str; 4] = ["id", "inputs", "outputs", "parameters"];

impl<'de> Visitor<'de> for Document<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self(envelope) = self;
        let (mut id, mut parameters, mut inputs, mut outputs) = (None, None, None, None);
        while let Some(key) = map.next_key_seed(Key(&DOCUMENT_KEYS))? {
            match key {
                Some(0) => *vacant(&mut id, "id")? = Some(raw(&mut map)?),
                Some(1) => {
                    *vacant(&mut inputs, "inputs")? = Some(());
                    map.next_value_seed(Objects(Side::Input, &mut envelope.inputs))?;
                }
                Some(2) => {
                    *vacant(&mut outputs, "outputs")? = Some(());
                    map.next_value_seed(Objects(Side::Output, &mut envelope.outputs))?;
                }
                Some(_) => *vacant(&mut parameters, "parameters")? = Some(raw(&mut map)?),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        envelope.id = present(id);
        envelope.parameters = present(parameters);
        Ok(())
    }
}

/// A list of objects.
struct Objects<'e, 'a>(Side, &'e mut Option<List<'a>>);

impl<'de> DeserializeSeed<'de> for Objects<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Objects<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} as a list of objects", self.0.key())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Self(side, list) = self;
        let list = list.insert(List::new());
        while seq.next_element_seed(Object(side, list))?.is_some() {
            if list.len() > PORTS_MAX {
                return Err(A::Error::custom(format_args!(
                    "more than {PORTS_MAX} {}",
                    side.key()
                )));
            }
        }
        Ok(())
    }
}

/// One object, appended to such a list.
struct Object<'e, 'a>(Side, &'e mut List<'a>);

const OBJECT_KEYS: [&str; 5] = ["name", "shape", "datatype", "parameters", "data"];

impl<'de> DeserializeSeed<'de> for Object<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Object<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object for each of the {}", self.0.key())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut slots = [None; OBJECT_KEYS.len()];
        while let Some(key) = map.next_key_seed(Key(&OBJECT_KEYS))? {
            match key {
                Some(index) => {
                    *vacant(&mut slots[index], OBJECT_KEYS[index])? = Some(raw(&mut map)?);
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let [name, shape, datatype, parameters, data] = slots;
        self.1.push(Fields {
            name: present(name),
            shape: present(shape),
            datatype: present(datatype),
            parameters: present(parameters),
            data: present(data),
        });
        Ok(())
    }
}
