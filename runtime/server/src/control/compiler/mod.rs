//! Decodes, checks and compiles components in separate processes.
//!
//! Components are untrusted bytes: one of 27 bytes can make a decoder panic, one of 136 KB can make
//! it take all memory. For each component the server starts its own program again ([`worker`]),
//! with bounds on memory, processor time, wall-clock time and size ([`CompileLimits`]), and without
//! files or network (`confine`). The component goes in through a pipe and machine code comes back
//! (`wire`). A process that crashes or reaches a bound yields an error that names the bound; a
//! process whose caller disconnects is killed.
//!
//! Default: [`CompileLimits::default`] processes at once, each with half the cores. Once the server
//! handles requests ([`Compilers::give_way`]), they run at idle priority (`SCHED_IDLE`) and yield
//! between compiler passes. During the start they run at normal priority, since idle processes
//! would never finish on a busy machine.

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

/// The bytes of a component in pieces, so that they are never all in memory.
pub trait Source {
    /// Total number of bytes.
    fn bytes(&self) -> u64;
    /// The next piece; an empty one marks the end. An error says what is wrong with the bytes.
    fn next(&mut self) -> Result<&[u8], String>;
}

impl Source for Blob {
    fn bytes(&self) -> u64 {
        Self::bytes(self)
    }

    fn next(&mut self) -> Result<&[u8], String> {
        self.read_piece()
    }
}

/// Starts compiler processes and returns their results.
pub struct Compilers {
    limits: CompileLimits,
    permits: Semaphore,
    gives_way: AtomicBool,
}

impl Compilers {
    /// Creates it with these limits.
    pub fn new(limits: CompileLimits) -> Self {
        Self {
            limits,
            permits: Semaphore::new(limits.processes.max(1)),
            gives_way: AtomicBool::new(false),
        }
    }

    /// From now on, compilation runs at idle priority.
    pub fn give_way(&self) {
        self.gives_way.store(true, Relaxed);
    }

    /// Checks a component and, if requested, compiles it; the result is then its machine code.
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
