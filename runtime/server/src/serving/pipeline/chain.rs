//! A chain: the stages of one pipeline, in order.

use std::sync::Arc;
use std::time::Instant;

use hotstage_core::failure::{Failure, Kind};
use hotstage_core::request::Payload;
use hotstage_core::wiring::Plan;
use hotstage_engine::stage::Stage;
use hotstage_engine::{CallError, Tensors};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::Pipeline;
use super::batch::Batcher;
use super::slots::Slots;
use crate::serving::counts::histogram::Histogram;

/// One stage in a chain.
pub struct Step {
    /// The stage's name in the pipeline.
    pub name: String,
    /// The component that is called.
    pub stage: Stage,
    /// How long its calls take.
    pub durations: Histogram,
    /// Batches its calls, if the manifest says so.
    pub batcher: Option<Arc<Batcher>>,
    /// Bounds concurrent calls of the other stages when one stage is batched, because the
    /// pipeline's permits do not bound them then.
    pub gate: Option<Semaphore>,
}

impl Step {
    async fn call(
        &self,
        began: Instant,
        payload: Payload,
        counted: Counted,
    ) -> Result<Tensors, CallError> {
        if counted == Counted::Trial {
            let _permit = self.permit().await;
            return self.stage.try_out(began, payload).await;
        }
        let payload = match (&self.batcher, payload) {
            (Some(batcher), Payload::Tensors(inputs)) => {
                return batcher.call(&self.stage, began, inputs).await;
            }
            (_, payload) => payload,
        };
        let _permit = self.permit().await;
        self.stage.call(began, payload).await
    }

    async fn permit(&self) -> Option<SemaphorePermit<'_>> {
        match &self.gate {
            // The semaphore is never closed.
            Some(gate) => gate.acquire().await.ok(),
            None => None,
        }
    }
}

/// A pipeline's stages and their wiring.
pub struct Chain {
    /// In order.
    pub steps: Vec<Step>,
    /// Which stage takes which tensor.
    pub plan: Plan,
}

/// What a run is for, which decides how it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    /// A client's request.
    Yes,
    /// A mirrored copy: its stages run as for a request, and no duration is recorded.
    Copy,
    /// A golden test or a warm-up call: not counted and not batched.
    Trial,
}

impl Chain {
    /// Runs the stages in order. `now` is the current time and is updated after each stage.
    pub(super) async fn run(
        &self,
        pipeline: &Pipeline,
        now: &mut Instant,
        payload: Payload,
        counted: Counted,
    ) -> Result<Tensors, Failure> {
        let (mut slots, mut raw) = Slots::begin(&self.plan, payload);
        for (step, wires) in self.steps.iter().zip(&self.plan.stages) {
            let payload = match raw.take() {
                Some(raw) => raw,
                None => {
                    let inputs = &step.stage.signature().inputs;
                    Payload::Tensors(slots.gather(&wires.takes, inputs, || whose(pipeline, step))?)
                }
            };
            let began = *now;
            let outputs = step.call(began, payload, counted).await;
            *now = Instant::now();
            slots.fill(outputs.map_err(|error| explain(pipeline, step, error))?);
            if counted == Counted::Yes {
                step.durations.record(*now - began);
            }
        }
        slots.answer(&self.plan.answers, || {
            format!("the answer of pipeline `{}`", pipeline.name)
        })
    }
}

fn explain(pipeline: &Pipeline, step: &Step, error: CallError) -> Failure {
    let CallError {
        kind,
        message,
        cause,
        ..
    } = error;
    // An input error keeps the stage's own words; the client need not know which stage found it.
    let message = if kind == Kind::InvalidInput {
        message
    } else {
        format!("{} {message}", whose(pipeline, step))
    };
    let failure = Failure::new(kind, message);
    match cause {
        Some(cause) => failure.because(cause),
        None => failure,
    }
}

fn whose(pipeline: &Pipeline, step: &Step) -> String {
    format!(
        "stage `{}` of pipeline `{}` version {}",
        step.name, pipeline.name, pipeline.version
    )
}
