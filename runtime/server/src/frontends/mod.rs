//! Front ends: listeners and protocols on top of the data plane or the control plane. The inference
//! and the admin front end don't depend on each other.

pub mod admin;
pub mod app;
pub mod http;
pub mod http_status;
pub mod listen;
