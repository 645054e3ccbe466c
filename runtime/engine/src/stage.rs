//! One stage: a component with its settings and files, opened, and its warm instances.
//!
//! A call takes an idle instance or creates one; afterwards the instance is idle again. Guest
//! memory therefore survives between calls, which is why a stage must be a pure function; an
//! untrusted one may get a fresh instance for each call ([`Reuse::Never`]). Four things end an
//! instance: a trap or a crossed limit, a defect that the guest reports, more bytes held than it
//! may between calls, and a caller that leaves in the middle of a call. `idle_instances` decides
//! how many are kept. Bound: the caller admits at most `limits.instances.max` calls at once; idle
//! instances above that are dropped.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::Instant;

use hotstage_core::isolation::Isolation;
use hotstage_core::limits::{Reuse, StageLimits};
use hotstage_core::request::Payload;
use hotstage_core::role::Role;
use hotstage_core::signature::Signature;

use crate::bindings::{model, postprocessor, preprocessor};
use crate::compile::Compiled;
use crate::convert::Tensors;
use crate::engine::{Engine, PLACES_MAX, TABLES_PER_PLACE};
use crate::host::{Asked, Files, Guest, Phase};
use crate::idle_instances::Idle;
use crate::instance::{About, Instance, OpenError, Opened};
use crate::log::StageLog;
use crate::observed::{Observation, Observed};
use crate::trap::CallError;

/// A component linked to its imports.
pub(crate) enum Pre {
    Preprocess(preprocessor::PreprocessorPre<Guest>),
    Model(model::ModelPre<Guest>),
    Postprocess(postprocessor::PostprocessorPre<Guest>),
}

impl Pre {
    /// Units of the instance budget that an instance takes: one for each memory, and for three
    /// tables.
    fn places(&self) -> u32 {
        let component = match self {
            Self::Preprocess(pre) => pre.instance_pre().component(),
            Self::Model(pre) => pre.instance_pre().component(),
            Self::Postprocess(pre) => pre.instance_pre().component(),
        };
        // Unknown where modules are imported, which no world here does.
        component.resources_required().map_or(PLACES_MAX, |needed| {
            needed
                .num_memories
                .max(needed.num_tables.div_ceil(TABLES_PER_PLACE))
                .max(1)
        })
    }
}

/// The parts of a stage, beside its component.
#[derive(Clone, Debug)]
pub struct StageOptions {
    /// For the log: the pipeline and its version.
    pub pipeline: String,
    /// For the log: the stage.
    pub name: String,
    /// A JSON object.
    pub settings: String,
    /// By the names that the component uses.
    pub files: Arc<Files>,
    /// Receives the file names that it requests while it is opened.
    pub asked: Arc<Asked>,
    /// The resources that it may use.
    pub limits: StageLimits,
    /// Where its graphs compute; `None`: the server decides.
    pub isolation: Option<Isolation>,
}

/// A stage that can be called.
pub struct Stage {
    parts: Parts,
    about: About,
    opened: Opened,
    engines: Vec<String>,
    idle: Arc<Idle>,
}

/// The parts that every instance of a stage is created from.
pub(crate) struct Parts {
    pub(crate) engine: Engine,
    pub(crate) compiled: Arc<Compiled>,
    pub(crate) settings: String,
    pub(crate) files: Arc<Files>,
    pub(crate) asked: Arc<Asked>,
    pub(crate) limits: StageLimits,
    pub(crate) isolation: Option<Isolation>,
    pub(crate) log: Arc<StageLog>,
    pub(crate) observed: Arc<Observed>,
    /// Bytes of buffers that its instances hold between calls.
    pub(crate) held: Arc<AtomicU64>,
    /// Units of the instance budget that an instance takes.
    pub(crate) places: u32,
}

impl Stage {
    /// Opens a first instance, and as many as are to be kept warm. The component returns its
    /// signature.
    pub async fn open(
        engine: &Engine,
        compiled: &Arc<Compiled>,
        options: StageOptions,
    ) -> Result<Self, OpenError> {
        let StageOptions {
            pipeline,
            name,
            settings,
            files,
            asked,
            limits,
            isolation,
        } = options;
        let log = StageLog::new(&pipeline, &name);
        let (engine, compiled, observed, held) = (
            engine.clone(),
            Arc::clone(compiled),
            Arc::default(),
            Arc::default(),
        );
        let places = compiled.pre.places();
        let parts = Parts {
            engine,
            compiled,
            settings,
            files,
            asked,
            limits,
            isolation,
            log,
            observed,
            held,
            places,
        };
        let mut instance = Instance::start(&parts).await?;
        let about = instance.describe(&parts.limits).await?;
        let opened = instance.open(&parts.settings, &parts.limits).await?;
        let engines = instance.engines();
        let idle = Arc::new(Idle::new(&parts.limits.instances));
        idle.make();
        idle.put(Box::new(instance));
        let stage = Self {
            parts,
            about,
            opened,
            engines,
            idle,
        };
        for _ in 1..stage.parts.limits.instances.min.unwrap_or(1) {
            stage.idle.put(stage.another().await?);
        }
        let entered: Weak<Idle> = Arc::downgrade(&stage.idle);
        stage.parts.engine.slots.enter(entered);
        Ok(stage)
    }

    /// Its inputs and outputs.
    pub const fn signature(&self) -> &Signature {
        &self.opened.signature
    }

    /// Its role in its pipeline.
    pub fn role(&self) -> Role {
        match self.parts.compiled.pre {
            Pre::Preprocess(_) => Role::Preprocess,
            Pre::Model(_) => Role::Model,
            Pre::Postprocess(_) => Role::Postprocess,
        }
    }

    /// Content types of raw bodies that it takes in place of tensors.
    pub fn accepts(&self) -> &[String] {
        &self.opened.accepts
    }

    /// The component's description of itself.
    pub const fn about(&self) -> &About {
        &self.about
    }

    /// The engines that compute its graphs, for messages: `onnxruntime 1.32 (cpu)`.
    pub fn engines(&self) -> &[String] {
        &self.engines
    }

    /// The resources that it may use.
    pub const fn limits(&self) -> &StageLimits {
        &self.parts.limits
    }

    /// Instances created and ended so far, and log lines dropped.
    pub fn counts(&self) -> (u64, u64, u64) {
        let (created, ended) = self.idle.counts();
        (created, ended, self.parts.log.dropped())
    }

    /// The metrics that it observed so far, and the number of dropped values.
    pub fn observed(&self) -> (Vec<Observation>, u64) {
        (self.parts.observed.read(), self.parts.observed.dropped())
    }

    /// Bytes of tensors and files that its calls copied across the ABI, either way.
    pub fn copied(&self) -> u64 {
        self.idle.copied()
    }

    /// Bytes of linear memory: the most that an instance had after a call.
    pub fn memory(&self) -> u64 {
        self.idle.memory()
    }

    /// Bytes of buffers that its instances hold between calls, without files.
    pub fn held(&self) -> u64 {
        self.parts.held.load(Relaxed)
    }

    /// Drops the idle instances, except a minimum that is written. The next call creates a new one.
    pub fn rest(&self) {
        self.idle.rest();
    }

    /// One call. The tensors are in signature order, and fit it. Its time counts from `began`, the
    /// current time, which the caller knows already.
    ///
    /// The future yields about every millisecond while the guest runs, and for nothing else. When
    /// it is dropped, so is the instance.
    pub async fn call(&self, began: Instant, payload: Payload) -> Result<Tensors, CallError> {
        self.call_in(Phase::Request, began, payload).await
    }

    /// The same without a client's request: no metric counts it.
    pub async fn try_out(&self, began: Instant, payload: Payload) -> Result<Tensors, CallError> {
        self.call_in(Phase::Trial, began, payload).await
    }

    async fn call_in(
        &self,
        phase: Phase,
        began: Instant,
        payload: Payload,
    ) -> Result<Tensors, CallError> {
        let (mut instance, began) = match self.idle.take() {
            Some(instance) => (instance, began),
            // Opening it may have taken long, which does not count as the call's time.
            None => (
                self.another().await.map_err(OpenError::into_call_error)?,
                Instant::now(),
            ),
        };
        let in_flight = InFlight(&self.idle);
        instance.begin(phase);
        let result = instance
            .call(
                began,
                &self.parts.limits,
                &self.opened.signature.outputs,
                payload,
            )
            .await;
        std::mem::forget(in_flight);
        let (copied, memory) = instance.cost();
        self.idle
            .cost((if phase == Phase::Request { copied } else { 0 }, memory));
        match self.parts.limits.instances.reuse {
            Reuse::Always => self.idle.put(instance),
            Reuse::Never => self.idle.end(1),
        }
        result
    }

    async fn another(&self) -> Result<Box<Instance>, OpenError> {
        let Parts {
            settings, limits, ..
        } = &self.parts;
        let mut instance = Instance::start(&self.parts).await?;
        let opened = instance.open(settings, limits).await?;
        if opened != self.opened {
            return Err(CallError::signature(
                "opened with another signature than its first instance",
            )
            .into());
        }
        self.idle.make();
        Ok(Box::new(instance))
    }
}

/// Counts the instance of a call that was dropped in the middle.
struct InFlight<'a>(&'a Idle);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.end(1);
    }
}
