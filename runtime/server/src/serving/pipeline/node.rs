//! One node of a graph: the pipelines that it may call, and how it chooses among them.

use std::sync::Arc;
use std::time::Duration;

use hotstage_core::digest::Digest;
use hotstage_core::graph::{Default, Does, Node as Written, NodePlan};
use hotstage_core::request::Payload;
use hotstage_core::route::{Key, Shares};
use hotstage_core::tensor::Tensor;

use super::Pipeline;
use crate::serving::random::next_u64;

/// One node in a graph.
pub struct Node {
    /// Unique in its graph.
    pub name: String,
    /// The pipelines that it may call.
    pub members: Vec<Arc<Pipeline>>,
    /// The members' names and versions: `tumor/1`.
    pub(super) called: Vec<String>,
    pub(super) plan: NodePlan,
    /// The timeouts of the members.
    timeouts: Vec<Option<Duration>>,
    does: Does,
    /// The shares of a splitter.
    shares: Option<Shares>,
}

/// The members that a node calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    All,
    One(usize),
    /// None: the node passes its inputs on.
    Pass,
}

impl Node {
    pub(super) fn new(
        salt: &str,
        written: &Written<Digest>,
        plan: NodePlan,
        members: Vec<Arc<Pipeline>>,
    ) -> Self {
        let called: Vec<String> = members
            .iter()
            .map(|member| format!("{}/{}", member.name, member.version))
            .collect();
        let shares = match &written.does {
            Does::Split { weights, .. } => {
                let arms = called
                    .iter()
                    .map(String::as_str)
                    .zip(weights.iter().copied());
                Some(Shares::new(&format!("{salt}{}", written.name), arms))
            }
            _ => None,
        };
        let timeouts = written
            .branches
            .iter()
            .map(|branch| branch.timeout)
            .collect();
        let (name, does) = (written.name.to_string(), written.does.clone());
        Self {
            name,
            members,
            called,
            plan,
            timeouts,
            does,
            shares,
        }
    }

    /// How many pipelines it may run for one request.
    pub(super) fn runs(&self) -> usize {
        let runs = self.members.iter().map(|member| member.runs());
        match self.does {
            Does::Ensemble { .. } => runs.sum(),
            _ => runs.max().unwrap_or(0),
        }
    }

    /// The member of a node without a choice.
    pub(super) fn only(&self) -> Option<&Arc<Pipeline>> {
        self.members.first().filter(|_| self.does == Does::Call)
    }

    /// A member's timeout.
    pub(super) fn timeout(&self, member: usize) -> Option<Duration> {
        self.timeouts.get(member).copied().flatten()
    }

    /// Whether the merge leaves out a failed member.
    pub(super) fn is_soft(&self, member: usize) -> bool {
        match &self.does {
            Does::Ensemble { soft, .. } => soft.get(member).copied().unwrap_or_default(),
            _ => false,
        }
    }

    /// Chooses by the inspected tensors.
    pub(super) fn choose(&self, looked: &[Tensor]) -> Choice {
        match &self.does {
            Does::Call => Choice::One(0),
            Does::Ensemble { .. } => Choice::All,
            Does::Switch { cases, default } => {
                let holds = cases
                    .iter()
                    .zip(looked)
                    .position(|(case, tensor)| case.holds(tensor));
                match (holds, default) {
                    (Some(case), _) => Choice::One(case),
                    (None, Default::Ask) => Choice::One(cases.len()),
                    (None, Default::Pass) => Choice::Pass,
                }
            }
            Does::Split { .. } => Choice::One(self.shares.as_ref().map_or(0, |shares| {
                let key = looked.first().map(|tensor| shares.key(tensor.data()));
                shares.pick(key.unwrap_or_else(|| Key::by_chance(next_u64())))
            })),
        }
    }

    /// The inputs of a member.
    pub(super) fn payload(&self, member: usize, inputs: &[Tensor]) -> Payload {
        let takes = self.plan.takes.get(member).map_or(&[][..], Vec::as_slice);
        Payload::Tensors(
            takes
                .iter()
                .filter_map(|place| inputs.get(*place).cloned())
                .collect(),
        )
    }
}
