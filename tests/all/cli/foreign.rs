//! Untrusted texts in the output of commands: no character controls the terminal, and JSON stays
//! JSON.

use serde_json::json;

use crate::harness::admin::{Admin, times};
use crate::harness::command::hotstage;
use crate::harness::http::Request;
use crate::harness::server::Setup;
use crate::harness::state::{Folder, warm};
use crate::harness::wat;

/// Clears the screen, reverses text, forges a line.
const HOSTILE: &str = "a\u{1b}[2J\u{9b}31mb\u{202e}c\u{2066}\u{feff}\u{7f}\nerror: forged";
/// The same text as it is displayed.
const SHOWN: &str = r"a\u001b[2J\u009b31mb\u202ec\u2066\ufeff\u007f\nerror: forged";

#[track_caller]
fn is_harmless(text: &str) {
    let is_fine = |c: char| {
        c == '\n'
            || !c.is_control()
                && !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    assert!(text.chars().all(is_fine), "{text:?}");
}

#[test]
fn a_reason_from_the_journal_drives_nothing() {
    let state = warm();
    let at = state.path().to_str().unwrap();
    let server = Setup::of([]).state(state.path()).start();
    let admin = Admin::of(&server);
    admin
        .apply_with(&[times("m", "1", 2.0)], &json!({ "reason": HOSTILE }))
        .ok();
    for arguments in [&["history"][..], &["history", "1"]] {
        let ran = hotstage(arguments.iter().copied().chain(["--state", at])).ended(0);
        is_harmless(&ran.stdout);
        assert!(ran.stdout.contains(SHOWN), "{}", ran.stdout);
    }
    // JSON output keeps the original text.
    let ran = hotstage(["history", "-o", "json", "--state", at]).ended(0);
    is_harmless(&ran.stdout);
    let history: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(history["revisions"][0]["reason"], HOSTILE);
    // The server and its log quote an unknown name.
    let path = "/v2/models/%1B%5B2J%E2%80%AEx%0Aforged/infer";
    assert_eq!(server.ask(&Request::post(path, "{}")).status, 404);
    for line in server.stop().stderr {
        is_harmless(&line);
    }
}

#[test]
fn a_component_that_is_refused_drives_nothing() {
    let folder = Folder::new();
    let text = "(data (i32.const 3000) \"a\\1b[2Jb\\e2\\80\\aec\\0ad\")
        (func $open (result i32) (call $fail (i32.const 0) (i32.const 3000) (i32.const 12)))";
    folder.write("a.wasm", wat::model(text));
    // It traps in a function whose name it chose.
    let text = "(func $f (@name \"\\1b[31mred\\e2\\80\\ae\\0aforged\") unreachable)
        (func $open (result i32) (call $f) (i32.const 0))";
    folder.write("b.wasm", wat::model(text));
    let manifest = |name: &str| {
        format!(
            "apiVersion: hotstage.dev/v1\nkind: Pipeline\nmetadata: {{ name: {name}, version: \"1\" }}\nspec:\n  \
             stages:\n    - {{ name: s, role: model, component: ./{name}.wasm }}\n"
        )
    };
    for (name, says) in [("a", r"a\u001b[2Jb\u202ec\nd"), ("b", "unreachable")] {
        folder.write("pipeline.yaml", manifest(name));
        let ran = crate::harness::command::check(folder.path(), ["-f", "pipeline.yaml"]).ended(3);
        is_harmless(&ran.stderr);
        is_harmless(&ran.stdout);
        assert!(ran.stderr.contains(says), "{}", ran.stderr);
    }
}
