//! Checks that a node's branches fit each other, and computes the node's inputs and outputs.
//!
//! Inputs: every input of every branch, by name; branches that share an input must agree on its
//! type. Outputs: when one branch is chosen, those that all branches give, with the same type; of
//! an ensemble, those that any branch gives, merged where several do (`ensemble`).

use super::plan::{Gives, NodePlan};
use super::{Default, Does, Node};
use crate::manifest::KeyPath;
use crate::signature::{Port, Signature, show_dimensions};
use crate::suggest::{hint, shown};
use crate::wiring::{Miswired, merge};

/// An output of a branch, under its name in the node.
pub(super) struct Made<'a> {
    pub(super) name: &'a str,
    pub(super) port: &'a Port,
    pub(super) branch: usize,
    pub(super) output: usize,
}

/// The check of one node.
pub(super) struct Fit<'a, M> {
    pub(super) index: usize,
    node: &'a Node<M>,
    pub(super) branches: &'a [&'a Signature],
    inputs: Vec<Port>,
    wrong: Vec<Miswired>,
}

/// The node's signature and plan, or every mismatch.
pub(super) fn fit<M>(
    index: usize,
    node: &Node<M>,
    branches: &[&Signature],
) -> Result<(Signature, NodePlan), Vec<Miswired>> {
    let mut fit = Fit {
        index,
        node,
        branches,
        inputs: Vec::new(),
        wrong: Vec::new(),
    };
    fit.renames();
    let takes = (0..branches.len())
        .map(|branch| fit.takes(branch))
        .collect();
    let (outputs, gives) = match &node.does {
        Does::Ensemble { soft, merge } => fit.merged(soft, merge),
        _ => fit.chosen(),
    };
    let pass = match &node.does {
        Does::Switch {
            default: Default::Pass,
            ..
        } => fit.passed(&outputs),
        _ => Vec::new(),
    };
    let Fit {
        inputs, mut wrong, ..
    } = fit;
    let signature = Signature { inputs, outputs };
    let inputs = signature.inputs.clone();
    if wrong.is_empty()
        && let Err(message) = signature.check()
    {
        wrong.push(Miswired {
            stage: Some(index),
            path: KeyPath::node(index),
            message,
        });
    }
    if wrong.is_empty() {
        Ok((
            signature,
            NodePlan {
                inputs,
                takes,
                gives,
                pass,
            },
        ))
    } else {
        Err(wrong)
    }
}

impl<'a, M> Fit<'a, M> {
    pub(super) fn report(&mut self, path: KeyPath, message: String) {
        self.wrong.push(Miswired {
            stage: Some(self.index),
            path,
            message,
        });
    }

    pub(super) fn path(&self, branch: usize) -> KeyPath {
        self.node.path(self.index, branch)
    }

    pub(super) fn shown(&self, branch: usize) -> String {
        self.node
            .branches
            .get(branch)
            .map(super::Branch::shown)
            .unwrap_or_default()
    }

    /// Every rename must name an existing input or output.
    fn renames(&mut self) {
        for (branch, (asked, signature)) in self.node.branches.iter().zip(self.branches).enumerate()
        {
            for (side, renames, ports) in [
                ("input", &asked.inputs, &signature.inputs),
                ("output", &asked.outputs, &signature.outputs),
            ] {
                for key in renames
                    .keys()
                    .filter(|key| ports.iter().all(|port| port.name != **key))
                {
                    let hint = hint(key, ports.iter().map(|port| port.name.as_str()));
                    let message = format!("`{}` has no such {side}; {hint}", asked.shown());
                    self.report(self.path(branch).key(&format!("{side}s")).key(key), message);
                }
            }
        }
    }

    /// For each input of a branch, the index of the node's input.
    fn takes(&mut self, branch: usize) -> Vec<usize> {
        let (asked, signature) = (&self.node.branches[branch], self.branches[branch]);
        let mut takes = Vec::with_capacity(signature.inputs.len());
        for port in &signature.inputs {
            let name = asked.inputs.get(&port.name).unwrap_or(&port.name);
            let wanted = Port {
                name: name.clone(),
                ..port.clone()
            };
            takes.push(self.input(wanted).unwrap_or_else(|(place, other)| {
                let message = format!(
                    "`{}` takes `{}` {} {}, and another branch takes {} {} by that name; call one of them something \
                     else under its branch's `inputs`",
                    asked.shown(),
                    shown(name),
                    port.datatype,
                    show_dimensions(&port.shape),
                    other.datatype,
                    show_dimensions(&other.shape)
                );
                self.report(self.path(branch).key("inputs").key(&port.name), message);
                place
            }));
        }
        takes
    }

    /// The index of the node's input for this port. The error holds the input of the same name that
    /// does not fit.
    fn input(&mut self, wanted: Port) -> Result<usize, (usize, Port)> {
        let Some(place) = self
            .inputs
            .iter()
            .position(|input| input.name == wanted.name)
        else {
            self.inputs.push(wanted);
            return Ok(self.inputs.len() - 1);
        };
        match merge(&self.inputs[place], &wanted) {
            Some(merged) => {
                self.inputs[place] = merged;
                Ok(place)
            }
            None => Err((place, self.inputs[place].clone())),
        }
    }

    pub(super) fn made(&self, branch: usize) -> Vec<Made<'a>> {
        let (node, signature) = (self.node, self.branches[branch]);
        let asked = &node.branches[branch];
        let made = |(output, port): (usize, &'a Port)| Made {
            name: asked.outputs.get(&port.name).unwrap_or(&port.name),
            port,
            branch,
            output,
        };
        signature.outputs.iter().enumerate().map(made).collect()
    }

    /// The outputs that every branch gives, whichever is chosen.
    fn chosen(&mut self) -> (Vec<Port>, Gives) {
        let first = self.made(0);
        let mut outputs: Vec<Port> = first
            .iter()
            .map(|made| Port {
                name: made.name.to_owned(),
                ..made.port.clone()
            })
            .collect();
        let mut gives = vec![first.iter().map(|made| made.output).collect::<Vec<usize>>()];
        for branch in 1..self.branches.len() {
            let made = self.made(branch);
            let mut order = Vec::with_capacity(outputs.len());
            for output in &mut outputs {
                match made.iter().find(|made| made.name == output.name) {
                    Some(made) if known_by_both(output, made.port) => order.push(made.output),
                    Some(made) => {
                        let message = format!(
                            "`{}` gives `{}` {} {} where `{}` gives {} {}; a node gives the same whichever branch \
                             answers",
                            self.shown(branch),
                            shown(&output.name),
                            made.port.datatype,
                            show_dimensions(&made.port.shape),
                            self.shown(0),
                            output.datatype,
                            show_dimensions(&output.shape)
                        );
                        self.report(
                            self.path(branch).key("outputs").key(&made.port.name),
                            message,
                        );
                    }
                    None => self.lacks(branch, &output.name, &made, 0),
                }
            }
            let more = made
                .iter()
                .find(|made| outputs.iter().all(|output| output.name != made.name));
            if let Some(more) = more.filter(|_| order.len() == outputs.len()) {
                self.lacks(0, more.name, &first, branch);
            }
            gives.push(order);
        }
        (outputs, Gives::One(gives))
    }

    fn lacks(&mut self, branch: usize, name: &str, made: &[Made<'_>], other: usize) {
        let message = format!(
            "`{}` gives no `{}`, which `{}` gives; {}; a node gives the same whichever branch answers: rename an \
             output under the branch's `outputs`",
            self.shown(branch),
            shown(name),
            self.shown(other),
            hint(name, made.iter().map(|made| made.name))
        );
        self.report(self.path(branch), message);
    }

    /// The outputs of a switch when no condition holds: tensors from before it, by the names of its
    /// outputs.
    fn passed(&mut self, outputs: &[Port]) -> Vec<usize> {
        let mut pass = Vec::with_capacity(outputs.len());
        let path = KeyPath::node(self.index).key("default");
        if self.index == 0 {
            let message =
                "nothing comes before the first node that could be passed on; name a pipeline";
            self.report(path, message.to_owned());
            return pass;
        }
        for output in outputs {
            match self.input(output.clone()) {
                Ok(place) => pass.push(place),
                Err((place, other)) => {
                    let message = format!(
                        "`{}` {} {} can't be passed on: a branch takes {} {} by that name; call one of them something \
                         else",
                        shown(&output.name),
                        output.datatype,
                        show_dimensions(&output.shape),
                        other.datatype,
                        show_dimensions(&other.shape)
                    );
                    self.report(path.clone(), message);
                    pass.push(place);
                }
            }
        }
        pass
    }
}

/// Reduces the port to what both promise. False if no port satisfies both.
pub(super) fn known_by_both(port: &mut Port, other: &Port) -> bool {
    if port.datatype != other.datatype || port.shape.len() != other.shape.len() {
        return false;
    }
    for (size, other) in port.shape.iter_mut().zip(&other.shape) {
        if size != other {
            *size = None;
        }
    }
    true
}
