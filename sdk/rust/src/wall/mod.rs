//! The wall itself. No interface for authors: [`export!`](crate::export) names what is here, and it
//! changes with the wall.

pub mod bindings;
pub mod guest;
