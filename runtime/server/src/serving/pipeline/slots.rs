//! The tensors of one request: the inputs first, then the outputs of each stage or node, in order.
//!
//! Tensors are addressed by number; names were resolved when the pipeline was deployed. The last
//! use of a tensor moves it out; earlier uses clone it, which increments a reference count.

use hotstage_core::failure::{Failure, Kind};
use hotstage_core::request::Payload;
use hotstage_core::signature::Port;
use hotstage_core::tensor::Tensor;
use hotstage_core::wiring::{Plan, Take};
use hotstage_engine::Tensors;

/// The slots of one request.
pub(super) struct Slots(Vec<Option<Tensor>>);

impl Slots {
    /// Puts the request into the first slots; a raw body goes to the first stage alone.
    pub(super) fn begin(plan: &Plan, payload: Payload) -> (Self, Option<Payload>) {
        let mut slots = Vec::with_capacity(plan.slots);
        match payload {
            Payload::Tensors(inputs) => {
                slots.extend(inputs.into_iter().map(Some));
                (Self(slots), None)
            }
            // The inputs stay empty; the deploy checked that no other stage takes one of them.
            raw @ Payload::Raw { .. } => {
                slots.resize(plan.signature.inputs.len(), None);
                (Self(slots), Some(raw))
            }
        }
    }

    /// The inputs of a stage or node. `whose` names it in errors.
    pub(super) fn gather(
        &mut self,
        takes: &[Take],
        ports: &[Port],
        whose: impl Fn() -> String,
    ) -> Result<Tensors, Failure> {
        takes
            .iter()
            .zip(ports)
            .map(|(take, port)| {
                let tensor = self
                    .take(take.slot, take.last_use)
                    .ok_or_else(|| lost(take.slot, &whose()))?;
                if take.check
                    && let Err(misfit) = port.accepts(&tensor)
                {
                    let message = format!("{} can't take `{}`: {misfit}", whose(), port.name);
                    return Err(Failure::new(Kind::StageSignature, message));
                }
                Ok(tensor)
            })
            .collect()
    }

    /// Clones a tensor for inspection.
    pub(super) fn look(&self, slot: usize, whose: impl Fn() -> String) -> Result<Tensor, Failure> {
        self.0
            .get(slot)
            .cloned()
            .flatten()
            .ok_or_else(|| lost(slot, &whose()))
    }

    /// Appends the outputs of a stage or node.
    pub(super) fn fill(&mut self, made: Tensors) {
        self.0.extend(made.into_iter().map(Some));
    }

    /// The pipeline's outputs. No slot is used twice, so each tensor is moved out.
    pub(super) fn answer(
        mut self,
        slots: &[usize],
        whose: impl Fn() -> String,
    ) -> Result<Tensors, Failure> {
        slots
            .iter()
            .map(|&slot| self.take(slot, true).ok_or_else(|| lost(slot, &whose())))
            .collect()
    }

    fn take(&mut self, slot: usize, last_use: bool) -> Option<Tensor> {
        let place = self.0.get_mut(slot)?;
        if last_use {
            place.take()
        } else {
            place.clone()
        }
    }
}

fn lost(slot: usize, whose: &str) -> Failure {
    let cause = format!("slot {slot} is empty for {whose}");
    Failure::new(
        Kind::Internal,
        "the pipeline lost a tensor; this is a defect of the server",
    )
    .because(cause)
}
