//! Hotstage's vocabulary and decisions.
//!
//! Architecture invariant: this crate does no I/O, so it has no I/O errors; it uses no clock, no
//! async runtime, no Wasm engine and no protocol. Its decisions depend on their arguments alone, so
//! most unit and property tests live here.

pub mod agreement;
pub mod batch;
pub mod ceiling;
pub mod compile_limits;
pub mod datatype;
pub mod digest;
pub mod expect;
pub mod experiment;
pub mod failure;
pub mod file;
pub mod follow;
pub mod graph;
pub mod isolation;
pub mod journal;
pub mod limits;
pub mod manifest;
pub mod name;
pub mod printable;
pub mod quantity;
pub mod request;
pub mod role;
pub mod rollout;
pub mod route;
pub mod sharded;
pub mod signature;
pub mod suggest;
pub mod tensor;
pub mod wiring;
