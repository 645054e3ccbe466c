//! A graph that is served: its nodes and the pipelines that they call.
//!
//! The graph computes next to nothing itself and runs where its request runs. Each member pipeline
//! chooses its executor ([`compute`](crate::executors::compute)), waits for its own permit and
//! keeps its own limits. Dropping a request to a graph drops all its calls. Default: no deadline
//! and no timeouts; `spec.deadline` bounds all nodes together, a member's `timeout` one call.
//! Golden tests have no timeouts.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hotstage_core::failure::{Failure, Kind};
use hotstage_core::graph::{self, Given, Gives, ResolvedGraph, merge};
use hotstage_core::quantity::show_duration;
use hotstage_core::request::Payload;
use hotstage_core::tensor::Tensor;
use hotstage_core::wiring::Plan;
use hotstage_engine::Tensors;

use super::chain::Counted;
use super::node::{Choice, Node};
use super::slots::Slots;
use super::{Answer, Pipeline, join};
use crate::executors::compute::ComputePool;

/// Tensors above this many bytes are inspected and merged in the compute pool.
const LONG_TENSOR: usize = 256 << 10;

/// A graph that can be served.
pub struct Graph {
    /// In order.
    pub nodes: Vec<Arc<Node>>,
    /// The resolved document.
    pub written: ResolvedGraph,
    pub(super) plan: Plan,
    pub(super) deadline: Option<Duration>,
    /// Levels of nested graphs, this one included.
    pub(super) depth: usize,
    /// How many pipelines one request may run.
    pub(super) runs: usize,
}

/// How members are called.
#[derive(Clone, Copy)]
pub(super) enum Asking<'a> {
    /// For a client's request.
    Served(&'a ComputePool),
    /// For a golden test, a warm-up call or a mirrored copy: on this thread, and not counted as a
    /// request.
    Tried(Counted),
}

impl Graph {
    /// Creates the graph; `members` has one pipeline for each branch of each node.
    pub fn new(
        written: ResolvedGraph,
        plan: graph::Plan,
        members: Vec<Vec<Arc<Pipeline>>>,
    ) -> Self {
        let depth = members
            .iter()
            .flatten()
            .map(|member| member.depth())
            .max()
            .unwrap_or(0)
            + 1;
        let salt = format!("{}/", written.name);
        let nodes = written.nodes.iter().zip(plan.nodes).zip(members);
        let nodes =
            nodes.map(|((node, plan), members)| Arc::new(Node::new(&salt, node, plan, members)));
        let nodes: Vec<Arc<Node>> = nodes.collect();
        let runs = nodes.iter().map(|node| node.runs()).sum();
        let deadline = written.deadline;
        Self {
            nodes,
            written,
            plan: plan.wiring,
            deadline,
            depth,
            runs,
        }
    }

    /// Levels of nested graphs, this one included.
    pub const fn depth(&self) -> usize {
        self.depth
    }

    /// How many pipelines one request may run at most.
    pub const fn runs(&self) -> usize {
        self.runs
    }

    /// Runs the nodes in order.
    pub(super) async fn run(
        &self,
        pipeline: &Pipeline,
        asking: Asking<'_>,
        payload: Payload,
    ) -> Result<Answer, Failure> {
        let (mut slots, mut raw) = Slots::begin(&self.plan, payload);
        let mut asked = String::new();
        for (node, wires) in self.nodes.iter().zip(&self.plan.stages) {
            let whose = || {
                format!(
                    "node `{}` of graph `{}` version {}",
                    node.name, pipeline.name, pipeline.version
                )
            };
            if let (Some(raw), Some(_)) = (raw.take(), node.only()) {
                let answer = ask(node, 0, asking, raw).await?;
                if !answer.asked.is_empty() {
                    note_choice(&mut asked, node, &node.called[0], &answer.asked);
                }
                slots.fill(answer.outputs);
                continue;
            }
            let looked: Result<Vec<Tensor>, Failure> = wires
                .looks
                .iter()
                .map(|look| slots.look(look.slot, whose))
                .collect();
            let choice = choose(node, asking, looked?).await;
            let inputs = slots.gather(&wires.takes, &node.plan.inputs, whose)?;
            slots.fill(answer(node, asking, choice, inputs, &mut asked, whose).await?);
        }
        let outputs = slots.answer(&self.plan.answers, || {
            format!("the answer of graph `{}`", pipeline.name)
        })?;
        Ok(Answer {
            outputs,
            asked,
            cached: None,
        })
    }
}

/// Chooses the members that the node calls.
async fn choose(node: &Arc<Node>, asking: Asking<'_>, looked: Vec<Tensor>) -> Choice {
    match asking {
        Asking::Served(compute) if bytes(&looked) > LONG_TENSOR => {
            let node = Arc::clone(node);
            compute.away(move || node.choose(&looked)).await
        }
        _ => node.choose(&looked),
    }
}

/// The node's outputs.
async fn answer(
    node: &Node,
    asking: Asking<'_>,
    choice: Choice,
    inputs: Tensors,
    asked: &mut String,
    whose: impl Fn() -> String,
) -> Result<Tensors, Failure> {
    match (choice, &node.plan.gives) {
        (Choice::Pass, _) => {
            note_choice(asked, node, "pass", "");
            Ok(pick(&inputs, &node.plan.pass))
        }
        (Choice::One(branch), Gives::One(gives)) => {
            let answer = ask(node, branch, asking, node.payload(branch, &inputs)).await?;
            if node.only().is_none() || !answer.asked.is_empty() {
                note_choice(asked, node, &node.called[branch], &answer.asked);
            }
            Ok(pick(&answer.outputs, &gives[branch]))
        }
        (_, Gives::All(givens)) => {
            let members = 0..node.members.len();
            let calls =
                members.map(|branch| ask(node, branch, asking, node.payload(branch, &inputs)));
            let answers = join::all(calls, |branch| node.is_soft(branch)).await?;
            for (branch, answer) in answers.iter().enumerate() {
                match answer {
                    Ok(answer) if answer.asked.is_empty() => {}
                    Ok(answer) => note_choice(asked, node, &node.called[branch], &answer.asked),
                    Err(failure) => {
                        note_choice(asked, node, &node.called[branch], failure.kind.code());
                    }
                }
            }
            merged(givens, answers, asking, whose).await
        }
        (Choice::All, Gives::One(_)) => Err(Failure::new(
            Kind::Internal,
            "a node has no plan; this is a defect",
        )),
    }
}

/// Merges the outputs of an ensemble's members.
async fn merged(
    givens: &[Given],
    answers: Vec<Result<Answer, Failure>>,
    asking: Asking<'_>,
    whose: impl Fn() -> String,
) -> Result<Tensors, Failure> {
    let given = |branch: usize, output: usize| {
        answers
            .get(branch)?
            .as_ref()
            .ok()?
            .outputs
            .get(output)
            .cloned()
    };
    let mut parts: Vec<(graph::Method, Vec<Tensor>)> = Vec::with_capacity(givens.len());
    for wanted in givens {
        let (method, tensors): (_, Vec<Tensor>) = match wanted {
            Given::Of { branch, output } => (
                graph::Method::First,
                given(*branch, *output).into_iter().collect(),
            ),
            Given::Merged { method, of } => (
                *method,
                of.iter()
                    .filter_map(|(branch, output)| given(*branch, *output))
                    .collect(),
            ),
        };
        if tensors.is_empty() {
            // All members that could give it are soft and failed; report the first of their
            // failures.
            let failed = answers
                .iter()
                .find_map(|answer| answer.as_ref().err().cloned());
            return Err(
                failed.unwrap_or_else(|| Failure::new(Kind::Internal, "no member gave an output"))
            );
        }
        parts.push((method, tensors));
    }
    let long = parts
        .iter()
        .map(|(_, tensors)| bytes(tensors))
        .sum::<usize>()
        > LONG_TENSOR;
    let merge_all = move || -> Result<Tensors, graph::Unmerged> {
        parts
            .iter()
            .map(|(method, tensors)| merge(*method, &tensors.iter().collect::<Vec<_>>()))
            .collect()
    };
    let merged = match asking {
        Asking::Served(compute) if long => compute.away(merge_all).await,
        _ => merge_all(),
    };
    merged.map_err(|error| {
        Failure::new(
            Kind::StageSignature,
            format!("{} can't merge: {error}", whose()),
        )
    })
}

async fn ask(
    node: &Node,
    branch: usize,
    asking: Asking<'_>,
    payload: Payload,
) -> Result<Answer, Failure> {
    let member = &node.members[branch];
    match asking {
        Asking::Served(compute) => {
            let result = match node.timeout(branch) {
                None => member.infer(compute, payload).await,
                Some(timeout) => {
                    match tokio::time::timeout(timeout, member.infer(compute, payload)).await {
                        Ok(result) => result,
                        // Dropping the call cancels it.
                        Err(_) => Err(late(node, branch, timeout)),
                    }
                }
            };
            // It counts as a request to that pipeline.
            member.count(result.as_ref().map(|_| ()).map_err(|failure| failure.kind));
            result
        }
        // The member may be serving meanwhile; its permits bound the instances in use.
        Asking::Tried(counted) => {
            member
                .turn()
                .await?
                .run_as(counted, &mut Instant::now(), payload)
                .await
        }
    }
}

/// The failure of a member that exceeded its timeout.
fn late(node: &Node, branch: usize, timeout: Duration) -> Failure {
    let (member, timeout) = (&node.called[branch], show_duration(timeout));
    let message = format!(
        "{member} in node `{}` took longer than its timeout of {timeout}",
        node.name
    );
    Failure::new(Kind::DeadlineExceeded, message)
}

/// Appends which member a node with a choice called, and the choices made inside that member.
fn note_choice(asked: &mut String, node: &Node, called: &str, more: &str) {
    let comma = if asked.is_empty() { "" } else { ", " };
    // Writing to a string does not fail.
    let _ = write!(asked, "{comma}{}={called}", node.name);
    if !more.is_empty() {
        let _ = write!(asked, " ({more})");
    }
}

fn pick(tensors: &[Tensor], places: &[usize]) -> Tensors {
    places
        .iter()
        .filter_map(|place| tensors.get(*place).cloned())
        .collect()
}

fn bytes(tensors: &[Tensor]) -> usize {
    tensors.iter().map(|tensor| tensor.data().len()).sum()
}
