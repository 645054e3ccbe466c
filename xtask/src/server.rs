//! A server in a child process: starts it, waits until it is ready, and stops it as an init system
//! would.
//!
//! It has its own process group, so Ctrl-C in the terminal reaches this program only. The server
//! then always ends in the same way: SIGTERM, drain, exit 0. A second Ctrl-C kills it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::run::{OrStop, Outcome, Stop};
use crate::workspace::Workspace;

/// Bound on the start: a first start compiles the components, which is slow on a small, busy
/// machine.
const START_MAX: Duration = Duration::from_secs(120);

/// Bound on the drain.
const STOP_MAX: Duration = Duration::from_secs(30);

/// Lines of the log that a failure shows.
const LOG_LINES: usize = 30;

/// Events that this program waits for.
enum Event {
    /// The server is ready on this address.
    Ready(SocketAddr),
    /// The server closed its stdout: it has ended.
    Gone,
    /// A signal asks this program to end.
    Stop,
}

/// A running server.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    log: PathBuf,
    events: Receiver<Event>,
}

impl Server {
    /// Starts `program` with an example and further arguments of `serve`, with its state and log in
    /// `place`, and waits until it is ready.
    pub(crate) fn start(
        workspace: &Workspace,
        program: &Path,
        args: &[OsString],
        place: &Path,
    ) -> Outcome<Self> {
        let (send, events) = sync_channel(8);
        let signals = Signals::new([SIGINT, SIGTERM, SIGHUP])
            .or_stop(|| "can't listen for signals".to_owned())?;
        watch(signals, send.clone());

        let (log, store) = (place.join("server.log"), place.join("state"));
        fs::create_dir(&store).or_stop(|| format!("can't make {}", store.display()))?;
        let stderr = File::create(&log).or_stop(|| format!("can't write {}", log.display()))?;
        let mut command = Command::new(program);
        workspace.export(&mut command);
        command
            .args([
                "serve",
                "-f",
                "examples/tumor",
                "--http",
                "127.0.0.1:0",
                "--admin",
                "127.0.0.1:0",
            ])
            .args(["--stop-grace", "0", "--state"])
            .arg(&store)
            .args(args);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .process_group(0);
        let mut child = command
            .spawn()
            .or_stop(|| format!("can't start {}", program.display()))?;
        if let Some(stdout) = child.stdout.take() {
            listen(stdout, send);
        }
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Self {
            child,
            address: nowhere,
            log,
            events,
        };
        server.address = server.wait_until_ready()?;
        Ok(server)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The file of the server's stderr.
    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// Waits for a signal.
    pub(crate) fn stay(&mut self) -> Outcome {
        if let Ok(Event::Stop) = self.events.recv() {
            return Ok(());
        }
        // Its stdout is closed, so it has ended or is about to.
        let _ = self.child.wait();
        Err(self.failure("the server ended unexpectedly"))
    }

    /// Sends SIGTERM, and checks that the server drains and exits with 0.
    pub(crate) fn stop(&mut self) -> Outcome {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            let pid = Pid::from_child(&self.child);
            kill_process(pid, Signal::TERM).or_stop(|| "can't signal the server".to_owned())?;
            match self.events.recv_timeout(STOP_MAX) {
                Ok(Event::Stop) => {
                    return Err(Stop::new("interrupted before the server had drained"));
                }
                Err(RecvTimeoutError::Timeout) => {
                    return Err(self.failure(&format!(
                        "the server did not stop within {} s",
                        STOP_MAX.as_secs()
                    )));
                }
                _ => {}
            }
        }
        let status = self.child.wait().or_stop(|| "lost the server".to_owned())?;
        if status.success() {
            Ok(())
        } else {
            Err(self.failure(&format!("the server ended with {status}")))
        }
    }

    fn wait_until_ready(&self) -> Outcome<SocketAddr> {
        match self.events.recv_timeout(START_MAX) {
            Ok(Event::Ready(address)) => Ok(address),
            Ok(Event::Stop) => Err(Stop::new("stopped before the server was ready")),
            Ok(Event::Gone) => Err(self.failure("the server ended before it was ready")),
            Err(_) => Err(self.failure(&format!(
                "the server was not ready after {} s",
                START_MAX.as_secs()
            ))),
        }
    }

    /// An error with the end of the log.
    fn failure(&self, sentence: &str) -> Stop {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(LOG_LINES)..].join("\n");
        Stop::new(format!("{sentence}; the end of its log:\n{tail}"))
    }
}

impl Drop for Server {
    /// No server outlives this program.
    fn drop(&mut self) {
        // Both fail only if `stop` has already reaped the child.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn watch(mut signals: Signals, events: SyncSender<Event>) {
    thread::spawn(move || {
        for _ in signals.forever() {
            // A full queue already holds an unread signal.
            let _ = events.try_send(Event::Stop);
        }
    });
}

/// Forwards the server's output, and reads its address from it.
fn listen(stdout: ChildStdout, events: SyncSender<Event>) {
    thread::spawn(move || {
        let mut is_ready = false;
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            println!("{line}");
            if !is_ready && let Some(address) = ready_at(&line) {
                is_ready = events.send(Event::Ready(address)).is_ok();
            }
        }
        // The receiver is gone if this program is about to end.
        let _ = events.send(Event::Gone);
    });
}

/// The address in a line that contains `ready` and `http://ADDRESS:PORT`.
fn ready_at(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line
        .split_once("http://")
        .filter(|_| line.contains("ready"))?;
    let end = rest
        .find(|c: char| !(c.is_ascii_hexdigit() || "[]:.".contains(c)))
        .unwrap_or(rest.len());
    rest[..end].trim_end_matches('.').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_line_names_the_address() {
        let address = SocketAddr::from(([127, 0, 0, 1], 8080));
        assert_eq!(
            ready_at("hotstage is ready at http://127.0.0.1:8080."),
            Some(address)
        );
        assert_eq!(
            ready_at(r#"{"message":"ready","http":"http://127.0.0.1:8080/"}"#),
            Some(address)
        );
        assert_eq!(
            ready_at("ready on http://[::1]:9 (http)"),
            "[::1]:9".parse().ok()
        );
    }

    #[test]
    fn other_lines_are_only_forwarded() {
        assert_eq!(ready_at("listening on http://127.0.0.1:8080"), None);
        assert_eq!(ready_at("ready"), None);
        assert_eq!(ready_at("ready at http://localhost"), None);
    }
}
