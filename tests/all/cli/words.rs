//! The program's help, version and completions.

use std::process::Command;

use crate::harness::command::{Ran, hotstage, run};
use crate::harness::golden;
use crate::harness::server::program;

/// A fixed width, independent of the test's environment.
fn asked(arguments: &[&str]) -> Ran {
    let mut command = program();
    command
        .args(arguments)
        .env("COLUMNS", "100")
        .env_remove("HOTSTAGE_URL");
    // Help shows the values of variables.
    command.env_remove("HOTSTAGE_ALLOW_PATH");
    run(command, b"")
}

const VERBS: [&str; 20] = [
    "",
    "serve",
    "check",
    "infer",
    "apply",
    "diff",
    "get",
    "describe",
    "delete",
    "label",
    "wait",
    "history",
    "rollback",
    "answered",
    "experiment",
    "gc",
    "status",
    "top",
    "recover",
    "completions",
];

#[test]
fn each_verb_explains_itself() {
    let mut differences = Vec::new();
    for verb in VERBS {
        let arguments: Vec<&str> = [verb, "--help"]
            .into_iter()
            .filter(|word| !word.is_empty())
            .collect();
        let ran = asked(&arguments).ended(0);
        assert_eq!(ran.stderr, "", "{verb}");
        let name = if verb.is_empty() { "hotstage" } else { verb };
        differences.extend(golden::difference(&format!("help/{name}"), &ran.stdout));
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn the_version_is_the_workspaces() {
    let ran = hotstage(["--version"]).ended(0);
    assert_eq!(
        (ran.stdout.as_str(), ran.stderr.as_str()),
        (concat!("hotstage ", env!("CARGO_PKG_VERSION")), "")
    );
}

#[test]
fn completions_are_scripts_that_their_shells_take() {
    for (shell, program) in [
        ("bash", "bash"),
        ("zsh", "zsh"),
        ("fish", "fish"),
        ("elvish", ""),
        ("powershell", ""),
    ] {
        let script = hotstage(["completions", shell]).ended(0).stdout;
        for word in ["serve", "check", "infer", "--drain-timeout"] {
            assert!(
                script.contains(word.trim_start_matches('-')),
                "{shell}: {word}"
            );
        }
        if program.is_empty() || Command::new(program).arg("--version").output().is_err() {
            continue;
        }
        let mut command = Command::new(program);
        command.arg("-n");
        run(command, script.as_bytes()).ended(0);
    }
    let script = hotstage(["completions", "bash"]).ended(0).stdout;
    let words = "COMP_WORDS=(hotstage ch); COMP_CWORD=1; _hotstage hotstage ch hotstage; echo \"<${COMPREPLY[*]}>\"";
    let mut command = Command::new("bash");
    command.arg("-c").arg(format!("{script}\n{words}"));
    assert_eq!(run(command, b"").ended(0).stdout, "<check>");
}
