//! Reads one item of `spec.nodes`: its kind, its branches, and the keys of that kind.

use std::collections::BTreeMap;

use super::super::check;
use super::super::decode::{Decoder, Fields};
use super::super::limits;
use super::super::node::{Data, Entry, Node};
use super::super::problem::Step;
use super::super::read;
use super::super::reference::FileRef;
use super::super::stage::{renames, tensor_name};
use super::when;
use crate::digest::Digest;
use crate::graph::{Branch, Condition, Default, Does, Method, Node as GraphNode};
use crate::limits::{DEADLINE_MAX, NODES_MAX};
use crate::name::NodeName;

const KEYS: [&str; 13] = [
    "name", "pipeline", "version", "digest", "timeout", "ensemble", "merge", "switch", "default",
    "splitter", "sticky", "inputs", "outputs",
];

/// The key that determines a node's kind, and the keys that go with it.
const KINDS: [(&str, &[&str]); 4] = [
    ("pipeline", &["version", "digest", "timeout"]),
    ("ensemble", &["merge"]),
    ("switch", &["default"]),
    ("splitter", &["sticky"]),
];

type Written = Branch<Option<Digest>>;

pub(super) fn read(here: &mut Decoder, node: &Node) -> Option<GraphNode<Option<Digest>>> {
    let fields = here.fields(node, &KEYS)?;
    let name = here.required(&fields, "name", name);
    let inputs = here.optional(&fields, "inputs", renames);
    let outputs = here.optional(&fields, "outputs", renames);
    let kind = kind(here, node, &fields)?;
    let (does, branches) = match kind {
        "ensemble" => ensemble(here, &fields),
        "switch" => switch(here, &fields),
        "splitter" => splitter(here, &fields),
        _ => branch(here, &fields, true).map(|branch| (Does::Call, vec![branch])),
    }?;
    let (inputs, outputs) = (inputs.unwrap_or_default(), outputs.unwrap_or_default());
    Some(GraphNode {
        name: name?,
        does,
        branches,
        inputs,
        outputs,
    })
}

fn name(here: &mut Decoder, node: &Node) -> Option<NodeName> {
    let name: NodeName = here.parsed(node)?;
    let sound = if name.as_str() == check::RESERVED {
        Err(format!(
            "`{}` means the client's request in a source; call the node something else",
            check::RESERVED
        ))
    } else {
        Ok(name)
    };
    here.sound(node, sound)
}

/// The one key that determines the node's kind. Keys of other kinds are reported.
fn kind(here: &mut Decoder, node: &Node, fields: &Fields<'_>) -> Option<&'static str> {
    let written: Vec<&(&str, &[&str])> = KINDS
        .iter()
        .filter(|(kind, _)| fields.get(kind).is_some())
        .collect();
    let [(kind, _)] = written.as_slice() else {
        let message = format!(
            "needs one of `pipeline`, `ensemble`, `switch` and `splitter`, and has {}",
            written.len()
        );
        here.report(node.place, message);
        return None;
    };
    for (other, keys) in KINDS.iter().filter(|(other, _)| other != kind) {
        for key in keys.iter().filter(|key| fields.get(key).is_some()) {
            let place = fields.get(key).map_or(node.place, |value| value.place);
            let message = format!("goes with `{other}`, and this node has `{kind}`");
            here.under(Step::Key((*key).to_owned()), |here| {
                here.report(place, message);
            });
        }
    }
    Some(kind)
}

/// The pipeline to call. The renames of a node with one pipeline are the node's own.
fn branch(here: &mut Decoder, fields: &Fields<'_>, is_node: bool) -> Option<Written> {
    let pipeline = here.required(fields, "pipeline", Decoder::parsed);
    let version = here.required(fields, "version", read::version);
    let digest = here.optional(fields, "digest", digest);
    let timeout = here.optional(fields, "timeout", |here, node| {
        limits::time(here, node, DEADLINE_MAX)
    });
    let (mut inputs, mut outputs) = (None, None);
    if !is_node {
        inputs = here.optional(fields, "inputs", renames);
        outputs = here.optional(fields, "outputs", renames);
    }
    let (inputs, outputs) = (inputs.unwrap_or_default(), outputs.unwrap_or_default());
    Some(Branch {
        pipeline: pipeline?,
        version: version?,
        digest,
        timeout,
        inputs,
        outputs,
    })
}

fn digest(here: &mut Decoder, node: &Node) -> Option<Digest> {
    match here.parsed(node)? {
        FileRef::Digest(digest) => Some(digest),
        FileRef::Path(_) => here.expected("a digest, like `sha256:…`", node),
    }
}

/// The branches of a list, each with the keys that go with it.
fn branches<T>(
    here: &mut Decoder,
    fields: &Fields<'_>,
    key: &'static str,
    own: &'static str,
    mut read: impl FnMut(&mut Decoder, &Fields<'_>) -> Option<T>,
) -> Option<Vec<(Written, T)>> {
    let keys = [
        "pipeline", "version", "digest", "timeout", "inputs", "outputs", own,
    ];
    here.required(fields, key, |here, node| {
        check::not_empty(here, node, "name at least one pipeline");
        check::at_most(here, node, NODES_MAX, "branches");
        here.list(node, |here, node| {
            let fields = here.fields(node, &keys)?;
            let (branch, own) = (branch(here, &fields, false), read(here, &fields));
            Some((branch?, own?))
        })
    })
}

fn ensemble(here: &mut Decoder, fields: &Fields<'_>) -> Option<(Does, Vec<Written>)> {
    let members = branches(here, fields, "ensemble", "soft", |here, fields| {
        Some(
            here.optional(fields, "soft", read::boolean)
                .unwrap_or_default(),
        )
    });
    let merge = here.optional(fields, "merge", |here, node| {
        let mut methods = BTreeMap::new();
        for Entry { key, value, .. } in here.map(node)? {
            here.under(Step::Key(key.clone()), |here| {
                methods.extend(
                    here.word(value, &Method::ALL)
                        .map(|method| (key.clone(), method)),
                );
            });
        }
        Some(methods)
    });
    let (branches, soft) = members?.into_iter().unzip();
    Some((
        Does::Ensemble {
            soft,
            merge: merge.unwrap_or_default(),
        },
        branches,
    ))
}

fn switch(here: &mut Decoder, fields: &Fields<'_>) -> Option<(Does, Vec<Written>)> {
    let cases = branches(here, fields, "switch", "when", |here, fields| {
        here.required(fields, "when", when::read)
    });
    let other = here.required(fields, "default", |here, node| match &node.data {
        Data::Map(_) => {
            let fields = here.fields(
                node,
                &[
                    "pipeline", "version", "digest", "timeout", "inputs", "outputs",
                ],
            )?;
            branch(here, &fields, false).map(Some)
        }
        _ => here.word(node, &[("pass", ())]).map(|()| None),
    });
    let (mut branches, cases): (Vec<Written>, Vec<Condition>) = cases?.into_iter().unzip();
    for (index, case) in cases.iter().enumerate() {
        if let Some(earlier) = cases[..index].iter().position(|earlier| earlier == case)
            && let Some(Node {
                data: Data::List(items),
                ..
            }) = fields.get("switch")
            && let Some(item) = items.get(index)
        {
            let message = format!(
                "can never be called: switch[{earlier}] has the same condition and comes first"
            );
            here.under(Step::Key("switch".to_owned()), |here| {
                here.under(Step::Index(index), |here| here.report(item.place, message));
            });
        }
    }
    let default = if other.as_ref()?.is_some() {
        Default::Ask
    } else {
        Default::Pass
    };
    branches.extend(other.flatten());
    Some((Does::Switch { cases, default }, branches))
}

fn splitter(here: &mut Decoder, fields: &Fields<'_>) -> Option<(Does, Vec<Written>)> {
    let arms = branches(here, fields, "splitter", "weight", |here, fields| {
        let weight = here.optional(fields, "weight", |here, node| {
            let weight = read::number(here, node, "a number of 0 or more, like 90")?;
            let sound = Some(weight).filter(|weight| *weight >= 0.0);
            here.sound(
                node,
                sound.ok_or_else(|| format!("a weight is a number of 0 or more, not {weight}")),
            )
        });
        Some(weight.unwrap_or(1.0))
    });
    let sticky = here.optional(fields, "sticky", tensor_name);
    let (branches, weights): (Vec<Written>, Vec<f64>) = arms?.into_iter().unzip();
    let sum: f64 = weights.iter().sum();
    if let Some(node) = fields
        .get("splitter")
        .filter(|_| sum == 0.0 || sum.is_infinite())
    {
        let message = if sum == 0.0 {
            "all weights are 0, so no pipeline would be called; give one of them a weight"
        } else {
            "the weights' sum is too large to be a number; make all of them smaller"
        };
        here.under(Step::Key("splitter".to_owned()), |here| {
            here.report(node.place, message.to_owned());
        });
    }
    Some((Does::Split { weights, sticky }, branches))
}
