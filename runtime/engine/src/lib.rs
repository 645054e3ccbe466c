//! From a component's bytes to a bounded call: everything that uses wasmtime.
//!
//! The life of a component: bytes → [`compiler::compile`] (bounded, checked against the world of
//! its role, compiled to machine code, usually in another process) → [`compile::Compiled`] (signed,
//! cached, linked) → [`stage::Stage`] (opened with settings and files; has a signature) →
//! instances, warm and pooled → calls. Layers, top first: `stage` owns the instances, `instance`
//! makes one call, `convert` is the ABI, `host` holds a guest's imports, `graph` the engines behind
//! one of them, `trap` reports errors. `tests/tidy/shape.rs` lists the files with `unsafe`.
//!
//! Architecture invariant: this crate knows no HTTP, no path and no environment variable. No crate
//! above it names wasmtime.

mod bindings;
mod bounds;
mod check;
mod clock;
pub mod compile;
pub mod compiler;
mod convert;
mod description;
pub mod engine;
pub mod fuzzing;
mod host;
mod idle_instances;
mod instance;
mod instance_budget;
mod instance_pool;
mod load;
mod log;
mod observed;
mod opening;
pub mod stage;
mod trap;
mod yielding_compiler;

pub use crate::check::Role;
pub use crate::convert::Tensors;
pub use crate::host::{Asked, Files};
pub use crate::instance::{About, OpenError};
pub use crate::load::SigningKey;
pub use crate::observed::Observation;
pub use crate::trap::CallError;
pub use crate::yielding_compiler::yield_between_passes;
pub use hotstage_core::file::{Content, File, Keeper};
