//! The operator's policy for graphs: where they compute by default, and what a stage may request.
//!
//! Default of the engine: in its own process, as it has no program to start. Default of the server
//! (`--graphs`): in processes of their own, and nowhere else.

use std::ffi::OsString;
use std::path::PathBuf;

use hotstage_core::isolation::Isolation;

/// The operator's policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Every graph in a process of its own; a stage that requests the server's process is refused.
    Process,
    /// The same, unless a stage requests the server's process.
    AllowInProcess,
    /// In the server's process, unless a stage requests one of its own.
    #[default]
    InProcess,
    /// No graphs at all.
    Refuse,
}

/// How a process for a graph is started: this program, with these arguments and no other
/// environment variables.
#[derive(Clone, Debug, Default)]
pub struct Launch {
    /// The program.
    pub program: PathBuf,
    /// The arguments that make it call [`work`](super::work).
    pub arguments: Vec<OsString>,
    /// Environment variables that an engine needs: where its libraries are, which devices it may
    /// use.
    pub environment: Vec<(OsString, OsString)>,
}

/// Settings of all graphs.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Computations at once, of a graph that does not set it. 0 counts as 1.
    pub concurrency: usize,
    /// Where they compute.
    pub policy: Policy,
    /// How their processes are started.
    pub launch: Launch,
}

impl Policy {
    /// Where a graph computes for a stage's request; the error says why it does not.
    pub(super) fn place(self, requested: Option<Isolation>) -> Result<Isolation, String> {
        match (self, requested) {
            (Self::Refuse, _) => Err("this server computes no graphs (`--graphs refuse`); the component \
                                      `onnx-sandboxed` computes them in the sandbox"
                .to_owned()),
            (Self::Process, Some(Isolation::InProcess)) => Err("`isolation: in-process` is refused: this server \
                                                                computes graphs in processes of their own alone \
                                                                (`--graphs allow-in-process` lets a stage choose)"
                .to_owned()),
            (_, Some(requested)) => Ok(requested),
            (Self::Process | Self::AllowInProcess, None) => Ok(Isolation::Process),
            (Self::InProcess, None) => Ok(Isolation::InProcess),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_chooses_where_the_operator_lets_it() {
        let requested = [None, Some(Isolation::Process), Some(Isolation::InProcess)];
        let placed = |policy: Policy| requested.map(|requested| policy.place(requested).ok());
        let (apart, here) = (Some(Isolation::Process), Some(Isolation::InProcess));
        assert_eq!(placed(Policy::Process), [apart, apart, None]);
        assert_eq!(placed(Policy::AllowInProcess), [apart, apart, here]);
        assert_eq!(placed(Policy::InProcess), [here, apart, here]);
        assert_eq!(placed(Policy::Refuse), [None, None, None]);
    }
}
