//! One instance: a component with memory of its own, in a store of its own.
//!
//! The future of a call yields when the epoch has advanced [`PATIENCE`] ticks, so its executor gets
//! the thread back and may poll it on another one. Past its deadline the guest is interrupted. An
//! instance that trapped, crossed a limit or reported a defect is not healthy any more and must be
//! dropped.

use std::time::Instant;

use hotstage_core::failure::Kind;
use hotstage_core::limits::StageLimits;
use hotstage_core::request::Payload;
use hotstage_core::signature::{Port, Signature};
use wasmtime::{Store, UpdateDeadline};

use crate::bindings::model::Model;
use crate::bindings::postprocessor::Postprocessor;
use crate::bindings::preprocessor::Preprocessor;
use crate::bindings::preprocessor::exports::hotstage::serving::preprocess;
use crate::bindings::stages;
use crate::convert::{self, Tensors};
use crate::description;
use crate::host::{Breach, Guest, Phase};
use crate::instance_budget::Slot;
use crate::opening::Opening;
use crate::stage::{Parts, Pre};
use crate::trap::CallError;

/// Epoch ticks until a call yields its thread. Two, because the first may come at once: a call of a
/// few microseconds then never yields.
const PATIENCE: u64 = 2;

/// A component's description of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "each is the field of `description` in wit/stages.wit"
)]
pub struct About {
    pub name: String,
    pub version: String,
    pub summary: String,
    pub settings_schema: String,
}

/// The result of opening an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Opened {
    pub(crate) signature: Signature,
    pub(crate) accepts: Vec<String>,
}

/// The result of a guest's `open`, whatever its role: signature, and accepted content types.
pub(crate) type OpenAnswer = Result<(stages::Signature, Vec<String>), stages::OpenError>;

/// Why a stage can't be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The component refuses its settings.
    #[error("{0}")]
    Settings(String),
    /// The component refuses or lacks a file.
    #[error("{0}")]
    File(String),
    /// It failed: trapped, crossed a limit, or reported a defect.
    #[error("it {message}{}", cause.as_ref().map(|cause| format!(" ({cause})")).unwrap_or_default())]
    #[expect(missing_docs, reason = "as in `CallError`")]
    Failed {
        kind: Kind,
        message: String,
        cause: Option<String>,
    },
}

impl OpenError {
    /// The same when an instance is opened for a request.
    pub(crate) fn into_call_error(self) -> CallError {
        match self {
            Self::Settings(text) | Self::File(text) => {
                CallError::new(Kind::StageFailed, "could not open another instance").because(text)
            }
            Self::Failed {
                kind,
                message,
                cause,
            } => match cause {
                Some(cause) => CallError::new(kind, message).because(cause),
                None => CallError::new(kind, message),
            },
        }
    }
}

impl From<CallError> for OpenError {
    fn from(
        CallError {
            kind,
            message,
            cause,
        }: CallError,
    ) -> Self {
        // The cause is a backtrace of many lines; its first says what happened.
        let cause = cause.and_then(|cause| cause.lines().next().map(str::to_owned));
        Self::Failed {
            kind,
            message,
            cause: cause.filter(|_| kind == Kind::StageFailed),
        }
    }
}

pub(crate) struct Instance {
    store: Store<Guest>,
    exports: Exports,
    healthy: bool,
    /// After the store, which must be dropped before the budget is free.
    _slot: Slot,
}

enum Exports {
    Preprocess(Preprocessor),
    Model(Model),
    Postprocess(Postprocessor),
}

impl Instance {
    /// Instantiates the component; it is not open yet.
    pub(crate) async fn start(parts: &Parts) -> Result<Self, OpenError> {
        let Some(slot) = parts.engine.slots.take(parts.places) else {
            return Err(CallError::no_room(parts.places).into());
        };
        let mut store = new_store(parts);
        let (opening, limits) = begin_opening(&mut store, &parts.limits);
        match opening
            .measure(instantiate(&mut store, &parts.compiled.pre))
            .await
        {
            Ok(exports) => {
                store.data_mut().opening = None;
                Ok(Self {
                    store,
                    exports,
                    healthy: true,
                    _slot: slot,
                })
            }
            Err(error) => Err(CallError::trapped(&error, store.data(), &limits).into()),
        }
    }

    /// The component's description of itself.
    pub(crate) async fn describe(&mut self, limits: &StageLimits) -> Result<About, OpenError> {
        let (opening, limits) = begin_opening(&mut self.store, limits);
        let store = &mut self.store;
        let about = match &self.exports {
            Exports::Preprocess(world) => {
                opening
                    .measure(world.hotstage_serving_preprocess().call_describe(store))
                    .await
            }
            Exports::Model(world) => {
                opening
                    .measure(world.hotstage_serving_infer().call_describe(store))
                    .await
            }
            Exports::Postprocess(world) => {
                opening
                    .measure(world.hotstage_serving_postprocess().call_describe(store))
                    .await
            }
        };
        self.store.data_mut().opening = None;
        description::about(
            about.map_err(|error| CallError::trapped(&error, self.store.data(), &limits))?,
        )
    }

    /// Opens it with its settings; returns its signature.
    pub(crate) async fn open(
        &mut self,
        settings: &str,
        limits: &StageLimits,
    ) -> Result<Opened, OpenError> {
        let (opening, limits) = begin_opening(&mut self.store, limits);
        let opened = opening.measure(self.open_guest(settings)).await;
        self.store.data_mut().opening = None;
        let opened = description::opened(
            opened.map_err(|error| CallError::trapped(&error, self.store.data(), &limits))?,
        )?;
        self.store
            .data_mut()
            .settle(limits.held_bytes)
            .map_err(|held| {
                let raise = "raise `limits.held_bytes` in the manifest if it needs more";
                CallError::new(
                    Kind::StageHandles,
                    format!("held {held} bytes in buffers when it had been opened; {raise}"),
                )
            })?;
        Ok(opened)
    }

    async fn open_guest(&mut self, settings: &str) -> wasmtime::Result<OpenAnswer> {
        let store = &mut self.store;
        Ok(match &self.exports {
            Exports::Preprocess(world) => {
                let opened = world
                    .hotstage_serving_preprocess()
                    .call_open(store, settings)
                    .await?;
                opened.map(|preprocess::Opened { signature, accepts }| (signature, accepts))
            }
            Exports::Model(world) => {
                let opened = world
                    .hotstage_serving_infer()
                    .call_open(store, settings)
                    .await?;
                opened.map(|signature| (signature, Vec::new()))
            }
            Exports::Postprocess(world) => {
                let opened = world
                    .hotstage_serving_postprocess()
                    .call_open(store, settings)
                    .await?;
                opened.map(|signature| (signature, Vec::new()))
            }
        })
    }

    /// Bytes that the last call copied across the ABI, and bytes of memory that the instance has.
    pub(crate) fn cost(&self) -> (u64, u64) {
        let guest = self.store.data();
        (guest.copied, guest.memory.used as u64)
    }

    /// The engines of the graphs that it opened, for messages.
    pub(crate) fn engines(&mut self) -> Vec<String> {
        std::mem::take(&mut self.store.data_mut().opened)
    }

    pub(crate) const fn is_healthy(&self) -> bool {
        self.healthy
    }

    /// Sets the kind of the next call.
    pub(crate) fn begin(&mut self, phase: Phase) {
        self.store.data_mut().phase = phase;
    }

    /// One call with everything around it: limits, lowering, the guest, checks. Its time counts
    /// from `began`.
    pub(crate) async fn call(
        &mut self,
        began: Instant,
        limits: &StageLimits,
        ports: &[Port],
        payload: Payload,
    ) -> Result<Tensors, CallError> {
        begin_call(&mut self.store, began, limits);
        // Until the call has ended well: a future that is dropped in the middle leaves it so.
        self.healthy = false;
        let answer = match self.call_guest(payload).await {
            Ok(answer) => answer,
            Err(error) => return Err(CallError::trapped(&error, self.store.data(), limits)),
        };
        let result = match answer {
            Ok(answer) => convert::lift(self.store.data_mut(), ports, answer, limits),
            Err(failure) => Err(CallError::reported(failure)),
        };
        self.healthy = match &result {
            Ok(_) => self.settles(limits),
            Err(error) => {
                matches!(error.kind, Kind::InvalidInput | Kind::StageUnavailable)
                    && self.settles(limits)
            }
        };
        result
    }

    /// Whether it holds no more after a call than it may. The answer is valid either way, so only
    /// the operator is informed.
    fn settles(&mut self, limits: &StageLimits) -> bool {
        let guest = self.store.data_mut();
        let settled = guest.settle(limits.held_bytes);
        if let Err(held) = settled {
            let most = limits.held_bytes;
            guest.warn(&format!(
                "an instance ends: it held {held} bytes in buffers after a call, and may hold {most}; raise \
                 `limits.held_bytes` in the manifest if it needs more"
            ));
        }
        settled.is_ok()
    }

    async fn call_guest(
        &mut self,
        payload: Payload,
    ) -> wasmtime::Result<Result<Vec<crate::bindings::tensors::Tensor>, stages::Failure>> {
        let store = &mut self.store;
        match (&self.exports, payload) {
            (Exports::Model(world), Payload::Tensors(inputs)) => {
                let inputs = convert::lower(store.data_mut(), inputs)?;
                world
                    .hotstage_serving_infer()
                    .call_infer(store, &inputs)
                    .await
            }
            (Exports::Postprocess(world), Payload::Tensors(inputs)) => {
                let inputs = convert::lower(store.data_mut(), inputs)?;
                world
                    .hotstage_serving_postprocess()
                    .call_postprocess(store, &inputs)
                    .await
            }
            (Exports::Preprocess(world), Payload::Tensors(inputs)) => {
                let inputs = convert::lower(store.data_mut(), inputs)?;
                let request = preprocess::Payload::Tensors(inputs);
                world
                    .hotstage_serving_preprocess()
                    .call_preprocess(store, &request)
                    .await
            }
            (
                Exports::Preprocess(world),
                Payload::Raw {
                    content_type,
                    content,
                },
            ) => {
                let content = convert::lower_one(store.data_mut(), content)?;
                let request = preprocess::Payload::Raw(preprocess::Body {
                    content_type,
                    content,
                });
                world
                    .hotstage_serving_preprocess()
                    .call_preprocess(store, &request)
                    .await
            }
            (_, Payload::Raw { .. }) => Ok(Err(stages::Failure::InvalidInput(
                "it takes tensors, not a raw body".into(),
            ))),
        }
    }
}

fn new_store(parts: &Parts) -> Store<Guest> {
    let guest = Guest::new(parts);
    let mut store = Store::new(&parts.engine.wasmtime, guest);
    store.limiter(|guest| &mut guest.memory);
    store.set_hostcall_fuel(usize::try_from(parts.limits.output_bytes).unwrap_or(usize::MAX));
    let clock = parts.engine.clock.clone();
    store.epoch_deadline_callback(move |store| {
        clock.quicken();
        let guest = store.data();
        if Instant::now() < guest.deadline || guest.opening.as_ref().is_some_and(Opening::may_go_on)
        {
            Ok(UpdateDeadline::Yield(PATIENCE))
        } else {
            Err(Breach::Time.into())
        }
    });
    store
}

fn begin_call(store: &mut Store<Guest>, began: Instant, limits: &StageLimits) {
    store.data_mut().begin_call(limits, began);
    store.set_epoch_deadline(PATIENCE);
}

async fn instantiate(store: &mut Store<Guest>, pre: &Pre) -> wasmtime::Result<Exports> {
    Ok(match pre {
        Pre::Preprocess(pre) => Exports::Preprocess(pre.instantiate_async(store).await?),
        Pre::Model(pre) => Exports::Model(pre.instantiate_async(store).await?),
        Pre::Postprocess(pre) => Exports::Postprocess(pre.instantiate_async(store).await?),
    })
}

/// Starts opening, with its own limits.
fn begin_opening(store: &mut Store<Guest>, limits: &StageLimits) -> (Opening, StageLimits) {
    let (opening, limits) = (Opening::begin(limits), Opening::limits(limits));
    begin_call(store, Instant::now(), &limits);
    store.data_mut().opening = Some(opening.clone());
    (opening, limits)
}
