//! Where the operator lets graphs compute: the default, and what a stage may ask for instead.
//!
//! Default of the engine: in its own process, as it has no program to start. Default of the server
//! (`--graphs`): in processes of their own, and nowhere else.

use std::ffi::OsString;
use std::path::PathBuf;

use hotstage_core::isolation::Isolation;

/// What the operator allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Every graph in a process of its own; a stage that asks for the server's is refused.
    Process,
    /// The same, unless a stage asks for the server's process.
    AllowInProcess,
    /// In the server's process, unless a stage asks for one of its own.
    #[default]
    InProcess,
    /// No graphs at all.
    Refuse,
}

/// How a process for a graph is started: this program, with these arguments and nothing else of the
/// environment.
#[derive(Clone, Debug, Default)]
pub struct Launch {
    /// The program.
    pub program: PathBuf,
    /// What makes it call [`work`](super::work).
    pub arguments: Vec<OsString>,
    /// Variables that an engine needs: where its libraries are, which devices it may use.
    pub environment: Vec<(OsString, OsString)>,
}

/// What holds for all graphs.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Computations at once, of a graph that leaves it open. 0 counts as 1.
    pub concurrency: usize,
    /// Where they compute.
    pub policy: Policy,
    /// How their processes are started.
    pub launch: Launch,
}

impl Policy {
    /// Where a graph computes whose stage asks for this; or why it does not.
    pub(super) fn place(self, asked: Option<Isolation>) -> Result<Isolation, String> {
        match (self, asked) {
            (Self::Refuse, _) => Err("this server computes no graphs (`--graphs refuse`); the component \
                                      `onnx-sandboxed` computes them in the sandbox"
                .to_owned()),
            (Self::Process, Some(Isolation::InProcess)) => Err("`isolation: in-process` is refused: this server \
                                                                computes graphs in processes of their own alone \
                                                                (`--graphs allow-in-process` lets a stage choose)"
                .to_owned()),
            (_, Some(asked)) => Ok(asked),
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
        let asked = [None, Some(Isolation::Process), Some(Isolation::InProcess)];
        let placed = |policy: Policy| asked.map(|asked| policy.place(asked).ok());
        let (apart, here) = (Some(Isolation::Process), Some(Isolation::InProcess));
        assert_eq!(placed(Policy::Process), [apart, apart, None]);
        assert_eq!(placed(Policy::AllowInProcess), [apart, apart, here]);
        assert_eq!(placed(Policy::InProcess), [here, apart, here]);
        assert_eq!(placed(Policy::Refuse), [None, None, None]);
    }
}
