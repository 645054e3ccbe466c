//! Where a stage's native graphs compute, if its manifest says so. Default: the server's
//! `--graphs`.

/// Where a graph computes. Key `isolation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Isolation {
    /// In a process of its own, which can be killed when its time is over; a crash costs one call.
    Process,
    /// In the server's process: some microseconds faster, and trusted as the server itself is.
    InProcess,
}

impl Isolation {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Process, Self::InProcess];

    /// The word in manifests.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::InProcess => "in-process",
        }
    }
}
