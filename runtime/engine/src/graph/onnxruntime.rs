//! A graph on ONNX Runtime: as many sessions as may compute at once.
//!
//! A session computes one thing at a time, so a graph has `concurrency` of them, made when it is opened; each has its
//! own copy of what the weights became. A caller takes one that is free; when all are at work it waits for one. Each
//! thread tries another one first, and that one always: none goes through the locks of those that are at work, and a
//! session's memory stays in the caches of one core.
//! Inputs are read in place, outputs are handed on without a copy.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::time::Instant;

use hotstage_core::signature::{Dimension, Signature};
use hotstage_core::tensor::Tensor;
use ort::ErrorCode;
use ort::session::builder::GraphOptimizationLevel;
use ort::session::{Session, SessionInputValue};

use super::declared::Ports;
use super::errors::{ComputeError, plain};
use super::library::Runtime;
use super::watch::Watched;
use super::{GraphError, Network, Options, locked, values};
use crate::spread;

pub(super) struct Sessions {
    signature: Signature,
    /// Where the wanted outputs are among all.
    wanted: Vec<usize>,
    sessions: Vec<Mutex<Turn>>,
    /// Whose turn it is to be waited for.
    next: AtomicUsize,
}

/// A session, and who looks after its time.
struct Turn {
    session: Session,
    watched: Arc<Watched>,
}

impl Sessions {
    pub(super) fn open(runtime: &Runtime, bytes: &[u8], ports: Ports, options: &Options) -> Result<Self, GraphError> {
        ports.wanted(&options.outputs)?;
        let first = open(runtime, bytes, options)?;
        let seen = |place: usize| shape(first.session.outputs().get(place)?.dtype().tensor_shape()?);
        let (signature, wanted) = ports.signature(&options.outputs, seen)?;
        let mut sessions = vec![Mutex::new(first)];
        while sessions.len() < options.concurrency {
            sessions.push(Mutex::new(open(runtime, bytes, options)?));
        }
        Ok(Self { signature, wanted, sessions, next: AtomicUsize::new(0) })
    }

    fn turn(&self) -> MutexGuard<'_, Turn> {
        let (after, own_first) = self.sessions.split_at(spread::first_of(self.sessions.len()));
        let free = own_first.iter().chain(after).find_map(|session| match session.try_lock() {
            Ok(turn) => Some(turn),
            Err(TryLockError::Poisoned(turn)) => Some(turn.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        });
        free.unwrap_or_else(|| locked(&self.sessions[self.next.fetch_add(1, Relaxed) % self.sessions.len()]))
    }
}

impl Network for Sessions {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn compute(&self, inputs: &[Tensor], deadline: Instant) -> Result<Vec<Tensor>, ComputeError> {
        let inputs: Vec<SessionInputValue<'_>> = self
            .signature
            .inputs
            .iter()
            .zip(inputs)
            .map(|(port, tensor)| values::lower(tensor).map_err(|reason| reason.of_input(&port.name)))
            .collect::<Result<_, _>>()?;
        let mut turn = self.turn();
        let Turn { session, watched } = &mut *turn;
        watched.begin(deadline);
        let outputs = session.run_with_options(&inputs[..], &watched.options);
        let stopped = watched.end();
        let outputs = outputs.map_err(|error| failed(&error, stopped))?;
        // Those that nobody wants are dropped here.
        let mut outputs: Vec<Option<ort::value::DynValue>> =
            outputs.into_iter().map(|(_, value)| Some(value)).collect();
        let take = |(port, &place): (&hotstage_core::signature::Port, &usize)| {
            let value = outputs.get_mut(place).and_then(Option::take);
            let value = value.ok_or_else(|| ComputeError::Failed(format!("output `{}` is not there", port.name)))?;
            values::lift(value, port.datatype).map_err(|reason| reason.of_output(&port.name))
        };
        self.signature.outputs.iter().zip(&self.wanted).map(take).collect()
    }
}

fn open(runtime: &Runtime, bytes: &[u8], options: &Options) -> Result<Turn, GraphError> {
    let providers = runtime.providers(&options.providers)?;
    let session = || -> ort::Result<Session> {
        Session::builder(&runtime.environment)?
            .with_optimization_level(GraphOptimizationLevel::Level3)?
            .with_intra_threads(options.threads)?
            // A thread that spins for work takes a core from the guests.
            .with_intra_op_spinning(false)?
            .with_execution_providers(&providers)?
            .commit_from_memory(bytes)
    };
    let refused = |error: ort::Error| {
        let runtime = runtime.version();
        GraphError::Refused(format!("ONNX Runtime {runtime} can't open it: {}", plain(error.message())))
    };
    Ok(Turn { session: session().map_err(refused)?, watched: Watched::new(options.arena).map_err(refused)? })
}

/// None where the engine does not know the rank, which looks as if there were none.
fn shape(shape: &[i64]) -> Option<Vec<Dimension>> {
    (!shape.is_empty()).then(|| shape.iter().map(|&size| u64::try_from(size).ok()).collect())
}

/// A graph is a pure function that passed its golden tests: what it refuses is about these inputs, unless the engine
/// says that it is about itself.
fn failed(error: &ort::Error, stopped: bool) -> ComputeError {
    let reason = plain(error.message());
    if stopped {
        return ComputeError::Failed("it ran until its call's time was over".to_owned());
    }
    let of_device = [ErrorCode::DeviceReset, ErrorCode::EngineError, ErrorCode::ExecutionProviderFailure];
    let of_memory = ["Failed to allocate memory", "bad_alloc"];
    if of_device.contains(&error.code()) || of_memory.iter().any(|word| reason.contains(word)) {
        return ComputeError::Failed(reason);
    }
    ComputeError::InvalidInput(format!("the graph has no answer to it: {reason}"))
}
