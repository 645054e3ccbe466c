//! Reads one item of `spec.stages`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Stage;
use super::decode::Decoder;
use super::node::{Entry, Node};
use super::problem::Step;
use super::reference::{ComponentRef, FileRef};
use crate::batch::Batching;
use crate::isolation::Isolation;
use crate::limits::{NAME_BYTES_MAX, PORT_NAME_BYTES_MAX};
use crate::name::{FileName, NotAName};
use crate::role::Role;

const KEYS: [&str; 10] = [
    "name",
    "role",
    "component",
    "settings",
    "files",
    "inputs",
    "outputs",
    "limits",
    "batch",
    "isolation",
];

pub(super) fn read(here: &mut Decoder, node: &Node) -> Option<Stage<ComponentRef, FileRef>> {
    let fields = here.fields(node, &KEYS)?;
    let name = here.required(&fields, "name", Decoder::parsed);
    let role = here.required(&fields, "role", |here, node| {
        here.word(node, &Role::ALL.map(|role| (role.name(), role)))
    });
    let component = here.required(&fields, "component", Decoder::parsed);
    let settings = here.optional(&fields, "settings", settings);
    let files = here.optional(&fields, "files", files);
    let inputs = here.optional(&fields, "inputs", renames);
    let outputs = here.optional(&fields, "outputs", renames);
    let limits = here.optional(&fields, "limits", super::limits::read);
    let batch = here.optional(&fields, "batch", |here, node| batch(here, node, role));
    let isolation = here.optional(&fields, "isolation", |here, node| {
        isolation(here, node, role)
    });
    Some(Stage {
        name: name?,
        role: role?,
        component: component?,
        settings: settings.unwrap_or_default(),
        files: files.unwrap_or_default(),
        inputs: inputs.unwrap_or_default(),
        outputs: outputs.unwrap_or_default(),
        limits: limits.unwrap_or_default(),
        batch,
        isolation,
    })
}

/// Only the rows of a model are independent of each other.
fn batch(here: &mut Decoder, node: &Node, role: Option<Role>) -> Option<Batching> {
    if role.is_some_and(|role| role != Role::Model) {
        return here.sound(node, Err("only a model stage is batched".to_owned()));
    }
    super::batch::read(here, node)
}

/// Only a model opens graphs.
fn isolation(here: &mut Decoder, node: &Node, role: Option<Role>) -> Option<Isolation> {
    if role.is_some_and(|role| role != Role::Model) {
        return here.sound(node, Err("only a model stage computes graphs".to_owned()));
    }
    here.word(
        node,
        &Isolation::ALL.map(|isolation| (isolation.name(), isolation)),
    )
}

fn settings(here: &mut Decoder, node: &Node) -> Option<Map<String, Value>> {
    here.map(node)?;
    match here.json(node) {
        Value::Object(settings) => Some(settings),
        _ => None,
    }
}

fn files(here: &mut Decoder, node: &Node) -> Option<BTreeMap<FileName, FileRef>> {
    let mut files = BTreeMap::new();
    for Entry { key, place, value } in here.map(node)? {
        here.under(Step::Key(key.clone()), |here| {
            let name = key
                .parse()
                .map_err(|error: NotAName| here.report(*place, error.to_string()));
            if let (Ok(name), Some(file)) = (name, here.parsed(value)) {
                files.insert(name, file);
            }
        });
    }
    Some(files)
}

/// Inputs to sources, or outputs to names. Only the component knows which inputs and outputs exist;
/// that is checked when the stages are wired.
pub(super) fn renames(here: &mut Decoder, node: &Node) -> Option<BTreeMap<String, String>> {
    let mut renames = BTreeMap::new();
    for Entry { key, value, .. } in here.map(node)? {
        here.under(Step::Key(key.clone()), |here| {
            if let Some(name) = tensor_name(here, value) {
                renames.insert(key.clone(), name);
            }
        });
    }
    Some(renames)
}

/// The name of a tensor, or a source with a stage before it.
pub(super) fn tensor_name(here: &mut Decoder, node: &Node) -> Option<String> {
    let name = here.text(node)?;
    let bytes_max = PORT_NAME_BYTES_MAX + NAME_BYTES_MAX + 1;
    let sound = if name.chars().any(char::is_control) {
        Err("a tensor's name can't have control characters".to_owned())
    } else if name.len() > bytes_max {
        Err(format!(
            "has {} bytes; at most {bytes_max} are allowed",
            name.len()
        ))
    } else {
        Ok(name.to_owned())
    };
    here.sound(node, sound)
}
