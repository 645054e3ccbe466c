//! Where work runs: I/O threads with their connections, and the compute pool for guests that take
//! long.

pub mod affinity;
pub mod compute;
pub mod io;
