//! The data plane: from inputs to outputs.
//!
//! A request takes one snapshot of the [`registry`], is routed to a pipeline version ([`router`],
//! [`routing`]), waits for a permit ([`admission`]), and runs the pipeline's stages ([`pipeline`]).
//! Nothing here names a protocol, the control plane, the state directory or a front end.

pub mod admission;
pub mod cache;
pub mod context;
pub mod counts;
pub mod experiments;
mod infer;
pub mod mirror;
pub mod pipeline;
pub(crate) mod random;
pub mod registry;
pub mod router;
pub mod routing;

pub use self::infer::{Serving, Target};
