//! A server in a child process: Hotstage or the floor.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::Outcome;
use crate::measure::{cpu, resident};
use crate::origin::Origin;

/// A running server. Dropping it kills it.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    _directory: TempDir,
}

impl Server {
    /// Starts Hotstage with its own state directory, and waits until it is ready. It is started
    /// twice: a process that compiled keeps the compiler's memory, and a server in service usually
    /// compiles nothing.
    pub(crate) fn ours(origin: &Origin) -> Outcome<Self> {
        let state = tempfile::tempdir()?;
        let mut command = serve(
            origin,
            &state.path().join("state"),
            SocketAddr::from(([127, 0, 0, 1], 0)),
        );
        drop(Self::start(&mut command, tempfile::tempdir()?)?);
        Self::start(&mut command, state)
    }

    /// Starts the floor, which is a verb of this program.
    pub(crate) fn floor() -> Outcome<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["floor", "--port", "0"]);
        Self::start(&mut command, tempfile::tempdir()?)
    }

    fn start(command: &mut Command, directory: TempDir) -> Outcome<Self> {
        let log = directory.path().join("stderr");
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .spawn()
            .map_err(|error| {
                format!(
                    "can't start {}: {error}; build it first",
                    command.get_program().display()
                )
            })?;
        let stdout = child.stdout.take().ok_or("no stdout")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line
            .split_whitespace()
            .find_map(|word| word.strip_prefix("http://")?.parse().ok());
        match address {
            Some(address) => Ok(Self {
                child,
                address,
                _directory: directory,
            }),
            None => {
                child.kill()?;
                child.wait()?;
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                Err(format!("the server printed no address, but `{line}`: {said}").into())
            }
        }
    }

    /// CPU time so far.
    pub(crate) fn cpu(&self) -> Outcome<Duration> {
        cpu(&self.child.id().to_string())
    }

    /// Resident bytes now.
    pub(crate) fn resident(&self) -> Outcome<f64> {
        resident(&self.child.id().to_string())
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The command line of our server.
pub(crate) fn serve(origin: &Origin, state: &Path, address: SocketAddr) -> Command {
    let mut command = Command::new(&origin.server);
    command
        .args(["serve", "--admin", "none", "-f"])
        .arg(origin.manifest())
        .arg("--state")
        .arg(state);
    command
        .arg("--components")
        .arg(&origin.components)
        .arg("--http")
        .arg(address.to_string());
    command
}
