//! The command line beside a running server: it finds it, uploads what is missing, and prints what
//! changed.

use crate::harness::admin::{ask, times};
use crate::harness::command::{Ran, hotstage};
use crate::harness::root;
use crate::harness::server::Setup;
use crate::harness::state::{Folder, warm};

const PATH: &str = "/v2/models/m/infer";

#[test]
fn a_version_is_applied_labelled_rolled_back_and_deleted() {
    let state = warm();
    let folder = Folder::new();
    let at = state.path().to_str().unwrap();
    let server = Setup::of([]).state(state.path()).start();
    let run =
        |arguments: &[&str]| -> Ran { hotstage(arguments.iter().copied().chain(["--state", at])) };
    let one = folder.write("one.yaml", times("m", "1", 2.0).to_string());
    let two = folder.write("two.yaml", times("m", "2", 4.0).to_string());
    let (one, two) = (one.to_str().unwrap(), two.to_str().unwrap());
    assert!(
        run(&["apply", "-f", one])
            .ended(0)
            .stdout
            .starts_with("added m/1 sha256:")
    );
    assert!(
        run(&["apply", "-f", one])
            .ended(0)
            .stdout
            .contains("nothing changed; revision 1 stands")
    );
    assert!(run(&["diff", "-f", two]).ended(9).stdout.contains("m/2"));
    assert!(
        run(&["apply", "-f", two, "--dry-run"])
            .ended(0)
            .stdout
            .contains("dry run: nothing was changed")
    );
    run(&[
        "apply",
        "-f",
        folder.path().to_str().unwrap(),
        "--reason",
        "a better fit",
    ])
    .ended(0);
    run(&["wait", "m", "--version", "2"]).ended(0);
    assert_eq!(
        ask(&mut server.connect(), PATH).unwrap(),
        (4.0, "2".to_owned())
    );
    let labelled = run(&["label", "m", "stable=2", "canary=1"]).ended(0).stdout;
    assert!(
        labelled.contains("labelled m stable → 2") && labelled.contains("revision 3 "),
        "{labelled}"
    );
    run(&["label", "m", "canary-", "nothing=9"]).ended(8);
    assert!(
        run(&["label", "m", "canary-", "--dry-run"])
            .ended(0)
            .stdout
            .contains("unlabelled m canary")
    );
    assert_eq!(run(&["label", "m", "a=1", "a=2"]).ended(2).stdout, "");
    let held = run(&["delete", "m", "--version", "2"]).ended(8);
    assert!(
        held.stderr.contains("the label `stable` points at it"),
        "{}",
        held.stderr
    );
    let history = run(&["history"]).ended(0).stdout;
    assert!(
        history.contains("a better fit") && history.contains("labelled m stable → 2"),
        "{history}"
    );
    assert!(
        run(&["history", "--verify"])
            .ended(0)
            .stdout
            .starts_with("ok 3 revisions")
    );
    run(&["rollback", "--to", "1"]).ended(0);
    assert_eq!(
        ask(&mut server.connect(), PATH).unwrap(),
        (2.0, "1".to_owned())
    );
    assert!(
        run(&["get", "-o", "json"])
            .ended(0)
            .stdout
            .contains("\"answers\":\"1\"")
    );
    assert!(
        run(&["answered", "m"])
            .ended(0)
            .stdout
            .contains("version   1")
    );
    run(&["gc", "--dry-run"]).ended(0);
    run(&["delete", "m"]).ended(0);
    assert_eq!(ask(&mut server.connect(), PATH).unwrap_err().status, 404);
    server.stop();
    let nobody = run(&["get"]);
    assert!(
        nobody.code == Some(7) && nobody.stderr.contains("--server"),
        "{nobody:?}"
    );
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
