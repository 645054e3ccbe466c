//! One opened stage, and the room its calls reuse.
//!
//! Shared by the wall's adapter and by the test bench, so that natively a stage runs the code that
//! it runs in production.

use serde::de::DeserializeOwned;

use crate::error::{Failure, OpenError};
use crate::files::Files;
use crate::inputs::Inputs;
use crate::outputs::Outputs;
use crate::settings;
use crate::signature::Signature;
use crate::tensor::Tensor;

/// An author's stage with its inputs and outputs.
#[derive(Debug)]
pub(crate) struct Instance<S> {
    pub(crate) stage: S,
    inputs: Inputs,
    outputs: Outputs,
}

impl<S> Instance<S> {
    /// Reads the settings, opens the stage and checks what it says of itself.
    pub(crate) fn open<T: DeserializeOwned>(
        settings: &str,
        files: &Files,
        open: impl FnOnce(T, &Files) -> Result<(S, Signature), OpenError>,
    ) -> Result<(Self, Signature), OpenError> {
        crate::log::forget_threshold();
        let (stage, signature) = open(settings::parse(settings)?, files)?;
        signature.check()?;
        let inputs = Inputs::new(signature.inputs.clone());
        let outputs = Outputs::new(signature.outputs.clone());
        Ok((
            Self {
                stage,
                inputs,
                outputs,
            },
            signature,
        ))
    }

    /// Runs one call on the given tensors, and wraps its answers.
    pub(crate) fn call<W>(
        &mut self,
        tensors: impl Iterator<Item = Tensor>,
        run: impl FnOnce(&mut S, &mut Inputs, &mut Outputs) -> Result<(), Failure>,
        wrap: impl Fn(Tensor) -> W,
    ) -> Result<Vec<W>, Failure> {
        crate::log::forget_threshold();
        self.inputs.load(tensors);
        let outcome = run(&mut self.stage, &mut self.inputs, &mut self.outputs);
        self.inputs.clear();
        let answers = outcome.and_then(|()| self.outputs.unload(wrap));
        if answers.is_err() {
            self.outputs.clear();
        }
        answers
    }
}
