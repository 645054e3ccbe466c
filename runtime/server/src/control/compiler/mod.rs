//! Components are decoded, checked and compiled in processes of their own.
//!
//! Decoders and compilers see bytes that nobody has vouched for: a component of 27 bytes can make
//! one panic, one of 136 KB can make it take all memory. So the server starts its own program once
//! more for each component ([`worker`]), with bounds on memory, processor time, wall time and size
//! ([`CompileLimits`]) and with no files and no network (`confine`). It feeds the component through
//! a pipe and takes back machine code (`wire`). A process that crashes or reaches a bound is an
//! error that says which; one whose caller leaves is killed.
//!
//! Default: [`CompileLimits::default`] processes at once, each with half the cores. Once there are
//! requests to disturb ([`Compilers::give_way`]) they are scheduled as idle (`SCHED_IDLE`) and
//! offer their core between the compiler's passes. Before, they are processes like any other: on a
//! busy machine a server would not come up else.

mod confine;
mod outcome;
mod process;
mod wire;
pub mod worker;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use hotstage_core::compile_limits::CompileLimits;
use hotstage_core::role::Role;
use hotstage_engine::compile::CompileError;
use tokio::sync::Semaphore;

use self::wire::Header;
pub use self::wire::Work;
use crate::state::store::Blob;

/// A component's bytes, a piece at a time, so that they are never all in memory.
pub trait Source {
    /// How many bytes there are.
    fn bytes(&self) -> u64;
    /// The next piece; an empty one is the end. An error says what is wrong with the bytes.
    fn next(&mut self) -> Result<&[u8], String>;
}

impl Source for Blob {
    fn bytes(&self) -> u64 {
        Self::bytes(self)
    }

    fn next(&mut self) -> Result<&[u8], String> {
        Self::next(self)
    }
}

/// Starts the processes that compile, and says what came of it.
pub struct Compilers {
    limits: CompileLimits,
    permits: Semaphore,
    gives_way: AtomicBool,
}

impl Compilers {
    /// With these bounds.
    pub fn new(limits: CompileLimits) -> Self {
        Self {
            limits,
            permits: Semaphore::new(limits.processes.max(1)),
            gives_way: AtomicBool::new(false),
        }
    }

    /// From now on, whatever is compiled comes after requests.
    pub fn give_way(&self) {
        self.gives_way.store(true, Relaxed);
    }

    /// Checks a component, and compiles it if that is asked for: then the answer is its machine
    /// code.
    pub async fn run(
        &self,
        work: Work,
        role: Role,
        source: impl Source,
    ) -> Result<Vec<u8>, CompileError> {
        let most = self.limits.component.bytes;
        if source.bytes() > most {
            let has = source.bytes();
            return Err(CompileError::TooLarge(format!(
                "the component has {has} bytes; at most {most} are compiled (--max-component-bytes)"
            )));
        }
        let defect = |_| CompileError::Refused("the server is stopping".to_owned());
        let _permit = self.permits.acquire().await.map_err(defect)?;
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        let header = Header {
            work,
            role: role.name().to_owned(),
            component: self.limits.component,
            memory: self.limits.memory,
            cpu_seconds: self.limits.cpu.as_secs().max(1),
            threads: cores.div_ceil(2),
            idle: self.gives_way.load(Relaxed),
            bytes: source.bytes(),
        };
        process::run(&header, &self.limits, source).await
    }
}
