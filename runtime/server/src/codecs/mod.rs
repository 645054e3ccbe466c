//! Codecs: the bytes of one protocol to tensors, and back.
//!
//! They use no network, no clock and no engine.

pub mod oip;
