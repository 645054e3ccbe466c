//! Wiring: which tensor goes where, decided once at deploy, so that a request only follows indices.
//!
//! Every tensor of a request has a slot: first the pipeline's inputs, then each stage's outputs in
//! order. By default an input takes the tensor of its own name from the latest stage before it that
//! made one, or else the client's; for the first stage the client must send it. A rename under a
//! stage's `inputs` names another source: `tensor`, `stage.tensor`, or `request.tensor`, which
//! requires one more tensor from the client. A rename under `outputs` changes the name for all
//! later stages. Two inputs that take the same tensor from the client must agree on its type; the
//! client must keep to everything that either knows of its shape. The answer has the last stage's
//! outputs, unless `spec.outputs` names others.
//!
//! A graph's nodes are wired as stages are. A node may also read a tensor to decide, without taking
//! it.
//!
//! A first stage that takes raw bodies leaves no request tensors for other stages, since a raw body
//! has none. Bounds: those of [`Signature::check`], for the pipeline as for a stage.

mod connect;
mod source;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use self::connect::{Connect, Origin, Uses};
use crate::manifest::{KeyPath, Stage};
use crate::signature::{Port, Signature};

/// The kind of parts. The rules are the same; the words and the paths in the document differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parts {
    /// A pipeline's stages.
    Stages,
    /// A graph's nodes, in place of stages.
    Nodes,
}

impl Parts {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Stages => "stage",
            Self::Nodes => "node",
        }
    }

    pub(super) const fn whole(self) -> &'static str {
        match self {
            Self::Stages => "pipeline",
            Self::Nodes => "graph",
        }
    }

    pub(super) fn path(self, index: usize) -> KeyPath {
        match self {
            Self::Stages => KeyPath::stage(index),
            Self::Nodes => KeyPath::node(index),
        }
    }
}

/// A stage as wiring sees it: the manifest's part and the component's.
#[derive(Clone, Copy, Debug)]
pub struct StageWires<'a> {
    /// Its name.
    pub name: &'a str,
    /// The manifest's `inputs`: input to source.
    pub inputs: &'a BTreeMap<String, String>,
    /// The manifest's `outputs`: output to name.
    pub outputs: &'a BTreeMap<String, String>,
    /// The signature that its component returned when it was opened.
    pub signature: &'a Signature,
    /// Tensors that it reads to decide, without taking them.
    pub glances: &'a [Glance],
}

/// A tensor that is read to decide, and stays in its slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glance {
    /// The source as written.
    pub source: String,
    /// The path of the source in the document.
    pub path: KeyPath,
}

impl<'a> StageWires<'a> {
    /// A manifest's stage, with the signature of its component.
    pub fn of<C, F>(stage: &'a Stage<C, F>, signature: &'a Signature) -> Self {
        Self {
            name: stage.name.as_str(),
            inputs: &stage.inputs,
            outputs: &stage.outputs,
            signature,
            glances: &[],
        }
    }
}

/// The bodies that the first stage takes from a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepts {
    /// Tensors alone.
    Tensors,
    /// Raw bodies as well.
    Raw,
}

/// How a pipeline's tensors flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The signature that a client sees.
    pub signature: Signature,
    /// The number of slots that a request needs. The first are the pipeline's inputs.
    pub slots: usize,
    /// What each stage takes and fills.
    pub stages: Vec<StagePlan>,
    /// The slot of each of the pipeline's outputs. No slot occurs twice, so each may be moved out.
    pub answers: Vec<usize>,
}

/// One stage's part of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagePlan {
    /// One for each input, in the signature's order.
    pub takes: Vec<Take>,
    /// The slots of its outputs, in the signature's order.
    pub fills: Range<usize>,
    /// The tensors that it reads before it takes any, in the order of the glances.
    pub looks: Vec<Look>,
}

/// A tensor that is read to decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// Its slot.
    pub slot: usize,
    /// Its port.
    pub port: Port,
}

/// One input's tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Take {
    /// Its slot.
    pub slot: usize,
    /// Nothing takes it afterwards, so it may be moved out.
    pub last_use: bool,
    /// Its maker may produce tensors that don't fit this input, so each one must be checked.
    pub check: bool,
}

/// A part that can't be wired. The path starts at the document's root, so that the owner of the
/// document can find the line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
#[expect(missing_docs, reason = "the type's line says it")]
pub struct Miswired {
    /// The stage; `None` for `spec.outputs`.
    pub stage: Option<usize>,
    pub path: KeyPath,
    pub message: String,
}

/// Wires the stages, or returns all errors.
pub fn plan(
    parts: Parts,
    stages: &[StageWires<'_>],
    accepts: Accepts,
    outputs: Option<&[String]>,
) -> Result<Plan, Vec<Miswired>> {
    let mut connect = Connect::new(parts, stages, accepts);
    let uses: Vec<Uses> = (0..stages.len())
        .map(|index| connect.stage(index))
        .collect();
    let answers = match outputs {
        Some(outputs) => connect.answers(outputs),
        None => connect.last_outputs(),
    };
    let signature = Signature {
        inputs: connect.inputs(),
        outputs: answers.iter().map(|(port, _)| port.clone()).collect(),
    };
    if connect.wrong.is_empty()
        && let Err(message) = signature.check()
    {
        let path = KeyPath::default().key("spec");
        connect.wrong.push(Miswired {
            stage: None,
            path,
            message: format!("the {} as a whole: {message}", parts.whole()),
        });
    }
    if !connect.wrong.is_empty() {
        return Err(connect.wrong);
    }
    let inputs = signature.inputs.len();
    let slot = |origin: Origin| match origin {
        Origin::Request(index) => index,
        Origin::Made(index) => inputs + index,
    };
    let mut slots = inputs;
    let mut plans = Vec::with_capacity(stages.len());
    for (stage, uses) in stages.iter().zip(uses) {
        let fills = slots..slots + stage.signature.outputs.len();
        slots = fills.end;
        let takes = uses.takes.into_iter().map(|(origin, check)| Take {
            slot: slot(origin),
            last_use: false,
            check,
        });
        let looks = uses.looks.into_iter().map(|origin| Look {
            slot: slot(origin),
            port: connect.port(origin),
        });
        plans.push(StagePlan {
            takes: takes.collect(),
            fills,
            looks: looks.collect(),
        });
    }
    let answers: Vec<usize> = answers
        .into_iter()
        .map(|(_, origin)| slot(origin))
        .collect();
    mark_last_uses(&mut plans, &answers);
    Ok(Plan {
        signature,
        slots,
        stages: plans,
        answers,
    })
}

/// From the end: the first occurrence of a slot is its last use. The answers come after all stages.
fn mark_last_uses(stages: &mut [StagePlan], answers: &[usize]) {
    let mut seen: BTreeSet<usize> = answers.iter().copied().collect();
    for stage in stages.iter_mut().rev() {
        for take in stage.takes.iter_mut().rev() {
            take.last_use = seen.insert(take.slot);
        }
        // A node reads before it takes, so the tensors that it reads must still be in their slots
        // then.
        seen.extend(stage.looks.iter().map(|look| look.slot));
    }
}

/// What two takers of one request tensor know about it together; `None` when they disagree.
pub(crate) fn merge(one: &Port, other: &Port) -> Option<Port> {
    other.may_feed(one).ok()?;
    let shape = one
        .shape
        .iter()
        .zip(&other.shape)
        .map(|(one, other)| one.or(*other))
        .collect();
    Some(Port {
        name: one.name.clone(),
        datatype: one.datatype,
        shape,
    })
}
