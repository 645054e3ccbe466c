//! `hotstage:serving/graphs`: neural networks on the host's engines.

use std::time::Instant;

use hotstage_core::tensor::{Shape, Tensor};
use wasmtime::component::Resource;

use super::{Breach, Guest};
use crate::bindings::graphs::{self, ComputeError, GraphError, Host, HostGraph};
use crate::bindings::{stages, tensors};
use crate::convert;
use hotstage_onnx::{self as graph, Bounds, Graph};

impl Host for Guest {}

impl HostGraph for Guest {
    fn open(
        &mut self,
        file: String,
        options: graphs::Options,
    ) -> wasmtime::Result<Result<Resource<Graph>, GraphError>> {
        let Some(file) = self.files.get(&file).cloned() else {
            return Ok(Err(GraphError::NotFound));
        };
        let began = Instant::now();
        let memory = self.memory.limit as u64;
        let opened = self
            .graphs
            .open(&file, options.into(), self.isolation, memory);
        // Loading a graph may take any time, and is done before a swap: it does not count as the
        // guest's time.
        self.deadline += began.elapsed();
        let graph = match opened {
            Ok(graph) => graph,
            Err(graph::GraphError::Refused(text)) => return Ok(Err(GraphError::Refused(text))),
            Err(graph::GraphError::Unavailable(text)) => {
                return Ok(Err(GraphError::Unavailable(text)));
            }
        };
        self.buffers.take(1)?;
        self.opened.push(graph.engine().to_owned());
        Ok(Ok(self.table.push(graph)?))
    }

    fn signature(&mut self, this: Resource<Graph>) -> wasmtime::Result<stages::Signature> {
        Ok(self.table.get(&this)?.signature().into())
    }

    async fn compute(
        &mut self,
        this: Resource<Graph>,
        inputs: Vec<tensors::Tensor>,
    ) -> wasmtime::Result<Result<Vec<tensors::Tensor>, ComputeError>> {
        let graph = self.table.get(&this)?.clone();
        let mut given = Vec::with_capacity(inputs.len());
        for (place, tensor) in inputs.into_iter().enumerate() {
            match self.take(tensor)? {
                Ok(tensor) => given.push(tensor),
                Err(error) => {
                    return Ok(Err(ComputeError::InvalidInput(format!(
                        "tensor {place}: {error}"
                    ))));
                }
            }
        }
        let (deadline, memory, output) =
            (self.deadline, self.memory.limit as u64, self.output.left());
        let outputs = match graph
            .compute(
                &given,
                &Bounds {
                    deadline,
                    memory,
                    output,
                },
            )
            .await
        {
            Ok(outputs) => outputs,
            Err(graph::ComputeError::InvalidInput(text)) => {
                return Ok(Err(ComputeError::InvalidInput(text)));
            }
            Err(graph::ComputeError::Failed(text)) => return Ok(Err(ComputeError::Failed(text))),
            // Limits end the call, whatever the guest would do about them.
            Err(graph::ComputeError::Time) => return Err(Breach::Time.into()),
            Err(graph::ComputeError::Output) => return Err(Breach::Output.into()),
            Err(graph::ComputeError::Memory(text)) => {
                self.memory.refused = true;
                return Err(wasmtime::format_err!(
                    "its graph wanted more memory than it may have: {text}"
                ));
            }
        };
        for output in &outputs {
            self.output.take(output.data().len() as u64)?;
        }
        Ok(Ok(convert::lower(self, outputs)?))
    }

    fn drop(&mut self, this: Resource<Graph>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        self.buffers.give_back(1);
        Ok(())
    }
}

impl Guest {
    /// A tensor that the guest gives away.
    fn take(
        &mut self,
        tensor: tensors::Tensor,
    ) -> wasmtime::Result<Result<Tensor, hotstage_core::tensor::TensorError>> {
        let data = match tensor.data {
            tensors::Payload::Inline(bytes) => {
                self.output.take(bytes.len() as u64)?;
                self.copied += bytes.len() as u64;
                bytes.into()
            }
            tensors::Payload::Held(buffer) => self.release(buffer)?,
        };
        Ok(Tensor::new(
            tensor.datatype.into(),
            Shape::from_vec(tensor.shape),
            data,
        ))
    }
}

impl From<graphs::Options> for graph::Options {
    fn from(options: graphs::Options) -> Self {
        let graphs::Options {
            engine,
            threads,
            concurrency,
            providers,
            outputs,
            arena,
        } = options;
        Self {
            engine: match engine {
                graphs::Engine::Auto => graph::Choice::Auto,
                graphs::Engine::Onnxruntime => graph::Choice::OnnxRuntime,
                graphs::Engine::Tract => graph::Choice::Tract,
            },
            threads: threads as usize,
            concurrency: concurrency as usize,
            providers,
            outputs,
            arena: match arena {
                graphs::Arena::Keep => graph::Arena::Keep,
                graphs::Arena::Shrink => graph::Arena::Shrink,
            },
        }
    }
}
