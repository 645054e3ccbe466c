//! `--graphs`: where ONNX graphs run, or that they are refused.
//!
//! Default: each graph runs in its own process, which enforces the bounds on time and memory. On
//! systems without such processes the default is the server's process.

use hotstage_onnx::Policy;

/// Flags of every verb that opens pipelines.
#[derive(Debug, clap::Args)]
pub(super) struct GraphFlags {
    /// Where ONNX graphs run.
    #[arg(
        long = "graphs",
        value_enum,
        value_name = "WHERE",
        default_value_t,
        env = "HOTSTAGE_GRAPHS"
    )]
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Place {
    /// Each in its own process; a stage with `isolation: in-process` is refused.
    Process,
    /// Each in its own process, unless a stage says `isolation: in-process`.
    AllowInProcess,
    /// In the server's process, unless a stage says `isolation: process`.
    InProcess,
    /// Nowhere: a stage that opens a graph is refused.
    Refuse,
}

impl Default for Place {
    fn default() -> Self {
        if cfg!(target_os = "linux") {
            Self::Process
        } else {
            Self::InProcess
        }
    }
}

impl GraphFlags {
    pub(super) const fn policy(&self) -> Policy {
        match self.place {
            Place::Process => Policy::Process,
            Place::AllowInProcess => Policy::AllowInProcess,
            Place::InProcess => Policy::InProcess,
            Place::Refuse => Policy::Refuse,
        }
    }
}
