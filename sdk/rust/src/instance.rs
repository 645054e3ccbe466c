//! One opened stage, with input and output buffers that its calls reuse.
//!
//! The ABI adapter and the test bench share this code, so native tests run what production runs.

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
    /// Parses the settings, opens the stage and checks its signature.
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

    /// Runs one call on the given tensors and wraps each output.
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
