//! The executors: I/O threads with their connections, and the compute pool for long guest calls.

pub mod affinity;
pub mod compute;
pub mod io;
