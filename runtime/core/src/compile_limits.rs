//! Bounds on decoding and compiling one component, each with its unit and its default. Each has a
//! flag.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a component may consist of, including nested components and modules. Counted before
/// anything is compiled.
///
/// The defaults allow a component that contains CPython (18 MB).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentLimits {
    /// Bytes of the file. `--max-component-bytes`.
    pub bytes: u64,
    /// Functions with a body. `--max-component-functions`.
    pub functions: usize,
    /// Bytes of one function's body. `--max-function-bytes`.
    pub body_bytes: usize,
    /// Types, imports and exports, each. `--max-component-items`.
    pub items: usize,
    /// Instances, nested modules and nested components, together. `--max-component-instances`.
    pub instances: usize,
    /// Nesting depth of components.
    pub depth: usize,
}

impl Default for ComponentLimits {
    fn default() -> Self {
        Self {
            bytes: 64 << 20,
            functions: 200_000,
            body_bytes: 1 << 20,
            items: 100_000,
            instances: 1_000,
            depth: 16,
        }
    }
}

/// What a process that compiles one component may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompileLimits {
    /// What the component may consist of.
    pub component: ComponentLimits,
    /// Bytes of memory. `--compile-memory`.
    pub memory: u64,
    /// Processor time. `--compile-cpu-time`.
    pub cpu: Duration,
    /// Elapsed time, which passes faster than processor time on a busy machine.
    /// `--compile-timeout`.
    pub wall: Duration,
    /// Bytes of machine code. `--max-machine-code`.
    pub code_bytes: u64,
    /// Compile processes that run at once. `--compile-processes`.
    pub processes: usize,
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self {
            component: ComponentLimits::default(),
            memory: 2 << 30,
            cpu: Duration::from_secs(120),
            wall: Duration::from_secs(600),
            code_bytes: 256 << 20,
            processes: 4,
        }
    }
}
