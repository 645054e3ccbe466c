//! Hotstage's vocabulary and decisions.
//!
//! Architecture invariant: this crate does no IO, so it has no IO errors; it knows no clock, no runtime, no engine and
//! no protocol. What it decides it decides from its arguments alone, which is why most unit and property tests live
//! here.

pub mod datatype;
pub mod digest;
pub mod failure;
pub mod limits;
pub mod request;
pub mod signature;
pub mod tensor;
