//! What the stage asks of its host: held bytes, files, graphs, log lines, metrics.
//!
//! Inside WebAssembly these are the wall's imports; natively, under `cargo test`, stand-ins with
//! the same names, so that no other file needs to know which of the two it runs on.

#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(target_arch = "wasm32")]
mod wasm;

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use native::{Buffer, Graph, log_threshold, log_write, observe, observed};
#[cfg(target_arch = "wasm32")]
pub(crate) use wasm::{Buffer, Graph, file_names, file_read, log_threshold, log_write, observe};
