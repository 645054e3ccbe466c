//! One wasmtime engine for the process: how guest code is compiled, where its memory comes from,
//! and the clock that interrupts it.
//!
//! Memory and stacks come from one pool that is reserved at the start (address space, not memory),
//! so an instance costs microseconds and no system call while traffic flows. Bound:
//! [`EngineOptions::instances`] over all stages. An OS thread advances the epoch that guest code
//! checks (`clock`), so neither a guest that spins nor a busy runtime can stop time.

use std::sync::Arc;

use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::bindings;
use crate::clock::Clock;
use crate::host::{Guest, wasi};
use crate::idle_instances::LOOK;
use crate::instance_budget::InstanceBudget;
use hotstage_onnx::{self as graph, FindLibrary, Graphs, NoLibrary};

/// Core instances of a component: the author's code, and shims for the imports. A component in Rust
/// has 3, one with Python inside 14.
const CORE_INSTANCES_MAX: u32 = 64;
/// Budget units that one instance may take ([`instance_budget`](crate::instance_budget)), and so
/// its memories.
pub(crate) const PLACES_MAX: u32 = 8;
/// Tables for each budget unit. A component has 2, one of its code's and one of its shims'.
pub(crate) const TABLES_PER_PLACE: u32 = 3;
/// Elements of a guest's table of functions.
pub(crate) const TABLE_ELEMENTS_MAX: usize = 100_000;
/// Address space of one linear memory: all that a 32-bit guest can use.
const MEMORY_RESERVATION: u64 = 4 << 30;
/// Bytes of stack for guest code; deeper recursion is a trap.
const GUEST_STACK: usize = 512 << 10;
/// Bytes of stack for a call, guest and host together.
const CALL_STACK: usize = 1 << 20;
/// Bytes of a memory that stay resident when its instance ends, so that the next one gets them
/// without page faults.
const KEEP_RESIDENT: usize = 1 << 20;

/// Options of the engine.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Instances at once, over all stages.
    pub instances: u32,
    /// Finds ONNX Runtime, when a graph needs it.
    pub onnxruntime: Arc<dyn FindLibrary>,
    /// Computations of one graph at once, unless its stage says otherwise: as many as there are
    /// threads for guests.
    pub concurrency: usize,
    /// Where graphs compute.
    pub policy: graph::Policy,
    /// How a process for a graph is started.
    pub launch: graph::Launch,
}

impl Default for EngineOptions {
    fn default() -> Self {
        let (policy, launch) = (graph::Policy::default(), graph::Launch::default());
        Self {
            instances: 1000,
            onnxruntime: Arc::new(NoLibrary),
            concurrency: 1,
            policy,
            launch,
        }
    }
}

/// The process's engine. A clone is another handle.
#[derive(Clone)]
pub struct Engine {
    pub(crate) wasmtime: wasmtime::Engine,
    pub(crate) linker: Arc<Linker<Guest>>,
    pub(crate) clock: Clock,
    pub(crate) slots: Arc<InstanceBudget>,
    pub(crate) graphs: Arc<Graphs>,
    concurrency: usize,
}

/// The engine can't start on this machine.
#[derive(Debug, thiserror::Error)]
#[error("the WebAssembly engine can't start: {0:#}")]
pub struct EngineError(wasmtime::Error);

impl Engine {
    /// Starts the engine and its clock.
    pub fn new(options: &EngineOptions) -> Result<Self, EngineError> {
        Self::start(options).map_err(EngineError)
    }

    /// Computations of one graph at once, and batches of one stage, unless its manifest says
    /// otherwise.
    pub const fn concurrency(&self) -> usize {
        self.concurrency
    }

    fn start(options: &EngineOptions) -> wasmtime::Result<Self> {
        let wasmtime = wasmtime::Engine::new(&config(options))?;
        let mut linker = Linker::new(&wasmtime);
        wasi::add_to_linker(&mut linker)?;
        bindings::tensors::add_to_linker::<Guest, HasSelf<Guest>>(&mut linker, |guest| guest)?;
        bindings::log::add_to_linker::<Guest, HasSelf<Guest>>(&mut linker, |guest| guest)?;
        bindings::files::add_to_linker::<Guest, HasSelf<Guest>>(&mut linker, |guest| guest)?;
        bindings::metrics::add_to_linker::<Guest, HasSelf<Guest>>(&mut linker, |guest| guest)?;
        bindings::graphs::add_to_linker::<Guest, HasSelf<Guest>>(&mut linker, |guest| guest)?;
        bindings::stages::add_to_linker::<Guest, HasSelf<Guest>>(&mut linker, |guest| guest)?;
        let clock = Clock::default();
        clock.start(&wasmtime)?;
        let slots = InstanceBudget::new(options.instances);
        reclaim(&slots)?;
        let EngineOptions {
            concurrency,
            policy,
            launch,
            ..
        } = options.clone();
        let graphs = graph::Settings {
            concurrency,
            policy,
            launch,
        };
        let graphs = Arc::new(Graphs::new(Arc::clone(&options.onnxruntime), graphs)?);
        Ok(Self {
            wasmtime,
            linker: Arc::new(linker),
            clock,
            slots,
            graphs,
            concurrency: options.concurrency,
        })
    }
}

fn config(options: &EngineOptions) -> Config {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(options.instances)
        // Only counted, so that each component may have the maximum.
        .total_core_instances(options.instances.saturating_mul(CORE_INSTANCES_MAX))
        .max_core_instances_per_component(CORE_INSTANCES_MAX)
        .total_memories(options.instances)
        .total_tables(options.instances.saturating_mul(TABLES_PER_PLACE))
        .total_stacks(options.instances)
        .max_component_instance_size(4 << 20)
        .max_core_instance_size(4 << 20)
        .max_memories_per_component(PLACES_MAX)
        .max_tables_per_component(PLACES_MAX.saturating_mul(TABLES_PER_PLACE))
        .table_elements(TABLE_ELEMENTS_MAX)
        .max_memory_size(usize::try_from(MEMORY_RESERVATION).unwrap_or(usize::MAX))
        .linear_memory_keep_resident(KEEP_RESIDENT)
        // Where the kernel can report which pages were written, only those are cleared, and only
        // those stay.
        .pagemap_scan(Enabled::Auto)
        .table_keep_resident(64 << 10);
    let mut config = code_config();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

/// The settings that machine code depends on: the same for the engine and for a compiler in another
/// process.
pub(crate) fn code_config() -> Config {
    let mut config = Config::new();
    config
        .memory_reservation(MEMORY_RESERVATION)
        .epoch_interruption(true)
        .max_wasm_stack(GUEST_STACK)
        .async_stack_size(CALL_STACK)
        // The same numbers on every machine. Only the bits of a NaN may differ: canonical ones
        // would cost every float operation a compare and a blend (docs/decisions/0002).
        .relaxed_simd_deterministic(true)
        // Proposals that no toolchain for components needs: a feature that is off can't be attacked
        // (SECURITY.md).
        .wasm_memory64(false)
        .wasm_tail_call(false)
        .wasm_multi_memory(false)
        .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(20));
    config
}

/// Starts the thread that drops instances which were idle for long. It ends with the engine.
fn reclaim(slots: &Arc<InstanceBudget>) -> std::io::Result<()> {
    let slots = Arc::downgrade(slots);
    std::thread::Builder::new()
        .name("reclaim".into())
        .spawn(move || {
            while let Some(slots) = slots.upgrade() {
                slots.look();
                drop(slots);
                #[expect(
                    clippy::disallowed_methods,
                    reason = "this thread's only work is to wait; it serves no requests"
                )]
                std::thread::sleep(LOOK);
            }
        })?;
    Ok(())
}
