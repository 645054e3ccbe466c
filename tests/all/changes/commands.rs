//! CLI verbs with a running server: they find it, upload missing files, and print the changes.

use crate::harness::admin::{ask, times};
use crate::harness::command::{Ran, hotstage};
use crate::harness::root;
use crate::harness::server::Setup;
use crate::harness::state::{Folder, warm};

const PATH: &str = "/v2/models/m/infer";

/// Runs CLI commands against the server of a state directory.
struct Commands<'a> {
    state: &'a str,
}

impl Commands<'_> {
    fn run(&self, arguments: &[&str]) -> Ran {
        hotstage(arguments.iter().copied().chain(["--state", self.state]))
    }

    /// The output of a command, which must succeed.
    #[track_caller]
    fn printed(&self, arguments: &[&str]) -> String {
        self.run(arguments).ended(0).stdout
    }
}

#[test]
fn a_version_is_applied_labelled_rolled_back_and_deleted() {
    let state = warm();
    let commands = Commands {
        state: state.path().to_str().unwrap(),
    };
    let server = Setup::of([]).state(state.path()).start();
    check_apply(&commands);
    assert_eq!(
        ask(&mut server.connect(), PATH).unwrap(),
        (4.0, "2".to_owned())
    );
    check_labels(&commands);
    check_history(&commands);
    commands.printed(&["rollback", "--to", "1"]);
    assert_eq!(
        ask(&mut server.connect(), PATH).unwrap(),
        (2.0, "1".to_owned())
    );
    let got = commands.printed(&["get", "-o", "json"]);
    assert!(got.contains("\"answers\":\"1\""), "{got}");
    let answered = commands.printed(&["answered", "m"]);
    assert!(answered.contains("version   1"), "{answered}");
    commands.printed(&["gc", "--dry-run"]);
    commands.printed(&["delete", "m"]);
    assert_eq!(ask(&mut server.connect(), PATH).unwrap_err().status, 404);
    server.stop();
    let alone = commands.run(&["get"]);
    assert!(
        alone.code == Some(7) && alone.stderr.contains("--server"),
        "{alone:?}"
    );
}

fn check_apply(commands: &Commands<'_>) {
    let folder = Folder::new();
    let one = folder.write("one.yaml", times("m", "1", 2.0).to_string());
    let two = folder.write("two.yaml", times("m", "2", 4.0).to_string());
    let (one, two) = (one.to_str().unwrap(), two.to_str().unwrap());
    let added = commands.printed(&["apply", "-f", one]);
    assert!(added.starts_with("added m/1 sha256:"), "{added}");
    let again = commands.printed(&["apply", "-f", one]);
    assert!(
        again.contains("nothing changed; revision 1 stands"),
        "{again}"
    );
    let differing = commands.run(&["diff", "-f", two]).ended(9).stdout;
    assert!(differing.contains("m/2"), "{differing}");
    let tried = commands.printed(&["apply", "-f", two, "--dry-run"]);
    assert!(tried.contains("dry run: nothing was changed"), "{tried}");
    let both = folder.path().to_str().unwrap();
    commands.printed(&["apply", "-f", both, "--reason", "a better fit"]);
    commands.printed(&["wait", "m", "--version", "2"]);
}

fn check_labels(commands: &Commands<'_>) {
    let labelled = commands.printed(&["label", "m", "stable=2", "canary=1"]);
    assert!(
        labelled.contains("labelled m stable → 2") && labelled.contains("revision 3 "),
        "{labelled}"
    );
    commands
        .run(&["label", "m", "canary-", "nothing=9"])
        .ended(8);
    let tried = commands.printed(&["label", "m", "canary-", "--dry-run"]);
    assert!(tried.contains("unlabelled m canary"), "{tried}");
    let twice = commands.run(&["label", "m", "a=1", "a=2"]).ended(2);
    assert_eq!(twice.stdout, "");
    let held = commands.run(&["delete", "m", "--version", "2"]).ended(8);
    assert!(
        held.stderr.contains("the label `stable` points at it"),
        "{}",
        held.stderr
    );
}

fn check_history(commands: &Commands<'_>) {
    let history = commands.printed(&["history"]);
    assert!(
        history.contains("a better fit") && history.contains("labelled m stable → 2"),
        "{history}"
    );
    let verified = commands.printed(&["history", "--verify"]);
    assert!(verified.starts_with("ok 3 revisions"), "{verified}");
}

#[test]
fn the_example_is_uploaded_with_its_files() {
    let server = Setup::of([]).start();
    let at = server.starting.state.to_str().unwrap();
    let manifest = root().join("examples/tumor/tumor-v1.yaml");
    let applied = hotstage([
        "apply",
        "-f",
        manifest.to_str().unwrap(),
        "--state",
        at,
        "-o",
        "json",
    ])
    .ended(0);
    let applied: serde_json::Value = serde_json::from_str(&applied.stdout).unwrap();
    assert_eq!(
        (&applied["revision"], &applied["tests"]),
        (&serde_json::json!(1), &serde_json::json!(3))
    );
    let row = crate::harness::tumor::request("benign");
    server.infer("tumor", &row).ok();
    let wrong = Folder::new().write("wrong.yaml", "kind: Pipelin\n---\n");
    let refused = hotstage(["apply", "-f", wrong.to_str().unwrap(), "--state", at]);
    assert_eq!(refused.code, Some(3), "{refused:?}");
}
