//! How a graph's tensors flow, decided once at deploy: its nodes are wired as stages are, and each
//! node knows which of its inputs a branch takes and which of a branch's outputs it gives.

use super::fit::fit;
use super::{Condition, Does, Graph, Method, Node};
use crate::manifest::KeyPath;
use crate::signature::{Port, Signature};
use crate::wiring::{self, Accepts, Glance, Miswired, Parts, StageWires};

/// How a graph's tensors flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Between nodes.
    pub wiring: wiring::Plan,
    /// Within each node.
    pub nodes: Vec<NodePlan>,
}

/// How tensors flow within a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodePlan {
    /// Its inputs, with everything that its branches know about them.
    pub inputs: Vec<Port>,
    /// For each branch and each of its inputs: the index of the node's input.
    pub takes: Vec<Vec<usize>>,
    /// Where the node's outputs come from.
    pub gives: Gives,
    /// For each output of a switch that may pass on: the index of the node's input that it then is.
    pub pass: Vec<usize>,
}

/// Where a node's outputs come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gives {
    /// From the one branch that was called: for each branch and each of the node's outputs, the
    /// index of the branch's output.
    One(Vec<Vec<usize>>),
    /// From all branches.
    All(Vec<Given>),
}

/// Where one output of an ensemble comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "numbers are places in lists")]
pub enum Given {
    /// From one member.
    Of { branch: usize, output: usize },
    /// From several, by branch and output.
    Merged {
        method: Method,
        of: Vec<(usize, usize)>,
    },
}

/// Plans the graph over members of these signatures (for each node, for each branch), or returns
/// every error.
pub fn plan<M, D>(
    graph: &Graph<M, D>,
    members: &[Vec<&Signature>],
    accepts: Accepts,
) -> Result<Plan, Vec<Miswired>> {
    let (mut fits, mut wrong) = (Vec::new(), Vec::new());
    for (index, (node, branches)) in graph.nodes.iter().zip(members).enumerate() {
        match fit(index, node, branches) {
            Ok(fit) => fits.push((node, glances(index, node), fit)),
            Err(found) => wrong.extend(found),
        }
    }
    // A node that does not fit in itself must be fixed first: its outputs are unknown.
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let wires = fits
        .iter()
        .map(|(node, glances, (signature, _))| StageWires {
            name: node.name.as_str(),
            inputs: &node.inputs,
            outputs: &node.outputs,
            signature,
            glances,
        });
    let wires: Vec<StageWires<'_>> = wires.collect();
    let wiring = wiring::plan(Parts::Nodes, &wires, accepts, graph.outputs.as_deref())?;
    for (index, (node, stage)) in graph.nodes.iter().zip(&wiring.stages).enumerate() {
        let Does::Switch { cases, .. } = &node.does else {
            continue;
        };
        for (case, (Condition { test, .. }, look)) in cases.iter().zip(&stage.looks).enumerate() {
            if let Some(misfit) = test.misfit(look.port.datatype) {
                let path = when(index, node, case);
                wrong.push(Miswired {
                    stage: Some(index),
                    path,
                    message: misfit,
                });
            }
        }
    }
    let nodes = fits.into_iter().map(|(_, _, (_, plan))| plan).collect();
    if wrong.is_empty() {
        Ok(Plan { wiring, nodes })
    } else {
        Err(wrong)
    }
}

/// The tensors that a node reads to decide.
fn glances<M>(index: usize, node: &Node<M>) -> Vec<Glance> {
    match &node.does {
        Does::Switch { cases, .. } => {
            let glance = |(case, condition): (usize, &Condition)| Glance {
                source: condition.tensor.clone(),
                path: when(index, node, case).key("tensor"),
            };
            cases.iter().enumerate().map(glance).collect()
        }
        Does::Split {
            sticky: Some(source),
            ..
        } => {
            vec![Glance {
                source: source.clone(),
                path: KeyPath::node(index).key("sticky"),
            }]
        }
        _ => Vec::new(),
    }
}

fn when<M>(index: usize, node: &Node<M>, case: usize) -> KeyPath {
    node.path(index, case).key("when")
}
