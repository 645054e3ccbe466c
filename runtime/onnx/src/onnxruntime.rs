//! A graph on ONNX Runtime: one session for all computations on the CPU, one for each computation
//! on other devices.
//!
//! The library lets any number of threads compute with one session, so the weights are in memory
//! once. Its execution providers for devices have a record of breaking that promise: with one of
//! those a graph has as many sessions as may compute at once, each with a copy of the weights.
//! Either way at most `concurrency` computations run at once, one for each permit; a caller takes a
//! free permit, and waits for one when all are taken. Each thread first tries a permit of its own,
//! always the same one, which avoids contention on the other permits' locks. Inputs are read in
//! place, outputs are passed on without a copy.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

use hotstage_core::signature::{Dimension, Port, Signature};
use hotstage_core::tensor::Tensor;
use ort::ErrorCode;
use ort::session::builder::GraphOptimizationLevel;
use ort::session::{Session, SessionInputValue};
use ort::value::DynValue;

use super::declared::Ports;
use super::errors::{ComputeError, plain};
use super::library::{CPU, Runtime};
use super::session::Shared;
use super::watch::Watched;
use super::{Bounds, GraphError, Network, Options, locked, values};
use hotstage_core::sharded;

pub(super) struct Sessions {
    signature: Signature,
    /// The session that all computations share, if they can.
    shared: Option<Arc<Shared>>,
    permits: Vec<Mutex<Turn>>,
    /// The permit to wait for when all are taken.
    next: AtomicUsize,
}

/// A permit for one computation, and the watch on its time.
struct Turn {
    /// A session of its own, unless all computations share one.
    session: Option<Own>,
    watched: Arc<Watched>,
}

/// The session of one permit.
struct Own {
    session: Session,
    /// The indices of the wanted outputs among all outputs.
    wanted: Vec<usize>,
}

impl Sessions {
    pub(super) fn open(
        runtime: &Runtime,
        bytes: &[u8],
        ports: Ports,
        options: &Options,
    ) -> Result<Self, GraphError> {
        ports.wanted(&options.outputs)?;
        let first = open(runtime, bytes, options)?;
        let seen = |place: usize| shape(first.outputs().get(place)?.dtype().tensor_shape()?);
        let (signature, wanted) = ports.signature(&options.outputs, seen)?;
        let permit = |session: Option<Session>| -> Result<Mutex<Turn>, GraphError> {
            let watched = Watched::new(options.arena).map_err(|error| refused(runtime, &error))?;
            let session = session.map(|session| Own {
                session,
                wanted: wanted.clone(),
            });
            Ok(Mutex::new(Turn { session, watched }))
        };
        let mut permits = Vec::with_capacity(options.concurrency);
        let on_devices = options.providers.iter().any(|name| name != CPU);
        let shared = if on_devices {
            permits.push(permit(Some(first))?);
            while permits.len() < options.concurrency {
                permits.push(permit(Some(open(runtime, bytes, options)?))?);
            }
            None
        } else {
            while permits.len() < options.concurrency.max(1) {
                permits.push(permit(None)?);
            }
            Some(Arc::new(
                Shared::new(first, &signature).map_err(|error| refused(runtime, &error))?,
            ))
        };
        Ok(Self {
            signature,
            shared,
            permits,
            next: AtomicUsize::new(0),
        })
    }

    fn permit(&self) -> MutexGuard<'_, Turn> {
        let (after, own_first) = self.permits.split_at(sharded::first_of(self.permits.len()));
        let free = own_first
            .iter()
            .chain(after)
            .find_map(|permit| match permit.try_lock() {
                Ok(permit) => Some(permit),
                Err(TryLockError::Poisoned(permit)) => Some(permit.into_inner()),
                Err(TryLockError::WouldBlock) => None,
            });
        free.unwrap_or_else(|| {
            locked(&self.permits[self.next.fetch_add(1, Relaxed) % self.permits.len()])
        })
    }
}

impl Network for Sessions {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn compute(&self, inputs: &[Tensor], bounds: &Bounds) -> Result<Vec<Tensor>, ComputeError> {
        let inputs: Vec<SessionInputValue<'_>> = self
            .signature
            .inputs
            .iter()
            .zip(inputs)
            .map(|(port, tensor)| {
                values::lower(tensor).map_err(|reason| reason.of_input(&port.name))
            })
            .collect::<Result<_, _>>()?;
        let mut permit = self.permit();
        let Turn { session, watched } = &mut *permit;
        watched.begin(bounds.deadline);
        let outputs = match (session, &self.shared) {
            (Some(own), _) => own.run(&inputs, watched),
            (None, Some(shared)) => shared.run(&inputs, &watched.options),
            (None, None) => Ok(Vec::new()),
        };
        let stopped = watched.end();
        let outputs = outputs.map_err(|error| failed(&error, stopped))?;
        drop(permit);
        let lift = |(port, value): (&Port, DynValue)| {
            values::lift(value, port.datatype, self.shared.clone())
                .map_err(|reason| reason.of_output(&port.name))
        };
        let outputs: Vec<Tensor> = self
            .signature
            .outputs
            .iter()
            .zip(outputs)
            .map(lift)
            .collect::<Result<_, _>>()?;
        if outputs.len() != self.signature.outputs.len() {
            return Err(ComputeError::Failed(
                "the engine answered fewer outputs than were requested".to_owned(),
            ));
        }
        bounds.answers(outputs.iter().map(|output| output.data().len() as u64))?;
        Ok(outputs)
    }
}

impl Own {
    /// The wanted outputs, in order.
    fn run(
        &mut self,
        inputs: &[SessionInputValue<'_>],
        watched: &Watched,
    ) -> ort::Result<Vec<DynValue>> {
        let outputs = self.session.run_with_options(inputs, &watched.options)?;
        let mut outputs: Vec<Option<DynValue>> =
            outputs.into_iter().map(|(_, value)| Some(value)).collect();
        Ok(self
            .wanted
            .iter()
            .filter_map(|&place| outputs.get_mut(place)?.take())
            .collect())
    }
}

fn open(runtime: &Runtime, bytes: &[u8], options: &Options) -> Result<Session, GraphError> {
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
    session().map_err(|error| refused(runtime, &error))
}

fn refused(runtime: &Runtime, error: &ort::Error) -> GraphError {
    let runtime = runtime.version();
    GraphError::Refused(format!(
        "ONNX Runtime {runtime} can't open it: {}",
        plain(error.message())
    ))
}

/// `None` where the engine does not know the rank, which it reports as an empty shape.
fn shape(shape: &[i64]) -> Option<Vec<Dimension>> {
    (!shape.is_empty()).then(|| shape.iter().map(|&size| u64::try_from(size).ok()).collect())
}

/// A graph is a pure function that passed its golden tests: an error is about these inputs, unless
/// the engine says that it is about itself.
fn failed(error: &ort::Error, stopped: bool) -> ComputeError {
    let reason = plain(error.message());
    if stopped {
        return ComputeError::Time;
    }
    let of_device = [
        ErrorCode::DeviceReset,
        ErrorCode::EngineError,
        ErrorCode::ExecutionProviderFailure,
    ];
    let of_memory = ["Failed to allocate memory", "bad_alloc"];
    if of_memory.iter().any(|word| reason.contains(word)) {
        return ComputeError::Memory(reason);
    }
    // Operators that it never computes, whatever the inputs are, are the engine's fault.
    if of_device.contains(&error.code()) || error.code() == ErrorCode::NotImplemented {
        return ComputeError::Failed(reason);
    }
    ComputeError::InvalidInput(format!("the graph has no answer to it: {reason}"))
}
