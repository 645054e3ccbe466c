//! Codecs: the bytes of one protocol to tensors, and back.
//!
//! No network, no clock and no engine is named here.

pub mod oip;
