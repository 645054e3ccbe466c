//! What the server tells about itself: log lines and metrics.
//!
//! The data plane never waits for either. Log lines go through a bounded queue and are dropped, and
//! counted, when the writer can't keep up; metrics are atomic counters that a scrape reads.

mod batches;
mod escaped;
mod intake;
pub mod logging;
pub mod metrics;
mod observed;
mod pipelines;
pub mod request_log;
mod routes;
mod server;
mod triton;
