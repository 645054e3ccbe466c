//! Connections, and what clients may take of the server: bytes, time, connections, names.

pub mod budget;
pub mod connections;
pub mod hosts;
pub mod intake;
pub mod listen;
pub(crate) mod peers;
