//! Connections, and what clients may take of the server: bytes, time, connections, names.

pub mod body;
pub mod budget;
pub mod connections;
pub mod hosts;
pub mod intake;
pub(crate) mod peers;
pub(crate) mod unread_body;
