//! Flags that bound the processes in which components are compiled: of every verb that opens
//! pipelines.

use std::time::Duration;

use hotstage_core::compile_limits::{CompileLimits, ComponentLimits};

/// Bounds on compiling components.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Bounds on compiling a component, each in a process of its own")]
pub(super) struct Args {
    /// Bytes of memory that compiling one component may take.
    #[arg(long, value_name = "BYTES", default_value_t = CompileLimits::default().memory,
          value_parser = clap::value_parser!(u64).range(64 << 20..))]
    compile_memory: u64,
    /// Seconds of processor time that compiling one component may take.
    #[arg(long, value_name = "SECONDS", default_value_t = CompileLimits::default().cpu.as_secs(),
          value_parser = clap::value_parser!(u64).range(1..))]
    compile_cpu_time: u64,
    /// Seconds that compiling one component may take on a busy machine.
    #[arg(long, value_name = "SECONDS", default_value_t = CompileLimits::default().wall.as_secs(),
          value_parser = clap::value_parser!(u64).range(1..))]
    compile_timeout: u64,
    /// Components that are compiled at once.
    #[arg(long, value_name = "N", default_value_t = CompileLimits::default().processes)]
    compile_processes: usize,
    /// Bytes of one component's machine code.
    #[arg(long, value_name = "BYTES", default_value_t = CompileLimits::default().code_bytes)]
    max_machine_code: u64,
    /// Bytes of a component.
    #[arg(long, value_name = "BYTES", default_value_t = ComponentLimits::default().bytes)]
    max_component_bytes: u64,
    /// Functions of a component.
    #[arg(long, value_name = "N", default_value_t = ComponentLimits::default().functions)]
    max_component_functions: usize,
    /// Bytes of one function of a component.
    #[arg(long, value_name = "BYTES", default_value_t = ComponentLimits::default().body_bytes)]
    max_function_bytes: usize,
    /// Types of a component, and imports, and exports.
    #[arg(long, value_name = "N", default_value_t = ComponentLimits::default().items)]
    max_component_items: usize,
    /// Instances, modules and components inside a component.
    #[arg(long, value_name = "N", default_value_t = ComponentLimits::default().instances)]
    max_component_instances: usize,
}

impl Args {
    pub(super) fn limits(&self) -> CompileLimits {
        CompileLimits {
            component: ComponentLimits {
                bytes: self.max_component_bytes,
                functions: self.max_component_functions,
                body_bytes: self.max_function_bytes,
                items: self.max_component_items,
                instances: self.max_component_instances,
                depth: ComponentLimits::default().depth,
            },
            memory: self.compile_memory,
            cpu: Duration::from_secs(self.compile_cpu_time),
            wall: Duration::from_secs(self.compile_timeout),
            code_bytes: self.max_machine_code,
            processes: self
                .compile_processes
                .clamp(1, tokio::sync::Semaphore::MAX_PERMITS),
        }
    }
}
