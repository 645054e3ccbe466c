//! Where a stage's native graphs compute, if its manifest says so. Not written: what the server's
//! `--graphs` says.

/// Where a graph computes. Key `isolation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Isolation {
    /// In a process of its own, which can be killed when its time is over, and costs one call when
    /// it crashes.
    Process,
    /// In the server's process: some microseconds faster, and trusted as the server itself is.
    InProcess,
}

impl Isolation {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Process, Self::InProcess];

    /// How it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::InProcess => "in-process",
        }
    }
}
