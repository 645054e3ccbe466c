//! Connections, and the bounds on what clients may use: bytes, time, connections, host names.

pub mod body;
pub mod budget;
pub mod connections;
pub mod hosts;
pub mod intake;
pub(crate) mod peers;
pub(crate) mod unread_body;
