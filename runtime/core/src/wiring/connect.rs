//! Finds the origin of every input and every answer.

use std::collections::BTreeMap;

use super::{Accepts, Miswired, Parts, StageWires, merge};
use crate::manifest::KeyPath;
use crate::signature::{Port, show_dimensions};
use crate::suggest::{hint, shown};

/// The origin of a tensor. Slots are numbered only when all of the request's tensors are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The client; the index counts the pipeline's inputs.
    Request(usize),
    /// A stage; the index counts all outputs of all stages.
    Made(usize),
}

/// A tensor that the client sends.
struct Wanted {
    /// Everything that its takers know about it.
    port: Port,
    /// The first of its takers.
    taker: String,
}

/// A tensor that a stage makes.
pub(super) struct Made<'a> {
    pub stage: usize,
    /// The name by which later stages take it.
    pub name: &'a str,
    pub port: &'a Port,
}

/// The inputs of a stage and whether each must be checked, and the tensors that it reads to decide.
pub(super) struct Uses {
    pub takes: Vec<(Origin, bool)>,
    pub looks: Vec<Origin>,
}

pub(super) struct Connect<'a> {
    pub parts: Parts,
    pub stages: &'a [StageWires<'a>],
    pub accepts: Accepts,
    wanted: Vec<Wanted>,
    pub made: Vec<Made<'a>>,
    pub wrong: Vec<Miswired>,
}

impl<'a> Connect<'a> {
    pub(super) fn new(parts: Parts, stages: &'a [StageWires<'a>], accepts: Accepts) -> Self {
        Self {
            parts,
            stages,
            accepts,
            wanted: Vec::new(),
            made: Vec::new(),
            wrong: Vec::new(),
        }
    }

    /// The pipeline's inputs.
    pub(super) fn inputs(&self) -> Vec<Port> {
        self.wanted
            .iter()
            .map(|wanted| wanted.port.clone())
            .collect()
    }

    /// Wires one stage: for each input its origin, and whether each tensor must be checked.
    /// Afterwards the stage's outputs are available to the next.
    pub(super) fn stage(&mut self, index: usize) -> Uses {
        let stage = self.stages[index];
        self.check_renames(index, "input", stage.inputs, &stage.signature.inputs);
        self.check_renames(index, "output", stage.outputs, &stage.signature.outputs);
        let mut takes = Vec::new();
        for port in &stage.signature.inputs {
            let origin = match stage.inputs.get(&port.name) {
                Some(source) => self.by_source(index, source, Some(port)),
                None => self.by_own_name(index, port),
            };
            let used = origin.and_then(|origin| self.connect(index, port, origin));
            match used {
                Ok(used) => takes.push(used),
                Err(message) => {
                    let path = self.parts.path(index).key("inputs").key(&port.name);
                    self.wrong.push(Miswired {
                        stage: Some(index),
                        path,
                        message,
                    });
                }
            }
        }
        let looks = self.looks(index);
        self.make_outputs(index);
        Uses { takes, looks }
    }

    fn looks(&mut self, index: usize) -> Vec<Origin> {
        let mut looks = Vec::new();
        for glance in self.stages[index].glances {
            match self.by_source(index, &glance.source, None) {
                Ok(origin) => looks.push(origin),
                Err(message) => {
                    self.wrong.push(Miswired {
                        stage: Some(index),
                        path: glance.path.clone(),
                        message,
                    });
                }
            }
        }
        looks
    }

    /// The tensors that `spec.outputs` names.
    pub(super) fn answers(&mut self, outputs: &[String]) -> Vec<(Port, Origin)> {
        let mut answers: Vec<(Port, Origin)> = Vec::new();
        for (index, source) in outputs.iter().enumerate() {
            let found = self.by_source(self.stages.len(), source, None);
            match found.and_then(|origin| self.answer(origin, &answers)) {
                Ok(answer) => answers.push(answer),
                Err(message) => {
                    let path = KeyPath::default().key("spec").key("outputs").index(index);
                    self.wrong.push(Miswired {
                        stage: None,
                        path,
                        message,
                    });
                }
            }
        }
        answers
    }

    /// A tensor as an answer, unless an earlier answer has its name.
    fn answer(&self, origin: Origin, before: &[(Port, Origin)]) -> Result<(Port, Origin), String> {
        let port = self.port(origin);
        match before.iter().find(|(other, _)| other.name == port.name) {
            Some((_, other)) => Err(format!(
                "another answer is called `{}` as well: `{}`; give one of them another name under its {}'s \
                 `outputs`",
                shown(&port.name),
                self.qualified(*other),
                self.parts.word()
            )),
            None => Ok((port, origin)),
        }
    }

    /// All outputs of the last stage.
    pub(super) fn last_outputs(&self) -> Vec<(Port, Origin)> {
        let last = self.stages.len().saturating_sub(1);
        let made = (0..self.made.len())
            .filter(|index| self.made[*index].stage == last)
            .map(Origin::Made);
        made.map(|origin| (self.port(origin), origin)).collect()
    }

    /// The tensor of this name: the latest stage's, or else the client's, if an earlier stage takes
    /// it.
    pub(super) fn by_name(&self, name: &str) -> Option<Origin> {
        let made = self
            .made
            .iter()
            .rposition(|made| made.name == name)
            .map(Origin::Made);
        made.or_else(|| {
            self.requested(name)
                .filter(|_| self.accepts == Accepts::Tensors)
        })
    }

    /// The client's tensor of this name, if an earlier stage takes it.
    pub(super) fn requested(&self, name: &str) -> Option<Origin> {
        self.wanted
            .iter()
            .position(|wanted| wanted.port.name == name)
            .map(Origin::Request)
    }

    /// Adds one more tensor to the client's, for an input of the stage.
    pub(super) fn request(&mut self, index: usize, name: &str, taker: &Port) -> Origin {
        let port = Port {
            name: name.to_owned(),
            ..taker.clone()
        };
        self.wanted.push(Wanted {
            port,
            taker: self.show_input(index, taker),
        });
        Origin::Request(self.wanted.len() - 1)
    }

    fn by_own_name(&mut self, index: usize, port: &Port) -> Result<Origin, String> {
        // The first stage's inputs are the client's, even when two stand for the same tensor.
        match self
            .by_name(&port.name)
            .or_else(|| self.requested(&port.name).filter(|_| index == 0))
        {
            Some(origin) => Ok(origin),
            None if index == 0 => Ok(self.request(index, &port.name, port)),
            None => Err(self.unknown_input(index, port)),
        }
    }

    /// Whether the tensor fits the input, and whether that must be checked for each request.
    fn connect(
        &mut self,
        index: usize,
        port: &Port,
        origin: Origin,
    ) -> Result<(Origin, bool), String> {
        match origin {
            Origin::Made(made) => {
                let given = self.made[made].port;
                match given.may_feed(port) {
                    Ok(()) => Ok((origin, !given.always_feeds(port))),
                    Err(_) => Err(format!(
                        "{} can't take {}",
                        self.show_input(index, port),
                        self.show(origin)
                    )),
                }
            }
            // The pipeline's input knows everything that its takers know, and a request is checked
            // against it.
            Origin::Request(wanted) => match merge(&self.wanted[wanted].port, port) {
                Some(merged) => {
                    self.wanted[wanted].port = merged;
                    Ok((origin, false))
                }
                None => Err(format!(
                    "{} can't take {}, which {} takes too",
                    self.show_input(index, port),
                    self.show(origin),
                    self.wanted[wanted].taker
                )),
            },
        }
    }

    fn check_renames(
        &mut self,
        index: usize,
        side: &str,
        renames: &BTreeMap<String, String>,
        ports: &[Port],
    ) {
        for key in renames
            .keys()
            .filter(|key| ports.iter().all(|port| port.name != **key))
        {
            let stage = self.stages[index].name;
            let hint = hint(key, ports.iter().map(|port| port.name.as_str()));
            let path = self.parts.path(index).key(&format!("{side}s")).key(key);
            let message = format!("{} `{stage}` has no such {side}; {hint}", self.parts.word());
            self.wrong.push(Miswired {
                stage: Some(index),
                path,
                message,
            });
        }
    }

    fn make_outputs(&mut self, index: usize) {
        let stage = self.stages[index];
        let start = self.made.len();
        for port in &stage.signature.outputs {
            let name = stage.outputs.get(&port.name).unwrap_or(&port.name).as_str();
            if let Some(other) = self.made[start..].iter().find(|made| made.name == name) {
                let message = format!(
                    "outputs `{}` and `{}` of {} `{}` would both be called `{}`",
                    shown(&other.port.name),
                    shown(&port.name),
                    self.parts.word(),
                    stage.name,
                    shown(name)
                );
                let path = self.parts.path(index).key("outputs").key(&port.name);
                self.wrong.push(Miswired {
                    stage: Some(index),
                    path,
                    message,
                });
            }
            self.made.push(Made {
                stage: index,
                name,
                port,
            });
        }
    }

    /// The port under its name in the pipeline. The port of a request's tensor gets more precise
    /// with each taker.
    pub(super) fn port(&self, origin: Origin) -> Port {
        match origin {
            Origin::Request(index) => self.wanted[index].port.clone(),
            Origin::Made(index) => Port {
                name: self.made[index].name.to_owned(),
                ..self.made[index].port.clone()
            },
        }
    }

    /// `scale.features`.
    pub(super) fn qualified(&self, origin: Origin) -> String {
        match origin {
            Origin::Request(index) => format!("request.{}", shown(&self.wanted[index].port.name)),
            Origin::Made(index) => {
                format!(
                    "{}.{}",
                    self.stages[self.made[index].stage].name,
                    shown(self.made[index].name)
                )
            }
        }
    }

    /// `` `scale.features` FP32 [-1, 30] ``.
    pub(super) fn show(&self, origin: Origin) -> String {
        let port = self.port(origin);
        format!(
            "`{}` {} {}",
            self.qualified(origin),
            port.datatype,
            show_dimensions(&port.shape)
        )
    }

    fn show_input(&self, index: usize, port: &Port) -> String {
        let (stage, name) = (self.stages[index].name, shown(&port.name));
        format!(
            "{} `{stage}` input `{name}` {} {}",
            self.parts.word(),
            port.datatype,
            show_dimensions(&port.shape)
        )
    }

    /// Everything that can be taken so far, the client's first.
    pub(super) fn reachable(&self) -> Vec<Origin> {
        let wanted = if self.accepts == Accepts::Tensors {
            self.wanted.len()
        } else {
            0
        };
        (0..wanted)
            .map(Origin::Request)
            .chain((0..self.made.len()).map(Origin::Made))
            .collect()
    }

    /// The stage that makes the tensor, unless the client sends it.
    pub(super) fn maker(&self, origin: Origin) -> Option<&str> {
        match origin {
            Origin::Request(_) => None,
            Origin::Made(index) => Some(self.stages[self.made[index].stage].name),
        }
    }

    /// A tensor's own name.
    pub(super) fn bare(&self, origin: Origin) -> &str {
        match origin {
            Origin::Request(index) => &self.wanted[index].port.name,
            Origin::Made(index) => self.made[index].name,
        }
    }
}
