//! One version of a pipeline, ready to serve: a chain of stages or a graph of other pipelines, with
//! its counters.
//!
//! Bounds: as many requests run at once as the stage with the fewest instances has
//! (`limits.instances`), and in a graph as many as in its members together; `queue` more wait;
//! further requests get 503.

mod adapter;
mod batch;
mod chain;
mod graph;
mod join;
mod node;
mod permits;
mod slots;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use hotstage_core::digest::Digest;
use hotstage_core::failure::{Failure, Kind};
use hotstage_core::manifest::Problem;
use hotstage_core::quantity::show_duration;
use hotstage_core::request::Payload;
use hotstage_core::signature::Signature;
use hotstage_core::tensor::Tensor;
use hotstage_engine::Tensors;

pub use self::adapter::Adapter;
pub use self::batch::Batcher;
use self::chain::Counted;
pub use self::chain::{Chain, Step};
use self::graph::Asking;
pub use self::graph::Graph;
pub use self::node::Node;
use self::permits::permits;
use crate::executors::compute::{ComputePool, Pace};
use crate::extensions::{Extensions, Prepare, Subject};
use crate::serving::admission::{Admission, Permit};
use crate::serving::cache::Cache;
use crate::serving::counts::PipelineCounts;

/// What a pipeline runs.
pub enum Body {
    /// Its own stages.
    Chain(Chain),
    /// Other pipelines.
    Graph(Graph),
}

/// The answer to a request.
#[derive(Debug, Default)]
pub struct Answer {
    /// One tensor for each output.
    pub outputs: Tensors,
    /// Which members a graph's nodes chose; empty when no node had a choice.
    pub asked: String,
    /// Whether it came from the cache; `None` when the cache was not used.
    pub cached: Option<bool>,
}

/// One version of a pipeline. Aligned to its own cache lines, because the reference count in front
/// of it is written by every request.
#[repr(align(128))]
pub struct Pipeline {
    /// The name that clients call.
    pub name: String,
    /// The label that a person chose.
    pub version: String,
    /// The digest of the canonical manifest.
    pub digest: Digest,
    /// What it runs.
    pub body: Body,
    /// What protocols prepared for it.
    pub extensions: Extensions,
    /// Its counters.
    pub counts: PipelineCounts,
    /// How it was made.
    pub made: Made,
    /// Problems that its author should know, though it serves.
    pub warnings: Vec<Problem>,
    /// The response cache, if it uses one.
    pub cache: Option<Arc<Cache>>,
    pace: Pace,
    admission: Admission,
}

/// How a pipeline was made, for the journal.
#[derive(Clone, Copy, Debug, Default)]
pub struct Made {
    /// Components that were compiled for it.
    pub compiled: u32,
    /// Golden tests that passed.
    pub tests: u32,
}

impl AsRef<Admission> for Pipeline {
    fn as_ref(&self) -> &Admission {
        &self.admission
    }
}

impl Pipeline {
    /// Puts the parts together.
    pub fn new(
        name: String,
        version: String,
        digest: Digest,
        body: Body,
        waiting_max: usize,
        prepare: &'static [Prepare],
    ) -> Self {
        let signature = match &body {
            Body::Chain(chain) => &chain.plan.signature,
            Body::Graph(graph) => &graph.plan.signature,
        };
        let subject = Subject {
            name: &name,
            version: &version,
            digest: &digest,
            signature,
        };
        let extensions = Extensions::new(prepare, &subject);
        let admission = Admission::new(permits(&body), waiting_max);
        Self {
            name,
            version,
            digest,
            body,
            extensions,
            counts: PipelineCounts::default(),
            made: Made::default(),
            warnings: Vec::new(),
            cache: None,
            pace: Pace::default(),
            admission,
        }
    }

    /// Inputs and outputs.
    pub const fn signature(&self) -> &Signature {
        match &self.body {
            Body::Chain(chain) => &chain.plan.signature,
            Body::Graph(graph) => &graph.plan.signature,
        }
    }

    /// Its own stages, in order; empty for a graph.
    pub fn steps(&self) -> &[Step] {
        match &self.body {
            Body::Chain(chain) => &chain.steps,
            Body::Graph(_) => &[],
        }
    }

    /// The graph, if it is one.
    pub const fn graph(&self) -> Option<&Graph> {
        match &self.body {
            Body::Chain(_) => None,
            Body::Graph(graph) => Some(graph),
        }
    }

    /// Levels of nested graphs; 0 for a chain.
    pub fn depth(&self) -> usize {
        self.graph().map_or(0, Graph::depth)
    }

    /// Pipelines that one request runs at most.
    pub fn runs(&self) -> usize {
        self.graph().map_or(1, Graph::runs)
    }

    /// Content types of raw bodies that it accepts in place of tensors.
    pub fn accepts(&self) -> &[String] {
        match &self.body {
            Body::Chain(chain) => chain.steps.first().map_or(&[], |step| step.stage.accepts()),
            // Which branch a node with several will call is known only once there are tensors.
            Body::Graph(graph) => graph
                .nodes
                .first()
                .and_then(|node| node.only())
                .map_or(&[], |only| only.accepts()),
        }
    }

    /// Drops its idle instances; the next request creates new ones.
    pub fn rest(&self) {
        self.steps().iter().for_each(|step| step.stage.rest());
    }

    /// Requests that wait for a permit.
    pub fn waiting(&self) -> usize {
        self.admission.waiting()
    }

    /// Counts the result of a request. The caller does it, as decoding and encoding may fail too.
    pub fn count(&self, outcome: Result<(), Kind>) {
        match outcome {
            Ok(()) => self.counts.answered.add(1),
            Err(kind) => drop(self.counts.failed[kind as usize].fetch_add(1, Relaxed)),
        }
    }

    /// Computes one answer: waits for a permit and runs the chain or graph on the right executor.
    pub async fn infer(
        self: &Arc<Self>,
        compute: &ComputePool,
        payload: Payload,
    ) -> Result<Answer, Failure> {
        let elements = elements(&payload);
        let result = match &self.body {
            Body::Chain(_) => match (&self.cache, &payload) {
                (Some(cache), Payload::Tensors(_)) => {
                    self.infer_cached(cache, compute, payload).await
                }
                _ => self.infer_chain(compute, payload).await,
            },
            Body::Graph(graph) => self.infer_graph(graph, compute, payload).await,
        };
        if result.is_ok() {
            self.counts.elements.add(elements);
        }
        result
    }

    /// Answers from the cache, or computes the answer and caches it.
    async fn infer_cached(
        self: &Arc<Self>,
        cache: &Cache,
        compute: &ComputePool,
        payload: Payload,
    ) -> Result<Answer, Failure> {
        let inputs: &[Tensor] = match &payload {
            Payload::Tensors(inputs) => inputs,
            Payload::Raw { .. } => &[],
        };
        let key = Cache::key(&self.digest, inputs);
        let count = |hit: bool| self.counts.cached[usize::from(!hit)].fetch_add(1, Relaxed);
        if let Some(outputs) = cache.get(&key) {
            count(true);
            return Ok(Answer {
                outputs,
                cached: Some(true),
                ..Answer::default()
            });
        }
        count(false);
        let answer = self.infer_chain(compute, payload).await?;
        cache.put(key, &answer.outputs);
        Ok(Answer {
            cached: Some(false),
            ..answer
        })
    }

    async fn infer_chain(
        self: &Arc<Self>,
        compute: &ComputePool,
        payload: Payload,
    ) -> Result<Answer, Failure> {
        let began = Instant::now();
        let permit = self.turn().await?;
        // Boxed at once: it may move to another thread, and every future around it stays small.
        let chain = Box::pin(async move {
            let began = Instant::now();
            let mut now = began;
            let result = permit.run(&mut now, payload).await;
            permit.pace.learn(now - began);
            (result, now)
        });
        let (result, ended) = compute.run(&self.pace, chain).await;
        self.counts.durations.record(ended - began);
        result.map(|outputs| Answer {
            outputs,
            ..Answer::default()
        })
    }

    /// Boxed, because a graph may call a graph.
    fn infer_graph<'a>(
        self: &'a Arc<Self>,
        graph: &'a Graph,
        compute: &'a ComputePool,
        payload: Payload,
    ) -> Pin<Box<dyn Future<Output = Result<Answer, Failure>> + Send + 'a>> {
        Box::pin(async move {
            let began = Instant::now();
            let work = async {
                let _permit = self.turn().await?;
                graph.run(self, Asking::Served(compute), payload).await
            };
            let result = match graph.deadline {
                None => work.await,
                Some(deadline) => match tokio::time::timeout(deadline, work).await {
                    Ok(result) => result,
                    Err(_) => {
                        let deadline = show_duration(deadline);
                        let message = format!(
                            "graph `{}` took longer than its deadline of {deadline}",
                            self.name
                        );
                        Err(Failure::new(Kind::DeadlineExceeded, message))
                    }
                },
            };
            // A request that got no permit is not a duration.
            if !matches!(&result, Err(failure) if failure.kind == Kind::Overloaded) {
                self.counts.durations.record(began.elapsed());
            }
            result
        })
    }

    /// Computes the answer to a mirrored copy: not counted as a request, and wholly on the calling
    /// thread.
    pub async fn compute(self: &Arc<Self>, payload: Payload) -> Result<Tensors, Failure> {
        self.turn()
            .await?
            .run_as(Counted::Copy, &mut Instant::now(), payload)
            .await
            .map(|answer| answer.outputs)
    }

    /// Waits for a permit.
    async fn turn(self: &Arc<Self>) -> Result<Permit<Self>, Failure> {
        Admission::turn(self).await.ok_or_else(|| {
            let waiting = self.admission.waiting_max();
            let message = format!(
                "pipeline `{}` has {waiting} requests waiting already; try again",
                self.name
            );
            Failure::new(Kind::Overloaded, message)
        })
    }

    /// Runs on the calling thread, without a permit.
    pub async fn run(&self, now: &mut Instant, payload: Payload) -> Result<Tensors, Failure> {
        match &self.body {
            Body::Chain(chain) => chain.run(self, now, payload, Counted::Yes).await,
            Body::Graph(_) => self
                .run_as(Counted::Copy, now, payload)
                .await
                .map(|answer| answer.outputs),
        }
    }

    /// Runs a golden test or a warm-up call on the calling thread; no metric counts it.
    pub(crate) fn try_out<'a>(&'a self, now: &'a mut Instant, payload: Payload) -> Running<'a> {
        self.run_as(Counted::Trial, now, payload)
    }

    /// Boxed, because a graph may call a graph.
    fn run_as<'a>(
        &'a self,
        counted: Counted,
        now: &'a mut Instant,
        payload: Payload,
    ) -> Running<'a> {
        Box::pin(async move {
            match &self.body {
                Body::Chain(chain) => {
                    let outputs = chain.run(self, now, payload, counted).await?;
                    Ok(Answer {
                        outputs,
                        ..Answer::default()
                    })
                }
                Body::Graph(graph) => graph.run(self, Asking::Tried(counted), payload).await,
            }
        })
    }
}

/// A run on the calling thread.
type Running<'a> = Pin<Box<dyn Future<Output = Result<Answer, Failure>> + Send + 'a>>;

/// How many inferences a request asks for: the size of its first input's first dimension.
fn elements(payload: &Payload) -> u64 {
    match payload {
        Payload::Tensors(inputs) => inputs
            .first()
            .and_then(|input| input.shape().first().copied())
            .unwrap_or(1),
        Payload::Raw { .. } => 1,
    }
}
