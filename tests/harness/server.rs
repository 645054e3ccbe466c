//! `hotstage serve` on a free port, with its own state directory, stopped on drop.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::http::{Connection, Request, Response};
use super::lines::Lines;
use super::metrics::Metrics;
use super::state::{self, Folder};
use super::{components, guests, root};

/// The location of a workspace build in the tests' profile.
fn beside_the_tests() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    tests
        .parent()
        .and_then(Path::parent)
        .unwrap()
        .join("hotstage")
}

/// The program, in the repository's root, without the environment of the test runner.
pub(crate) fn program() -> Command {
    let path = std::env::var_os("HOTSTAGE_BIN").map_or_else(beside_the_tests, PathBuf::from);
    let mut command = Command::new(path);
    command.current_dir(root()).stdin(Stdio::null());
    for variable in [
        "RUST_BACKTRACE",
        "RUST_LOG",
        "HOTSTAGE_STATE",
        "HOTSTAGE_HTTP",
        "HOTSTAGE_ADMIN",
        "HOTSTAGE_COMPONENTS",
        "HOTSTAGE_SERVER",
        "HOTSTAGE_TOKEN_FILE",
        "HOTSTAGE_ACTOR",
        "HOTSTAGE_ONNXRUNTIME",
        "HOTSTAGE_GRAPHS",
        "ORT_DYLIB_PATH",
        "VIRTUAL_ENV",
    ] {
        command.env_remove(variable);
    }
    // Manifests of tests refer to guests and example files outside of their folder.
    command.env(
        "HOTSTAGE_ALLOW_PATH",
        std::env::join_paths([root(), guests()]).unwrap(),
    );
    command
}

/// The arguments of a server.
pub(crate) struct Setup {
    manifests: Vec<PathBuf>,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    /// Folders of manifests that the test wrote.
    made: Folder,
    state: Option<PathBuf>,
    http: String,
}

impl Setup {
    /// Serves these files or folders of manifests.
    pub(crate) fn files(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        Self {
            manifests: paths.into_iter().collect(),
            arguments: Vec::new(),
            environment: Vec::new(),
            made: Folder::new(),
            state: None,
            http: "127.0.0.1:0".to_owned(),
        }
    }

    /// Serves version 1 of `examples/tumor`.
    pub(crate) fn tumor() -> Self {
        Self::files([root().join("examples/tumor/tumor-v1.yaml")])
    }

    /// Serves manifests from [`manifest`](super::manifest).
    pub(crate) fn of(manifests: impl IntoIterator<Item = Value>) -> Self {
        Self::files([]).and(manifests)
    }

    /// Adds such manifests.
    #[must_use]
    pub(crate) fn and(mut self, manifests: impl IntoIterator<Item = Value>) -> Self {
        for manifest in manifests {
            let name = format!("{}.yaml", self.manifests.len());
            self.manifests
                .push(self.made.write(&name, manifest.to_string()));
        }
        self
    }

    /// Adds arguments, as typed: `"--max-queue 0"`.
    #[must_use]
    pub(crate) fn args(mut self, arguments: &str) -> Self {
        self.arguments
            .extend(arguments.split_whitespace().map(str::to_owned));
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Uses a state directory that the test keeps, instead of a warm one that is dropped with the
    /// server.
    #[must_use]
    pub(crate) fn state(mut self, path: impl Into<PathBuf>) -> Self {
        self.state = Some(path.into());
        self
    }

    /// Uses the given address instead of a free port.
    #[must_use]
    pub(crate) fn http(mut self, address: impl fmt::Display + Copy) -> Self {
        self.http = address.to_string();
        self
    }

    /// Starts it and waits until it is ready.
    #[track_caller]
    pub(crate) fn start(self) -> Server {
        self.try_start().unwrap_or_else(|ended| {
            panic!(
                "it ended with {:?}:\n{}",
                ended.code,
                ended.stderr.join("\n")
            )
        })
    }

    /// Starts it and waits until it is ready or has ended.
    pub(crate) fn try_start(self) -> Result<Server, Ended> {
        let mut starting = self.spawn();
        let serves = |line: &str| {
            line.starts_with("hotstage is ready on ")
                || line.starts_with("hotstage is not ready on ")
        };
        let Some(line) = starting.stdout.find(serves) else {
            return Err(starting.wait());
        };
        let address = line
            .split_once("http://")
            .unwrap()
            .1
            .split_once(' ')
            .unwrap()
            .0;
        let address = address.parse().unwrap();
        state::harvest(&starting.state);
        Ok(Server { address, starting })
    }

    /// Starts it without waiting.
    pub(crate) fn spawn(self) -> Starting {
        let kept = self.state.is_none().then(state::warm);
        let state = self
            .state
            .unwrap_or_else(|| kept.as_ref().unwrap().path().to_owned());
        let mut command = program();
        command
            .args([
                "serve",
                "--http",
                &self.http,
                "--admin",
                "127.0.0.1:0",
                "--state",
            ])
            .arg(&state);
        command.arg("--components").arg(components());
        // A deliberately slow stage must not reach its limit, even on a slow machine.
        command.args(["--max-stage-time", "1h", "--max-stage-log-bytes", "16MiB"]);
        for manifest in &self.manifests {
            command.arg("-f").arg(manifest);
        }
        if !self
            .arguments
            .iter()
            .any(|argument| argument == "--stop-grace")
        {
            // Stopping needs no grace period.
            command.args(["--stop-grace", "0"]);
        }
        command.args(self.arguments).envs(self.environment);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = Lines::of(child.stdout.take().unwrap());
        let stderr = Lines::of(child.stderr.take().unwrap());
        Starting {
            child,
            stdout,
            stderr,
            state,
            _kept: (kept, self.made),
        }
    }
}

/// A started process.
pub(crate) struct Starting {
    child: Child,
    pub(crate) stdout: Lines,
    pub(crate) stderr: Lines,
    pub(crate) state: PathBuf,
    _kept: (Option<Folder>, Folder),
}

/// The exit code and output of a process.
#[derive(Debug)]
pub(crate) struct Ended {
    /// `None` if a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<String>,
    pub(crate) stderr: Vec<String>,
}

impl Starting {
    /// The process's id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, for example `"TERM"`.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("sh")
            .args(["-c", &format!("kill -{name} {}", self.id())])
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until it has ended.
    pub(crate) fn wait(&mut self) -> Ended {
        // Its streams end with it, so this is bounded.
        let (stdout, stderr) = (self.stdout.all(), self.stderr.all());
        Ended {
            code: self.child.wait().unwrap().code(),
            stdout,
            stderr,
        }
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A ready server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) starting: Starting,
}

impl Server {
    /// Opens a connection.
    pub(crate) fn connect(&self) -> Connection {
        Connection::open(self.address)
    }

    /// Sends one request on its own connection.
    #[track_caller]
    pub(crate) fn ask(&self, request: &Request) -> Response {
        self.connect().ask(request)
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Response {
        self.ask(&Request::get(path))
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: impl Into<Vec<u8>>) -> Response {
        self.ask(&Request::post(path, body))
    }

    /// Infers with JSON.
    #[track_caller]
    pub(crate) fn infer(&self, model: &str, request: &Value) -> Response {
        self.post(&format!("/v2/models/{model}/infer"), request.to_string())
    }

    /// Infers with the binary extension.
    #[track_caller]
    pub(crate) fn infer_binary(&self, model: &str, request: &Value, blobs: &[&[u8]]) -> Response {
        self.ask(&Request::binary(
            &format!("/v2/models/{model}/infer"),
            request,
            blobs,
        ))
    }

    /// Scrapes `/metrics`. The scrape counts itself: as a request, in flight, on a connection.
    #[track_caller]
    pub(crate) fn metrics(&self) -> Metrics {
        Metrics::of(&mut self.connect())
    }

    /// Kills it like a power cut; the test keeps its state directory.
    pub(crate) fn kill(mut self) {
        self.starting.signal("KILL");
        self.starting.wait();
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        self.starting.signal("TERM");
    }

    /// Stops it and returns its exit code and output.
    pub(crate) fn stop(mut self) -> Ended {
        self.terminate();
        self.starting.wait()
    }
}
