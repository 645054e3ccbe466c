//! Flags of `serve` on what its clients may do together: memory and pace of bodies, connections of
//! one peer, hosts, and lines in the log. Bounds on a single request stand in `Limits`, beside this
//! file's parent.

use std::net::SocketAddr;
use std::time::Duration;

use hotstage_core::limits::{LOG_RATE, ServerLimits};

use super::super::{CliError, Exit};
use crate::telemetry::request_log::RequestLog;
use crate::transport::hosts::Hosts;
use crate::transport::intake::Intake;

/// Bodies of the largest size that there is memory for, unless it is said how much.
const BODIES: u64 = 4;
/// Connections that a peer may have, however few there may be.
const PEER_LEAST: usize = 64;

#[derive(Debug, clap::Args)]
pub(in super::super) struct Clients {
    /// Bytes that all request bodies may take together; more get 503
    /// [default: 1 GiB, or four times --max-body].
    #[arg(long, value_name = "BYTES")]
    max_body_memory: Option<u64>,
    /// Bytes a second that a body must bring on average, after its first ten seconds; 0: no bound.
    #[arg(long, value_name = "BYTES", default_value_t = ServerLimits::default().body_rate)]
    min_body_rate: u64,
    /// Seconds that a whole body may take.
    #[arg(long, value_name = "SECONDS", default_value_t = ServerLimits::default().body_time.as_secs(),
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    body_timeout: u64,
    /// Connections at once from one address, or from one IPv6 /64 network
    /// [default: half of --max-connections, at least 64].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_connections_per_peer: Option<u32>,
    /// A name that requests may give as their host; *: any
    /// [default: any; on a loopback address its own names].
    #[arg(long = "allow-host", value_name = "NAME")]
    allow_hosts: Vec<String>,
    /// Log lines a second about requests that were refused, and as many about those that failed;
    /// more are counted.
    #[arg(long, value_name = "N", default_value_t = LOG_RATE)]
    log_rate: u32,
}

impl Clients {
    /// The limits with these among them.
    pub(super) fn bound(&self, limits: &ServerLimits) -> Result<ServerLimits, CliError> {
        let largest = limits.body_bytes as u64;
        let body_memory = match self.max_body_memory {
            Some(bytes) if bytes < largest => {
                let message = format!(
                    "--max-body-memory {bytes} has no room for a single body of --max-body {largest}; raise the one or \
                     lower the other"
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

    /// What inference takes, which was told to listen on `told` and does so on `address`.
    pub(super) fn intake(
        &self,
        limits: &ServerLimits,
        (told, address): (&str, SocketAddr),
    ) -> Intake {
        Intake::new(
            limits,
            Hosts::of(told, address, &self.allow_hosts),
            RequestLog::new(self.log_rate),
        )
    }

    /// What the admin API takes beside that.
    pub(super) fn admin(
        &self,
        limits: &ServerLimits,
        (told, address): (&str, SocketAddr),
        inference: &Intake,
    ) -> Intake {
        inference.beside(limits, Hosts::of(told, address, &self.allow_hosts))
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
            message.contains("--max-body-memory 1000 has no room"),
            "{message}"
        );
        let limits = bound("--max-connections-per-peer 7 --min-body-rate 0", &large).unwrap();
        assert_eq!((limits.connections_per_peer, limits.body_rate), (7, 0));
    }
}
