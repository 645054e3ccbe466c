//! `hotstage top`: as text without a terminal, and in a real terminal, which `tmux` creates;
//! without tmux those tests are skipped, with a message.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::admin::{Admin, ask, times};
use crate::harness::command::hotstage;
use crate::harness::http::Request;
use crate::harness::server::{Server, Setup, program};
use crate::harness::state::{Folder, warm};
use crate::harness::{eventually, pause, skipped};

/// Interval between two reads of a screen that is redrawn every second.
const LOOK: Duration = Duration::from_millis(50);

/// Sends requests to `busy` repeatedly while `work` runs.
fn under_load<T>(server: &Server, work: impl FnOnce() -> T) -> T {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut connection = server.connect();
            while !is_over.load(Relaxed) {
                ask(&mut connection, "/v2/models/busy/infer").unwrap();
            }
        });
        // Stop even if it fails, because the scope waits for its threads.
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        is_over.store(true, Relaxed);
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn setup() -> Setup {
    Setup::of([
        times("busy", "1", 2.0),
        times("busy", "2", 4.0),
        times("idle", "1", 2.0),
    ])
}

#[test]
fn traffic_is_what_happened_meanwhile() {
    let server = setup().start();
    let admin = Admin::of(&server);
    let reader = fs::read_to_string(server.starting.state.join("reader-token")).unwrap();
    // Earlier requests do not count.
    ask(&mut server.connect(), "/v2/models/idle/infer").unwrap();
    let traffic = under_load(&server, || {
        let request = Request::get("/v1/traffic?interval_ms=300&limit=2");
        admin.ask_as(reader.trim(), request).ok().json()
    });
    assert_eq!(
        (
            &traffic["total"],
            traffic["versions"].as_array().unwrap().len()
        ),
        (&3.into(), 2),
        "{traffic}"
    );
    let busy = &traffic["versions"][0];
    assert_eq!(
        (&busy["name"], &busy["version"], &busy["answers"]),
        (&"busy".into(), &"2".into(), &true.into())
    );
    let number = |value: &Value| value.as_f64().unwrap();
    assert!(
        number(&busy["rates"]["requests_per_second"]) > 0.0,
        "{traffic}"
    );
    assert!(
        number(&busy["rates"]["p99_ms"]) >= number(&busy["rates"]["p50_ms"]),
        "{traffic}"
    );
    assert!(
        (300.0..30_000.0).contains(&number(&traffic["interval_ms"])),
        "{traffic}"
    );
    let idle = admin.get("/v1/traffic?interval_ms=50&order=name&name=idl");
    assert_eq!(
        (&idle["versions"][0]["name"], &idle["total"]),
        (&"idle".into(), &1.into()),
        "{idle}"
    );
    let rates = &idle["versions"][0]["rates"];
    assert_eq!(
        (number(&rates["requests_per_second"]), &rates["p50_ms"]),
        (0.0, &Value::Null),
        "{idle}"
    );
    for query in [
        "interval_ms=1",
        "interval_ms=60001",
        "order=speed",
        "limit=0",
        "every=1",
    ] {
        assert_eq!(
            admin
                .ask(Request::get(&format!("/v1/traffic?{query}")))
                .status,
            400,
            "{query}"
        );
    }
}

#[test]
fn a_server_that_stops_waits_for_no_measurement() {
    let mut server = setup().start();
    let admin = Admin::of(&server);
    let began = Instant::now();
    thread::scope(|scope| {
        let measuring = scope.spawn(|| admin.get("/v1/traffic?interval_ms=60000"));
        pause(Duration::from_millis(500));
        server.terminate();
        let ended = server.starting.wait();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(measuring.join().unwrap()["status"]["ready"], false);
    });
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn without_a_terminal_it_is_one_text() {
    let server = setup().start();
    let at = server.starting.state.to_str().unwrap();
    let shown = under_load(&server, || {
        hotstage(["top", "--every", "0.3", "--state", at])
    })
    .ended(0)
    .stdout;
    assert!(
        shown.starts_with("hotstage ") && !shown.contains('\u{1b}'),
        "{shown}"
    );
    for part in [
        " · ready · ",
        "requests/s",
        "busy",
        "2 *",
        "idle",
        "apply: added",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let json = hotstage(["top", "--every", "0.1", "-o", "json", "--state", at])
        .ended(0)
        .stdout;
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap()["total"], 3);
    server.stop();
    let gone = hotstage(["top", "--server", "http://127.0.0.1:1"]);
    assert!(
        gone.code == Some(7) && gone.stderr.contains("can't reach"),
        "{gone:?}"
    );
}

/// A terminal with a shell in it, closed on drop.
struct Terminal {
    /// The folder of tmux's socket.
    folder: Folder,
}

impl Terminal {
    /// `None` without `tmux`.
    fn open(columns: u16, rows: u16) -> Option<Self> {
        if Command::new("tmux").arg("-V").output().is_err() {
            skipped("there is no `tmux` to make a terminal");
            return None;
        }
        let terminal = Self {
            folder: Folder::new(),
        };
        let (columns, rows) = (columns.to_string(), rows.to_string());
        let size = ["-x", &columns, "-y", &rows];
        let session = ["-f", "/dev/null", "new-session", "-d"];
        terminal.tmux(
            session
                .into_iter()
                .chain(size)
                .chain(["env PS1='at-rest> ' sh"]),
        );
        terminal.shows(&["at-rest>"]);
        Some(terminal)
    }

    #[track_caller]
    fn tmux<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> String {
        let Output {
            status,
            stdout,
            stderr,
        } = self.command(arguments).output().unwrap();
        assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
        String::from_utf8_lossy(&stdout).into_owned()
    }

    fn command<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new("tmux");
        // A socket's path must be short, so it is relative to its folder.
        command
            .args(["-S", "tmux"])
            .args(arguments)
            .current_dir(self.folder.path());
        for (name, _) in program().get_envs().filter(|(_, value)| value.is_none()) {
            command.env_remove(name);
        }
        command
            .env_remove("TMUX")
            .env_remove("NO_COLOR")
            .env("LC_ALL", "C.UTF-8")
            .env("TERM", "xterm-256color");
        command
    }

    /// Types a line for the shell.
    fn run(&self, line: &str) {
        self.tmux(["send-keys", "-l", line]);
        self.tmux(["send-keys", "Enter"]);
    }

    fn press(&self, key: &str) {
        self.tmux(["send-keys", key]);
    }

    fn resize(&self, columns: u16, rows: u16) {
        self.tmux([
            "resize-window",
            "-x",
            &columns.to_string(),
            "-y",
            &rows.to_string(),
        ]);
    }

    fn screen(&self) -> String {
        self.tmux(["capture-pane", "-p"])
    }

    /// Waits until the screen contains all these texts.
    #[track_caller]
    fn shows(&self, texts: &[&str]) -> String {
        self.becomes(&format!("{texts:?}"), |screen| {
            texts.iter().all(|text| screen.contains(text))
        })
    }

    #[track_caller]
    fn becomes(&self, what: &str, is: impl Fn(&str) -> bool) -> String {
        let mut screen = String::new();
        eventually(what, || {
            pause(LOOK);
            screen = self.screen();
            is(&screen)
        });
        screen
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.command(["kill-server"]).output();
    }
}

/// A shell line that watches a server, writes its process id to a file, and prints how it ended.
fn watch(state: &Path) -> String {
    let (program, state) = (program(), state.display());
    let program = program.get_program().display().to_string();
    format!(
        "clear; sh -c 'echo $$ >id; exec \"{program}\" top --state \"{state}\"'; echo \"ended=$?\""
    )
}

/// The rate in the row of a name.
fn rate(screen: &str, name: &str) -> f64 {
    let rates = |line: &str| {
        line.split_whitespace()
            .find_map(|word| word.parse().ok().filter(|_| word != "2"))
    };
    let row = screen.lines().find(|line| line.starts_with(name));
    row.and_then(rates).unwrap_or_default()
}

#[test]
fn a_terminal_shows_rates_at_any_size_and_is_restored() {
    let Some(terminal) = Terminal::open(100, 30) else {
        return;
    };
    let server = setup().start();
    let before = terminal.screen();
    assert!(before.starts_with("at-rest>"), "{before}");
    terminal.run(&watch(&server.starting.state));
    under_load(&server, || {
        let screen = terminal.becomes("the rate of `busy`", |screen| rate(screen, "busy") > 0.0);
        for part in [
            "hotstage ",
            "ready",
            "requests/s",
            "condition",
            "p99",
            "idle",
            "last changes",
            "q quit",
        ] {
            assert!(screen.contains(part), "{part}: {screen}");
        }
        for (columns, rows) in [(40, 10), (20, 5), (1, 1), (100, 30)] {
            terminal.resize(columns, rows);
            let drawn = terminal.becomes("it is drawn anew", |screen| match (columns, rows) {
                (40, 10) => {
                    rate(screen, "busy") > 0.0
                        && screen.contains("version")
                        && !screen.contains("labels")
                }
                (20, 5) => {
                    rate(screen, "busy") > 0.0
                        && screen.contains("rate/s")
                        && !screen.contains("version")
                }
                (1, 1) => screen.trim() == "…",
                _ => screen.contains("last changes"),
            });
            assert!(
                drawn
                    .lines()
                    .all(|line| line.chars().count() <= usize::from(columns)),
                "{drawn}"
            );
        }
    });
    terminal.press("s");
    terminal.shows(&["sort: name"]);
    terminal.press("/");
    terminal.run("idl");
    terminal.becomes("only `idle` is there", |screen| {
        screen.contains("\nidle") && !screen.contains("\nbusy")
    });
    terminal.press("q");
    let after = terminal.shows(&["ended=0", "at-rest>"]);
    assert!(
        !after.contains("q quit") && !after.contains("requests/s"),
        "{after}"
    );
    // Typed text and the cursor are visible again.
    terminal.run("echo so-it-is");
    terminal.becomes("the echo", |screen| screen.matches("so-it-is").count() == 2);
    assert_eq!(
        terminal
            .tmux(["display-message", "-p", "#{cursor_flag} #{alternate_on}"])
            .trim(),
        "1 0"
    );
}

#[test]
fn a_server_that_comes_back_is_watched_on() {
    let Some(terminal) = Terminal::open(100, 30) else {
        return;
    };
    let state = warm();
    let server = setup().state(state.path()).start();
    terminal.run(&watch(state.path()));
    terminal.shows(&["ready", "busy"]);
    server.stop();
    terminal.shows(&["no answer since ", "; trying again", "busy"]);
    // Another port, and all recorded state.
    let server = Setup::of([]).state(state.path()).start();
    terminal.becomes("it is back", |screen| {
        screen.contains("ready") && !screen.contains("trying again")
    });
    under_load(&server, || {
        terminal.becomes("the rate of `busy`", |screen| rate(screen, "busy") > 0.0)
    });
    // A signal restores the terminal, as a key does.
    let id = fs::read_to_string(terminal.folder.path().join("id")).unwrap();
    let signalled = Command::new("sh")
        .args(["-c", &format!("kill -TERM {id}")])
        .status()
        .unwrap();
    assert!(signalled.success());
    let after = terminal.shows(&["ended=0", "at-rest>"]);
    assert!(!after.contains("q quit"), "{after}");
}
