//! Flags of how a server starts and stops. Defaults: a version that can't be opened is out of
//! service by itself; 3 seconds of grace after SIGTERM.

use std::time::Duration;

/// How it starts and stops.
#[derive(Debug, clap::Args)]
pub(super) struct Life {
    /// Refuse to start when a version that was served last can't be opened, or when a manifest is
    /// refused. Without this, that version alone is out of service, and the other manifests are
    /// served.
    #[arg(long, conflicts_with = "allow_damaged")]
    pub(super) require_all: bool,
    /// Be ready although no version of a name can be opened. Without this, /v2/health/ready says
    /// 503 then.
    #[arg(long)]
    pub(super) allow_damaged: bool,
    /// With --watch: end at the start what a watched file described and does not any more.
    #[arg(long, requires = "watch")]
    pub(super) prune: bool,
    /// Seconds after SIGTERM in which requests are still accepted while /v2/health/ready says 503,
    /// before the server drains. SIGINT leaves them out, and a second signal ends the server at
    /// once.
    #[arg(long, value_name = "SECONDS", default_value_t = 3)]
    stop_grace: u64,
}

impl Life {
    pub(super) const fn grace(&self) -> Duration {
        Duration::from_secs(self.stop_grace)
    }
}
