//! State that survives a restart: blobs by digest, and the journal of every change.

pub mod journal;
pub mod store;
