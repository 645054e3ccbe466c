//! Front ends: a listener's protocol, statuses and headers around the data plane or the control
//! plane. HTTP for clients and HTTP for the admin do not know each other.

pub mod admin;
pub mod app;
pub mod http;
pub mod http_status;
pub mod listen;
