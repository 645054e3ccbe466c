//! Steps, child processes, and the error type of the commands.
//!
//! A step is announced on stderr at its start and, with its duration, at its end, because a build
//! may take minutes. stdout carries results only.

use std::ffi::OsString;
use std::fmt;
use std::process::Command;
use std::time::Instant;

/// Why a command failed: one sentence that says what to do.
#[derive(Debug)]
pub(crate) struct Stop(String);

/// The result of a step or a command.
pub(crate) type Outcome<T = ()> = Result<T, Stop>;

impl Stop {
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Replaces a low-level error by a sentence for the user.
pub(crate) trait OrStop<T> {
    fn or_stop(self, doing: impl FnOnce() -> String) -> Outcome<T>;
}

impl<T, E: fmt::Display> OrStop<T> for Result<T, E> {
    fn or_stop(self, doing: impl FnOnce() -> String) -> Outcome<T> {
        self.map_err(|error| Stop(format!("{}: {error}", doing())))
    }
}

/// Runs `work` under a title.
pub(crate) fn step<T>(title: &str, work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    eprintln!("==> {title}");
    let start = Instant::now();
    let done = work();
    let how = if done.is_ok() { "done" } else { "failed" };
    eprintln!(
        "==> {title}: {how} after {:.1} s",
        start.elapsed().as_secs_f64()
    );
    done
}

/// The cargo that runs this program, so that a toolchain chosen with `cargo +name xtask` is kept.
pub(crate) fn cargo() -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    Command::new(cargo)
}

/// The output of the compiler that cargo calls.
pub(crate) fn rustc(args: &[&str]) -> Outcome<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    answer(Command::new(rustc).args(args)).ok_or_else(|| {
        let args = args.join(" ");
        Stop(format!(
            "`rustc {args}` failed; install Rust (https://rustup.rs) or set RUSTC"
        ))
    })
}

/// Has rustup install something. Returns whether that succeeded; rustup may be missing.
pub(crate) fn rustup(what: &str, args: &[&str]) -> bool {
    eprintln!("==> installing {what}");
    Command::new("rustup")
        .args(args)
        .status()
        .is_ok_and(|status| status.success())
}

/// Runs a command to its end. Its output, which explains a failure, is passed through.
pub(crate) fn check(command: &mut Command) -> Outcome {
    let shown = shown(command);
    let status = command
        .status()
        .or_stop(|| format!("can't start `{shown}`"))?;
    if status.success() {
        Ok(())
    } else {
        Err(Stop(format!(
            "`{shown}` failed ({status}); its message is above"
        )))
    }
}

/// Runs a command and returns its output, or `None` if it can't be started or fails.
pub(crate) fn answer(command: &mut Command) -> Option<String> {
    let output = command
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()
}

/// The command as it would be typed.
pub(crate) fn shown(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let mut line = program
        .file_name()
        .unwrap_or(command.get_program())
        .to_string_lossy()
        .into_owned();
    for arg in command.get_args() {
        line.push(' ');
        line.push_str(&arg.to_string_lossy());
    }
    line
}
