//! Output on a terminal: colour, and a progress line. `script` of util-linux creates a terminal;
//! without it these tests are skipped, with a message.

use std::process::Command;

use crate::deploy::{ECHO, HEAD, with_guests};
use crate::harness::command::run;
use crate::harness::server::program;
use crate::harness::state::Folder;
use crate::harness::{components, guest, skipped};

/// Red and bold, as in an error's first word.
const RED: &str = "\u{1b}[1m\u{1b}[31m";
/// Green and bold.
const GREEN: &str = "\u{1b}[1m\u{1b}[32m";

/// Runs `hotstage check` on a terminal and returns the terminal's output.
fn check(folder: &Folder, manifest: &str, variables: &[(&str, &str)]) -> Option<String> {
    // The whole command is one shell word.
    let quoted = |path: &std::path::Path| format!("'{}'", path.display());
    let line = format!(
        "{} check -f {manifest} --state {} --components {}",
        quoted(program().get_program().as_ref()),
        quoted(&folder.path().join("state")),
        quoted(&components()),
    );
    let mut command = Command::new("script");
    command
        .args(["-q", "-e", "-c", &line, "/dev/null"])
        .current_dir(folder.path());
    command
        .env_remove("NO_COLOR")
        .env_remove("HOTSTAGE_STATE")
        .env("TERM", "xterm");
    command
        .env("HOTSTAGE_ALLOW_PATH", guest("echo").parent().unwrap())
        .envs(variables.iter().copied());
    if Command::new("script").arg("--version").output().is_err() {
        skipped("there is no `script` to make a terminal");
        return None;
    }
    Some(run(command, b"").stdout)
}

fn folder() -> Folder {
    let folder = with_guests(&["echo"]);
    folder.write("good.yaml", format!("{HEAD}{ECHO}"));
    folder.write("bad.yaml", "");
    folder
}

#[test]
fn a_terminal_gets_colour_and_a_line_that_moves() {
    let folder = folder();
    let Some(shown) = check(&folder, "good.yaml", &[]) else {
        return;
    };
    assert!(shown.contains(&format!("{GREEN}ok")), "{shown:?}");
    assert!(
        shown.contains("compiling the component of stage `echo`"),
        "{shown:?}"
    );
    // The progress line is erased at the end.
    let end = shown.find(&format!("{GREEN}ok")).unwrap();
    assert!(shown[..end].contains("\u{1b}[2K"), "{shown:?}");
    let shown = check(&folder, "bad.yaml", &[]).unwrap();
    assert!(shown.contains(&format!("{RED}error")), "{shown:?}");
}

#[test]
fn a_terminal_without_colour_gets_none() {
    let folder = folder();
    for manifest in ["good.yaml", "bad.yaml"] {
        let Some(shown) = check(&folder, manifest, &[("NO_COLOR", "1")]) else {
            return;
        };
        assert!(
            shown.contains("ok p version 1") || shown.contains("error: bad.yaml"),
            "{shown:?}"
        );
        assert!(
            !shown.contains("\u{1b}[1m") && !shown.contains("\u{1b}[3"),
            "{shown:?}"
        );
    }
}
