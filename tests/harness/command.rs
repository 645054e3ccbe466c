//! Commands that run to their end, within [`PATIENCE`](super::PATIENCE).

use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::lines::Lines;
use super::server::program;
use super::{components, state};

/// The exit code and the output of a command.
#[derive(Debug)]
pub(crate) struct Ran {
    /// `None` if a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    /// Without lines about the duration of steps.
    pub(crate) stderr: String,
}

impl Ran {
    /// Returns itself after asserting the exit code.
    #[track_caller]
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "stdout: {}\nstderr: {}",
            self.stdout,
            self.stderr
        );
        self
    }
}

/// Runs a CLI command with these arguments.
pub(crate) fn hotstage<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Ran {
    let mut command = program();
    command.args(arguments).env_remove("HOTSTAGE_URL");
    run(command, b"")
}

/// `hotstage check` in a folder, with the bundled components and a state directory that shares
/// other tests' compiled components.
pub(crate) fn check<'a>(folder: &Path, arguments: impl IntoIterator<Item = &'a str>) -> Ran {
    let state = state::warm();
    let ran = check_with(folder, state.path(), &components(), arguments, b"");
    state::harvest(state.path());
    ran
}

/// The same with every argument given.
pub(crate) fn check_with<'a>(
    folder: &Path,
    state: &Path,
    components: &Path,
    arguments: impl IntoIterator<Item = &'a str>,
    input: &[u8],
) -> Ran {
    let mut command = program();
    command.arg("check").args(arguments).current_dir(folder);
    command
        .arg("--state")
        .arg(state)
        .arg("--components")
        .arg(components);
    run(command, input)
}

/// Runs a command with this standard input.
pub(crate) fn run(mut command: Command, input: &[u8]) -> Ran {
    let child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = Killed(child);
    let (stdout, stderr) = (
        Lines::of(child.0.stdout.take().unwrap()),
        Lines::of(child.0.stderr.take().unwrap()),
    );
    // A command that does not read its input may have ended already.
    let _ = child.0.stdin.take().unwrap().write_all(input);
    let (stdout, mut stderr) = (stdout.all(), stderr.all());
    stderr.retain(|line| !line.starts_with("compiling the component of stage "));
    Ran {
        code: child.0.wait().unwrap().code(),
        stdout: stdout.join("\n"),
        stderr: stderr.join("\n"),
    }
}

/// Kills the process when the waiting test ends.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
