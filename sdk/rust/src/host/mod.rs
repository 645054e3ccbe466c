//! The host functions that a stage uses: held bytes, files, graphs, log lines, metrics.
//!
//! In WebAssembly these are the ABI's imports; natively, under `cargo test`, they are stand-ins
//! with the same names, so no other file depends on the target.

#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(target_arch = "wasm32")]
mod wasm;

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use native::{Buffer, Graph, log_threshold, log_write, observe, observed};
#[cfg(target_arch = "wasm32")]
pub(crate) use wasm::{Buffer, Graph, file_names, file_read, log_threshold, log_write, observe};
