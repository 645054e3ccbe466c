//! Flags that bound one request: its size and its time. Defaults: [`ServerLimits::default`].

use std::time::Duration;

use hotstage_core::limits::ServerLimits;

/// Bounds on one client's requests.
#[derive(Debug, clap::Args)]
pub(super) struct Limits {
    /// Maximum size of a request body before and after decompression, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = ServerLimits::default().body_bytes)]
    max_body: usize,
    /// Maximum size of a request's headers, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = ServerLimits::default().header_bytes)]
    max_headers: usize,
    /// Maximum number of open connections.
    #[arg(long, value_name = "N", default_value_t = ServerLimits::default().connections)]
    max_connections: usize,
    /// Requests that may wait for an instance of one pipeline; further requests get 503.
    #[arg(long, value_name = "N", default_value_t = ServerLimits::default().queue)]
    max_queue: usize,
    /// Maximum pause within a request body, in seconds.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = ServerLimits::default().client_timeout.as_secs()
    )]
    client_timeout: u64,
    /// Time that a connection may stay idle between requests or within a request's headers, in
    /// seconds.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = ServerLimits::default().idle.as_secs(),
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    idle_timeout: u64,
    /// Time that requests in flight may take after SIGTERM, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = ServerLimits::default().drain.as_secs())]
    drain_timeout: u64,
}

impl Limits {
    pub(super) fn resolve(&self) -> ServerLimits {
        ServerLimits {
            body_bytes: self.max_body,
            header_bytes: self.max_headers,
            connections: self
                .max_connections
                .clamp(1, tokio::sync::Semaphore::MAX_PERMITS),
            queue: self.max_queue,
            client_timeout: Duration::from_secs(self.client_timeout),
            idle: Duration::from_secs(self.idle_timeout),
            drain: Duration::from_secs(self.drain_timeout),
            ..ServerLimits::default()
        }
    }
}
