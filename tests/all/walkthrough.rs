//! The walk-through in the example's README: runs each command and compares its output with the
//! README.
//!
//! `cargo xtask golden` updates the output. Digests, times and durations vary, so they are compared
//! by kind.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::harness::server::{Setup, program};
use crate::harness::{components, root};

const README: &str = "examples/tumor/README.md";
const FENCE: &str = "```console";

#[test]
fn the_readme_shows_what_happens() {
    let server = Setup::of([]).start();
    let shell = |command: &str| {
        let program = program().get_program().to_owned();
        let folder = Path::new(&program)
            .parent()
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        let path = format!("{folder}:{}", std::env::var("PATH").unwrap());
        let mut shell = Command::new("sh");
        shell
            .current_dir(root())
            .stdin(Stdio::null())
            .args(["-c", &format!("exec 2>&1\n{command}")]);
        shell
            .env("PATH", path)
            .env("HOTSTAGE_COMPONENTS", components());
        shell
            .env("HOTSTAGE_STATE", &server.starting.state)
            .env("HOTSTAGE_URL", format!("http://{}", server.address));
        shell.env("HOTSTAGE_ACTOR", "ada");
        String::from_utf8(shell.output().unwrap().stdout).unwrap()
    };
    let shown = fs::read_to_string(root().join(README)).unwrap();
    let (mut printed, mut is_console, mut commands) = (String::new(), false, 0);
    for line in shown.lines() {
        match line {
            FENCE => is_console = true,
            "```" => is_console = false,
            _ => {}
        }
        let command = line.strip_prefix("$ ").filter(|_| is_console);
        if !is_console || line == FENCE || command.is_some() {
            printed.push_str(line);
            printed.push('\n');
        }
        if let Some(command) = command {
            commands += 1;
            shell(command)
                .lines()
                .for_each(|line| printed = format!("{printed}{}\n", line.trim_end()));
        }
    }
    assert!(commands > 5, "the walk-through is gone");
    if by_kind(&printed) == by_kind(&shown) {
        return;
    }
    if std::env::var_os("UPDATE_GOLDENS").is_some_and(|update| update == "1") {
        fs::write(root().join(README), printed).unwrap();
        return;
    }
    let differs = by_kind(&printed)
        .into_iter()
        .zip(by_kind(&shown))
        .find(|(printed, shown)| printed != shown);
    panic!(
        "{README} shows something else; `cargo xtask golden` if that is meant: (printed, shown) {differs:?}"
    );
}

/// The lines, with varying words replaced by their kind, and without column padding.
fn by_kind(text: &str) -> Vec<String> {
    let line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let kinds = words.iter().enumerate().map(|(index, &word)| {
            let next = words
                .get(index + 1)
                .map_or("", |next| next.trim_end_matches(';'));
            let is_count = matches!(next, "samples" | "of" | "holds" | "breached");
            let is_bound = word.starts_with('(') || next == "%)";
            let unit = words
                .get(index + 1)
                .is_some_and(|next| matches!(next.trim_end_matches(','), "µs" | "ms" | "s"));
            match word {
                word if word.starts_with("sha256:") => "DIGEST",
                word if word.len() >= 20
                    && word.trim_end_matches(',').ends_with('Z')
                    && word.contains('T') =>
                {
                    "TIME"
                }
                // A guard's sample count depends on the moment of the query.
                word if is_count && word.parse::<u64>().is_ok() => "COUNT",
                word if is_bound && word.trim_start_matches('(').parse::<f64>().is_ok() => "BOUND",
                word if unit && word.parse::<f64>().is_ok() => "DURATION",
                "µs" | "ms" | "s" => "UNIT",
                word => word,
            }
        });
        kinds.collect::<Vec<_>>().join(" ")
    };
    text.lines().map(line).collect()
}
