//! The host's side of a stage's imports: one file per interface, and the state of one instance that
//! they share.
//!
//! Every resource that a guest may use here has a bound, set from the stage's limits at the start
//! of each call. Crossing one is a [`Breach`]: it ends the call and the instance, and
//! [`trap`](crate::trap) reports it.

mod files;
mod graphs;
mod log;
mod metrics;
mod tensors;
pub(crate) mod wasi;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use hotstage_core::isolation::Isolation;
use hotstage_core::limits::StageLimits;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

pub use self::files::{Asked, Files};
#[expect(
    unreachable_pub,
    reason = "the generated bindings name it in a public place of a private module"
)]
pub use self::tensors::Buffer;
use crate::log::Writer;
use crate::observed::Observed;
use crate::opening::Opening;
use crate::stage::Parts;
use hotstage_onnx::Graphs;

/// WASI's own resources (streams, pollables), in addition to a stage's buffers in the same table.
const WASI_HANDLES: usize = 64;

/// State of one instance: what its imports read and write.
pub(crate) struct Guest {
    pub(crate) table: ResourceTable,
    wasi: WasiCtx,
    pub(crate) memory: Memory,
    pub(crate) buffers: Allowance,
    /// Bytes of all buffers but files, each handle by itself.
    held: u64,
    /// The bytes of it that were left after the last call.
    kept: Kept,
    pub(crate) output: Allowance,
    pub(crate) deadline: Instant,
    /// While it is opened: the bound on time in addition to the deadline.
    pub(crate) opening: Option<Opening>,
    /// Bytes of tensors and files that were copied across the ABI, either way, in this call.
    pub(crate) copied: u64,
    /// The engines of the graphs that it opened.
    pub(crate) opened: Vec<String>,
    /// What the instance is doing.
    pub(crate) phase: Phase,
    graphs: Arc<Graphs>,
    isolation: Option<Isolation>,
    files: Arc<Files>,
    asked: Arc<Asked>,
    log: Writer,
    observed: Arc<Observed>,
}

/// An instance's part of the bytes that a stage's instances hold between calls. It goes with the
/// instance.
struct Kept {
    stage: Arc<AtomicU64>,
    own: u64,
}

/// The kind of work that a guest runs for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It is being opened.
    Opening,
    /// A call without a client, such as a golden test's: no metric counts it.
    Trial,
    /// A client's request.
    Request,
}

/// The rest of a bounded resource.
pub(crate) struct Allowance {
    left: u64,
    breach: Breach,
}

/// A limit that was crossed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("crossed a limit: {self:?}")]
pub(crate) enum Breach {
    Output,
    Handles,
    Time,
}

/// The limit on linear memory. A guest that is refused growth usually aborts, and that trap alone
/// would not show why.
pub(crate) struct Memory {
    limit: usize,
    pub(crate) used: usize,
    pub(crate) refused: bool,
}

impl Guest {
    pub(crate) fn new(parts: &Parts) -> Self {
        let Parts {
            engine,
            files,
            asked,
            limits,
            isolation,
            log,
            observed,
            held,
            ..
        } = parts;
        let log = Writer::new(Arc::clone(log));
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles as usize + WASI_HANDLES);
        Self {
            table,
            wasi: wasi::stand_ins(&log),
            memory: Memory {
                limit: usize::try_from(limits.memory).unwrap_or(usize::MAX),
                used: 0,
                refused: false,
            },
            buffers: Allowance {
                left: limits.handles.into(),
                breach: Breach::Handles,
            },
            held: 0,
            kept: Kept {
                stage: Arc::clone(held),
                own: 0,
            },
            output: Allowance {
                left: limits.output_bytes,
                breach: Breach::Output,
            },
            deadline: Instant::now() + limits.time,
            opening: None,
            copied: 0,
            opened: Vec::new(),
            phase: Phase::Opening,
            graphs: Arc::clone(&engine.graphs),
            isolation: *isolation,
            files: Arc::clone(files),
            asked: Arc::clone(asked),
            log,
            observed: Arc::clone(observed),
        }
    }

    /// Sets the bounds of the next call.
    pub(crate) fn begin_call(&mut self, limits: &StageLimits, now: Instant) {
        self.output.left = limits.output_bytes;
        self.memory.refused = false;
        self.copied = 0;
        self.deadline = now + limits.time;
        self.log.begin_call(limits.log_bytes);
    }
}

impl Guest {
    /// Reports to the operator why its instance ends, when no request fails because of it.
    pub(crate) fn warn(&self, text: &str) {
        self.log.warn(text);
    }
}

impl Kept {
    /// Written only when it changed, which is rare: all threads share it.
    fn show(&mut self, bytes: u64) {
        if bytes != self.own {
            // Together they are the sum: a wrapped difference is as good as a signed one.
            self.stage.fetch_add(bytes.wrapping_sub(self.own), Relaxed);
            self.own = bytes;
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.show(0);
    }
}

impl Allowance {
    pub(crate) const fn left(&self) -> u64 {
        self.left
    }

    pub(crate) fn take(&mut self, amount: u64) -> Result<(), Breach> {
        self.left = self.left.checked_sub(amount).ok_or(self.breach)?;
        Ok(())
    }

    fn give_back(&mut self, amount: u64) {
        self.left = self.left.saturating_add(amount);
    }
}

impl wasmtime::ResourceLimiter for Memory {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // A component may have several memories; the limit is on their sum.
        let used = self.used.saturating_add(desired.saturating_sub(current));
        if used > self.limit {
            self.refused = true;
            return Ok(false);
        }
        self.used = used;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= crate::engine::TABLE_ELEMENTS_MAX)
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

// Only types; there is nothing to call.
impl crate::bindings::stages::Host for Guest {}
