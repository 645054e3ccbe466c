//! What the stage asks of its host: held bytes, files, log lines.
//!
//! Inside WebAssembly these are the wall's imports; natively, under `cargo test`, stand-ins with the same names, so
//! that no other file needs to know which of the two it runs on.

#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(target_arch = "wasm32")]
mod wasm;

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use native::{Buffer, log_threshold, log_write};
#[cfg(target_arch = "wasm32")]
pub(crate) use wasm::{Buffer, file_names, file_read, log_threshold, log_write};
