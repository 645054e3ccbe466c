//! `hotstage serve` on a free port, with a state directory of its own, stopped when it is dropped.

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

/// Where a build of the whole workspace in the tests' own profile leaves it.
fn beside_the_tests() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    tests
        .parent()
        .and_then(Path::parent)
        .unwrap()
        .join("hotstage")
}

/// The program, in the repository's root, untouched by the variables of whoever runs the tests.
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
    // Manifests of tests name guests, and files of the examples, wherever these lie.
    command.env(
        "HOTSTAGE_ALLOW_PATH",
        std::env::join_paths([root(), guests()]).unwrap(),
    );
    command
}

/// What a server is started with.
pub(crate) struct Setup {
    manifests: Vec<PathBuf>,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    /// Of manifests that the test made.
    made: Folder,
    state: Option<PathBuf>,
    http: String,
}

impl Setup {
    /// These files or folders of manifests.
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

    /// Version 1 of `examples/tumor`.
    pub(crate) fn tumor() -> Self {
        Self::files([root().join("examples/tumor/tumor-v1.yaml")])
    }

    /// Manifests from [`manifest`](super::manifest).
    pub(crate) fn of(manifests: impl IntoIterator<Item = Value>) -> Self {
        Self::files([]).and(manifests)
    }

    /// More such manifests.
    #[must_use]
    pub(crate) fn and(mut self, manifests: impl IntoIterator<Item = Value>) -> Self {
        for manifest in manifests {
            let name = format!("{}.yaml", self.manifests.len());
            self.manifests
                .push(self.made.write(&name, manifest.to_string()));
        }
        self
    }

    /// More arguments, as typed: `"--max-queue 0"`.
    #[must_use]
    pub(crate) fn args(mut self, arguments: &str) -> Self {
        self.arguments
            .extend(arguments.split_whitespace().map(str::to_owned));
        self
    }

    /// A variable of the environment.
    #[must_use]
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A state directory that the test keeps, instead of a warm one that goes with the server.
    #[must_use]
    pub(crate) fn state(mut self, path: impl Into<PathBuf>) -> Self {
        self.state = Some(path.into());
        self
    }

    /// An address of the test's choice, instead of any free port.
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

    /// Starts it, and answers when it is ready or has ended instead.
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

    /// Starts it, without waiting for anything.
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
        // A stage that is slow on purpose must not end by its limit, however slow the machine is.
        command.args(["--max-stage-time", "1h", "--max-stage-log-bytes", "16MiB"]);
        for manifest in &self.manifests {
            command.arg("-f").arg(manifest);
        }
        if !self
            .arguments
            .iter()
            .any(|argument| argument == "--stop-grace")
        {
            // Nobody has to be told that it goes.
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

/// A process that has been started.
pub(crate) struct Starting {
    child: Child,
    pub(crate) stdout: Lines,
    pub(crate) stderr: Lines,
    pub(crate) state: PathBuf,
    _kept: (Option<Folder>, Folder),
}

/// How a process ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<String>,
    pub(crate) stderr: Vec<String>,
}

impl Starting {
    /// The process's id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal: `"TERM"`.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("sh")
            .args(["-c", &format!("kill -{name} {}", self.id())])
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// Whether it has ended already.
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

/// A server that is ready.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) starting: Starting,
}

impl Server {
    /// Opens a connection.
    pub(crate) fn connect(&self) -> Connection {
        Connection::open(self.address)
    }

    /// Sends one request on a connection of its own.
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

    /// `/metrics` of this moment. The scrape counts itself: as a request, in flight, on a
    /// connection.
    #[track_caller]
    pub(crate) fn metrics(&self) -> Metrics {
        Metrics::of(&mut self.connect())
    }

    /// Ends it as a power cut would; its state directory stays with the test.
    pub(crate) fn kill(mut self) {
        self.starting.signal("KILL");
        self.starting.wait();
    }

    /// Asks it to end, with SIGTERM.
    pub(crate) fn terminate(&self) {
        self.starting.signal("TERM");
    }

    /// Ends it and says how that went, and all it printed.
    pub(crate) fn stop(mut self) -> Ended {
        self.terminate();
        self.starting.wait()
    }
}
