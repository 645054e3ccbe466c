//! Console output: results on stdout, everything else on stderr, colour on a terminal only.
//!
//! Output quotes untrusted text: a component's names, a journal's reasons, a server's answer.
//! Everything goes through [`lines`], which escapes characters that would control the terminal, as
//! JSON does; JSON stays the same JSON. Colours are added around that text, never inside it. A
//! server whose log format is JSON writes everything on stderr as JSON, one object per line.

#![expect(clippy::print_stderr, reason = "this is the one place that prints")]

use std::io::{IsTerminal as _, Write as _};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use hotstage_core::printable::lines;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;

use hotstage_server::control::Loading;
use hotstage_server::control::deploy::Progress;
use hotstage_server::telemetry::logging::{Format, no_colour};

const RED: Style = AnsiColor::Red.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const GREEN: Style = AnsiColor::Green.on_default().bold();

/// From this number of pipelines on, loading takes long enough to show progress.
const LOADED_SHOWN: usize = 100;

/// Whether stderr carries a JSON log.
static IS_JSON: AtomicBool = AtomicBool::new(false);

/// Sets the format of everything that is written to stderr from now on, including panics.
pub(super) fn speak(format: Format) {
    if format == Format::Json && !IS_JSON.swap(true, Relaxed) {
        std::panic::set_hook(Box::new(|panic| log("ERROR", &panic.to_string())));
    }
}

fn is_json() -> bool {
    IS_JSON.load(Relaxed)
}

/// Formats a line like those of the log.
fn log(level: &str, message: &str) {
    // Microseconds, as in the log's own lines.
    let timestamp = format!("{:.6}", Timestamp::now());
    let line = serde_json::json!({ "timestamp": timestamp, "level": level, "message": message, "target": "serve" });
    eprintln!("{line}");
}

/// Prints an error of one or more lines.
pub(super) fn error(message: &str) {
    if is_json() {
        return log("ERROR", message);
    }
    let style = if colours_stderr() { RED } else { Style::new() };
    eprintln!("{style}error{style:#}: {}", lines(message));
}

/// Prints a problem that does not stop the command.
pub(super) fn warning(message: &str) {
    if is_json() {
        return log("WARN", message);
    }
    let style = if colours_stderr() {
        YELLOW
    } else {
        Style::new()
    };
    eprintln!("{style}warning{style:#}: {}", lines(message));
}

/// Prints information that is not a result.
pub(super) fn note(message: &str) {
    if is_json() {
        return log("INFO", message);
    }
    eprintln!("{}", lines(message));
}

/// Prints a result. A reader that has closed stdout is not an error.
pub(super) fn print(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{}", lines(text)).and_then(|()| stdout.flush());
}

/// Prints a result that reports success.
pub(super) fn print_ok(text: &str) {
    let style = if std::io::stdout().is_terminal() && !no_colour() {
        GREEN
    } else {
        Style::new()
    };
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{style}ok{style:#} {}", lines(text)).and_then(|()| stdout.flush());
}

/// Whether results go to a terminal that can move its cursor.
pub(super) fn is_terminal() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("TERM").is_some_and(|term| term != "dumb")
}

/// Erases the last `lines` lines of output.
pub(super) fn erase(lines: usize) {
    let mut stdout = std::io::stdout().lock();
    let _ = write!(stdout, "\x1b[{lines}A\x1b[J").and_then(|()| stdout.flush());
}

/// Whether stderr is a terminal, where lines may be redrawn.
fn moves() -> bool {
    std::io::stderr().is_terminal() && !is_json()
}

fn colours_stderr() -> bool {
    std::io::stderr().is_terminal() && !no_colour()
}

/// Shows the progress of a deployment: a spinner on a terminal, plain lines elsewhere.
pub(super) struct Steps;

impl Progress for Steps {
    fn compiling(&self, component: &str, bytes: usize) -> Box<dyn std::any::Any + Send> {
        let text = format!(
            "compiling the component of stage `{component}` ({} KiB)",
            bytes.div_ceil(1024)
        );
        if !moves() {
            note(&text);
            return Box::new(());
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.set_message(text);
        bar.enable_steady_tick(Duration::from_millis(100));
        Box::new(Spinner(bar))
    }

    fn testing(&self, pipeline: &str, tests: usize) {
        tracing::debug!(pipeline, tests, "running golden tests");
    }
}

/// Shows the progress of a start: a bar on a terminal, a line for each tenth elsewhere.
#[derive(Default)]
pub(super) struct Loads(OnceLock<ProgressBar>);

impl Loading for Loads {
    fn loaded(&self, done: usize, of: usize) {
        // A few pipelines load too quickly for progress to matter.
        if of <= LOADED_SHOWN {
            return;
        }
        if moves() {
            self.0.get_or_init(|| bar_of(of)).set_position(done as u64);
        } else if done == of || done.is_multiple_of(of / 10) {
            note(&format!("{done} of {of} pipelines are loaded"));
        }
    }
}

impl Drop for Loads {
    fn drop(&mut self) {
        if let Some(bar) = self.0.get() {
            bar.finish_and_clear();
        }
    }
}

fn bar_of(pipelines: usize) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(pipelines as u64), ProgressDrawTarget::stderr());
    if let Ok(style) =
        ProgressStyle::with_template("{bar:20} {pos} of {len} pipelines are loaded, {eta} left")
    {
        bar.set_style(style);
    }
    bar
}

/// Removes the spinner when the step ends.
struct Spinner(ProgressBar);

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
