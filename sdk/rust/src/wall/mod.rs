//! The ABI (the WIT package `hotstage:serving`) and its adapter. Not public API: only
//! [`export!`](crate::export) refers to these items, and they change with the ABI.

pub mod bindings;
pub mod guest;
