//! Flags that bound the compiler processes, for every verb that opens pipelines. Each component is
//! compiled in its own process. Defaults: [`CompileLimits::default`] and
//! [`ComponentLimits::default`].

use std::time::Duration;

use hotstage_core::compile_limits::{CompileLimits, ComponentLimits};

/// Bounds on compiling components.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Bounds on compiling a component; each compiles in its own process")]
pub(super) struct Args {
    /// Maximum memory for compiling one component, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = CompileLimits::default().memory,
          value_parser = clap::value_parser!(u64).range(64 << 20..))]
    compile_memory: u64,
    /// Maximum CPU time for compiling one component, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = CompileLimits::default().cpu.as_secs(),
          value_parser = clap::value_parser!(u64).range(1..))]
    compile_cpu_time: u64,
    /// Maximum wall-clock time for compiling one component, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = CompileLimits::default().wall.as_secs(),
          value_parser = clap::value_parser!(u64).range(1..))]
    compile_timeout: u64,
    /// Maximum number of components compiled at the same time.
    #[arg(long, value_name = "N", default_value_t = CompileLimits::default().processes)]
    compile_processes: usize,
    /// Maximum size of one component's machine code, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = CompileLimits::default().code_bytes)]
    max_machine_code: u64,
    /// Maximum size of one component, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = ComponentLimits::default().bytes)]
    max_component_bytes: u64,
    /// Maximum number of functions in one component.
    #[arg(long, value_name = "N", default_value_t = ComponentLimits::default().functions)]
    max_component_functions: usize,
    /// Maximum size of one function of a component, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = ComponentLimits::default().body_bytes)]
    max_function_bytes: usize,
    /// Maximum number of types, of imports and of exports in one component.
    #[arg(long, value_name = "N", default_value_t = ComponentLimits::default().items)]
    max_component_items: usize,
    /// Maximum number of instances, modules and components nested in one component.
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
