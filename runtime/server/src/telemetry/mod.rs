//! Telemetry: log lines and metrics.
//!
//! The data plane never waits for either. Log lines go through a bounded queue; when the writer is
//! too slow they are dropped and counted. Metrics are atomic counters that a scrape reads.

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
