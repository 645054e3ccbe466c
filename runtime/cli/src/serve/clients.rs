//! Flags of `serve` that bound what all clients together may use: memory and rate of request
//! bodies, connections per peer, accepted hosts, and log lines. Bounds on one request are in
//! `Limits` (`limits.rs`).

use std::net::SocketAddr;
use std::time::Duration;

use hotstage_core::limits::{LOG_RATE, ServerLimits};

use super::super::{CliError, Exit};
use hotstage_server::telemetry::request_log::RequestLog;
use hotstage_server::transport::hosts::Hosts;
use hotstage_server::transport::intake::Intake;

/// Default of `--max-body-memory`, in bodies of the largest size.
const BODIES: u64 = 4;
/// Least default of `--max-connections-per-peer`.
const PEER_LEAST: usize = 64;

#[derive(Debug, clap::Args)]
pub(crate) struct Clients {
    /// Maximum memory for all request bodies together, in bytes; further requests get 503
    /// [default: 1 GiB, or four times --max-body].
    #[arg(long, value_name = "BYTES")]
    max_body_memory: Option<u64>,
    /// Least average rate of a request body after its first ten seconds, in bytes per second; 0
    /// disables it.
    #[arg(long, value_name = "BYTES", default_value_t = ServerLimits::default().body_rate)]
    min_body_rate: u64,
    /// Maximum time for a whole request body to arrive, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = ServerLimits::default().body_time.as_secs(),
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    body_timeout: u64,
    /// Maximum number of open connections from one address, or from one IPv6 /64 network
    /// [default: half of --max-connections, at least 64].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_connections_per_peer: Option<u32>,
    /// Host name that requests may use; repeatable; * allows any [default: any; on a loopback
    /// address only its own names].
    #[arg(long = "allow-host", value_name = "NAME")]
    allow_hosts: Vec<String>,
    /// Log lines per second about refused requests, and as many about failed ones; further ones are
    /// only counted.
    #[arg(long, value_name = "N", default_value_t = LOG_RATE)]
    log_rate: u32,
}

impl Clients {
    /// Adds these limits to `limits`.
    pub(super) fn bound(&self, limits: &ServerLimits) -> Result<ServerLimits, CliError> {
        let largest = limits.body_bytes as u64;
        let body_memory = match self.max_body_memory {
            Some(bytes) if bytes < largest => {
                let message = format!(
                    "--max-body-memory {bytes} is smaller than one body of --max-body {largest}; raise \
                     --max-body-memory or lower --max-body"
                );
                return Err(CliError::new(Exit::Usage, message));
            }
            Some(bytes) => bytes,
            None => limits.body_memory.max(largest.saturating_mul(BODIES)),
        };
        let half = (limits.connections / 2).max(PEER_LEAST);
        Ok(ServerLimits {
            body_memory,
            body_rate: self.min_body_rate,
            body_time: Duration::from_secs(self.body_timeout),
            connections_per_peer: self
                .max_connections_per_peer
                .map_or(half, |count| count as usize),
            ..limits.clone()
        })
    }

    /// Intake of inference: `given` is the address of the flag, `address` the one that is bound.
    pub(super) fn intake(
        &self,
        limits: &ServerLimits,
        (given, address): (&str, SocketAddr),
    ) -> Intake {
        Intake::new(
            limits,
            Hosts::of(given, address, &self.allow_hosts),
            RequestLog::new(self.log_rate),
        )
    }

    /// Intake of the admin API, which shares the budgets of inference.
    pub(super) fn admin(
        &self,
        limits: &ServerLimits,
        (given, address): (&str, SocketAddr),
        inference: &Intake,
    ) -> Intake {
        inference.beside(limits, Hosts::of(given, address, &self.allow_hosts))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Given {
        #[command(flatten)]
        clients: Clients,
    }

    fn bound(arguments: &str, limits: &ServerLimits) -> Result<ServerLimits, String> {
        let given =
            Given::try_parse_from(std::iter::once("").chain(arguments.split_whitespace())).unwrap();
        given.clients.bound(limits).map_err(|ending| ending.message)
    }

    #[test]
    fn what_is_not_said_follows_from_the_other_limits() {
        let limits = bound("", &ServerLimits::default()).unwrap();
        assert_eq!(limits, ServerLimits::default());
        let large = ServerLimits {
            body_bytes: 1 << 30,
            connections: 10,
            ..limits
        };
        let limits = bound("", &large).unwrap();
        assert_eq!(
            (limits.body_memory, limits.connections_per_peer),
            (4 << 30, 64)
        );
        let message = bound("--max-body-memory 1000", &large).unwrap_err();
        assert!(
            message.contains("--max-body-memory 1000 is smaller than one body"),
            "{message}"
        );
        let limits = bound("--max-connections-per-peer 7 --min-body-rate 0", &large).unwrap();
        assert_eq!((limits.connections_per_peer, limits.body_rate), (7, 0));
    }
}
