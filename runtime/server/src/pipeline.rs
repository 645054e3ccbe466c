//! One version of a pipeline, ready to serve: its opened stages, their wiring, and what is counted about it.
//!
//! A request's tensors lie in slots: the inputs first, then each stage's outputs. A stage takes its inputs from slots
//! by number and its outputs go to the next ones; a tensor is moved out at its last use and cloned (a reference
//! count) before. All names were resolved when the pipeline was deployed.
//!
//! Bounds: at most `limits.instances` of the scarcest stage run at once; `queue` more wait; the rest is refused with
//! 503.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use bytes::Bytes;
use hotstage_core::digest::Digest;
use hotstage_core::failure::{Failure, Kind};
use hotstage_core::request::Payload;
use hotstage_core::signature::Signature;
use hotstage_core::tensor::Tensor;
use hotstage_core::wiring::{Plan, Take};
use hotstage_engine::stage::Stage;
use hotstage_engine::{CallError, Tensors};

use crate::admission::Admission;
use crate::counts::PipelineCounts;
use crate::counts::histogram::Histogram;
use crate::oip::request::Decoder;
use crate::oip::response::Encoder;
use crate::place::{Compute, Pace};

/// A stage at its place.
pub struct Step {
    /// Its name in the pipeline.
    pub name: String,
    /// What is called.
    pub stage: Stage,
    /// How long its calls take.
    pub durations: Histogram,
}

/// One version of a pipeline.
pub struct Pipeline {
    /// What clients call it.
    pub name: String,
    /// The label that a person chose.
    pub version: String,
    /// Of the canonical manifest.
    pub digest: Digest,
    /// Its stages, in order.
    pub steps: Vec<Step>,
    /// Who takes which tensor.
    pub plan: Plan,
    /// Reads requests of its signature.
    pub decoder: Decoder,
    /// Writes answers of its signature.
    pub encoder: Encoder,
    /// What is counted about it.
    pub counts: PipelineCounts,
    /// What its answers say of it.
    pub headers: Headers,
    /// How it was made.
    pub made: Made,
    pace: Pace,
    admission: Admission,
}

/// How a pipeline was made, for the journal.
#[derive(Clone, Copy, Debug, Default)]
pub struct Made {
    /// Components that were compiled for it.
    pub compiled: u32,
    /// Golden tests that it passed.
    pub tests: u32,
}

/// Texts of a pipeline's answers, shared with each of them: parts of one buffer, so that they share one count.
pub struct Headers {
    /// The name.
    pub name: Bytes,
    /// The version.
    pub version: Bytes,
    /// The digest.
    pub digest: Bytes,
}

impl Headers {
    fn new(name: &str, version: &str, digest: &Digest) -> Self {
        let mut rest = Bytes::from(format!("{name}{version}{digest}"));
        let mut part = |length| rest.split_to(length);
        Self { name: part(name.len()), version: part(version.len()), digest: rest }
    }
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
        steps: Vec<Step>,
        plan: Plan,
        waiting_max: usize,
    ) -> Self {
        let decoder = Decoder::new(&name, &plan.signature);
        let encoder = Encoder::new(&name, &version, &plan.signature.outputs);
        let running = steps.iter().map(|step| step.stage.limits().instances as usize).min().unwrap_or(1);
        let admission = Admission::new(running, waiting_max);
        let headers = Headers::new(&name, &version, &digest);
        let (counts, pace, made) = (PipelineCounts::default(), Pace::default(), Made::default());
        Self { name, version, digest, steps, plan, decoder, encoder, counts, headers, made, pace, admission }
    }

    /// What flows in and out.
    pub const fn signature(&self) -> &Signature {
        &self.plan.signature
    }

    /// Content types of raw bodies that it takes in place of tensors.
    pub fn accepts(&self) -> &[String] {
        self.steps.first().map_or(&[], |step| step.stage.accepts())
    }

    /// Drops its idle instances; the next request makes new ones.
    pub fn rest(&self) {
        self.steps.iter().for_each(|step| step.stage.rest());
    }

    /// Requests that wait for their turn.
    pub fn waiting(&self) -> usize {
        self.admission.waiting()
    }

    /// Counts how a request ended. Whoever asked knows that, as decoding and encoding may fail too.
    pub fn count(&self, outcome: Result<(), Kind>) {
        let count = match outcome {
            Ok(()) => &self.counts.answered,
            Err(kind) => &self.counts.failed[kind as usize],
        };
        count.fetch_add(1, Relaxed);
    }

    /// Forgets what was counted: golden tests are nobody's requests.
    pub fn forget_counts(&mut self) {
        self.counts = PipelineCounts::default();
        self.steps.iter_mut().for_each(|step| step.durations = Histogram::default());
    }

    /// Computes one answer: waits for its turn, runs the chain where it belongs.
    pub async fn infer(self: &Arc<Self>, compute: &Compute, payload: Payload) -> Result<Tensors, Failure> {
        let began = Instant::now();
        let turn = Admission::turn(self).await.ok_or_else(|| self.overloaded())?;
        let elements = elements(&payload);
        // On the heap at once: it may move to another thread, and every future around it stays small.
        let chain = Box::pin(async move {
            let began = Instant::now();
            let mut now = began;
            let result = turn.run(&mut now, payload).await;
            turn.pace.learn(now - began);
            (result, now)
        });
        let (result, ended) = compute.run(&self.pace, chain).await;
        self.counts.durations.record(ended - began);
        if result.is_ok() {
            self.counts.elements.fetch_add(elements, Relaxed);
        }
        result
    }

    /// Computes an answer that nobody waits for: not counted, and on the caller's thread to its end.
    pub async fn compute(self: &Arc<Self>, payload: Payload) -> Result<Tensors, Failure> {
        let turn = Admission::turn(self).await.ok_or_else(|| self.overloaded())?;
        turn.run(&mut Instant::now(), payload).await
    }

    fn overloaded(&self) -> Failure {
        let waiting = self.admission.waiting_max();
        let message = format!("pipeline `{}` has {waiting} requests waiting already; try again", self.name);
        Failure::new(Kind::Overloaded, message)
    }

    /// The chain itself: stage after stage, slot by slot. `now` is the time, and moves on with each stage.
    pub async fn run(&self, now: &mut Instant, payload: Payload) -> Result<Tensors, Failure> {
        let mut slots = Vec::with_capacity(self.plan.slots);
        let mut raw = None;
        match payload {
            Payload::Tensors(inputs) => slots.extend(inputs.into_iter().map(Some)),
            // The pipeline's inputs stay empty: at deploy it was checked that no other stage takes one of them.
            raw_body @ Payload::Raw { .. } => {
                slots.resize(self.plan.signature.inputs.len(), None);
                raw = Some(raw_body);
            }
        }
        for (step, wires) in self.steps.iter().zip(&self.plan.stages) {
            let payload = match raw.take() {
                Some(raw) => raw,
                None => Payload::Tensors(self.gather(step, &wires.takes, &mut slots)?),
            };
            let began = *now;
            let outputs = step.stage.call(began, payload).await;
            *now = Instant::now();
            slots.extend(outputs.map_err(|error| self.explain(step, error))?.into_iter().map(Some));
            step.durations.record(*now - began);
        }
        // No slot is answered twice, so each is moved out.
        self.plan.answers.iter().map(|&slot| self.take(&mut slots, slot, true)).collect()
    }

    fn gather(&self, step: &Step, takes: &[Take], slots: &mut [Option<Tensor>]) -> Result<Vec<Tensor>, Failure> {
        let ports = &step.stage.signature().inputs;
        takes
            .iter()
            .zip(ports)
            .map(|(take, port)| {
                let tensor = self.take(slots, take.slot, take.last_use)?;
                if take.check
                    && let Err(misfit) = port.accepts(&tensor)
                {
                    let message = format!("{} can't take `{}`: {misfit}", self.whose(step), port.name);
                    return Err(Failure::new(Kind::StageSignature, message));
                }
                Ok(tensor)
            })
            .collect()
    }

    fn take(&self, slots: &mut [Option<Tensor>], slot: usize, last_use: bool) -> Result<Tensor, Failure> {
        let place = slots.get_mut(slot);
        let tensor = place.and_then(|place| if last_use { place.take() } else { place.clone() });
        tensor.ok_or_else(|| {
            let cause = format!("slot {slot} of pipeline `{}` is empty", self.name);
            Failure::new(Kind::Internal, "the pipeline lost a tensor; this is a defect of the server").because(cause)
        })
    }

    fn explain(&self, step: &Step, error: CallError) -> Failure {
        let CallError { kind, message, cause } = error;
        // What the client sent wrong is told in the stage's own words; it need not know which stage saw it.
        let message = if kind == Kind::InvalidInput { message } else { format!("{} {message}", self.whose(step)) };
        Failure { kind, message, cause }
    }

    fn whose(&self, step: &Step) -> String {
        format!("stage `{}` of pipeline `{}` version {}", step.name, self.name, self.version)
    }
}

/// How many inferences a request asks for: its first input's elements along the first dimension.
fn elements(payload: &Payload) -> u64 {
    match payload {
        Payload::Tensors(inputs) => inputs.first().and_then(|input| input.shape().first().copied()).unwrap_or(1),
        Payload::Raw { .. } => 1,
    }
}
