//! What the operator says of ONNX graphs: where they compute, or that there are none.
//!
//! Default: each in a process of its own, which is what the bounds on time and memory rest on;
//! where the system has no such processes, in the server's.

use hotstage_engine::graph::Policy;

/// Flags of every verb that opens pipelines.
#[derive(Debug, clap::Args)]
pub(super) struct GraphFlags {
    /// Where ONNX graphs compute.
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
    /// Each in a process of its own; a stage that asks for the server's is refused.
    Process,
    /// Each in a process of its own, unless a stage says `isolation: in-process`.
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
