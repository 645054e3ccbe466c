//! Flags for the start and the stop of a server. Defaults: a version that can't be opened is out of
//! service without stopping the others; 3 seconds of grace after SIGTERM.

use std::time::Duration;

/// How the server starts and stops.
#[derive(Debug, clap::Args)]
pub(super) struct Life {
    /// Refuse to start if a manifest is refused, or if a version that was served before can't be
    /// opened. Without this flag, only that manifest or version is left out.
    #[arg(long, conflicts_with = "allow_damaged")]
    pub(super) require_all: bool,
    /// Report ready even if no version of a name can be opened. Without this flag, /v2/health/ready
    /// answers 503 in that case.
    #[arg(long)]
    pub(super) allow_damaged: bool,
    /// With --watch: at the start, stop serving what a watched file described before and does not
    /// describe any more.
    #[arg(long, requires = "watch")]
    pub(super) prune: bool,
    /// Seconds after SIGTERM during which the server still accepts requests and /v2/health/ready
    /// answers 503; then it drains. SIGINT skips this time; a second signal exits at once.
    #[arg(long, value_name = "SECONDS", default_value_t = 3)]
    stop_grace: u64,
}

impl Life {
    pub(super) const fn grace(&self) -> Duration {
        Duration::from_secs(self.stop_grace)
    }
}
