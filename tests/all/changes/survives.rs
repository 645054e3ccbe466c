//! Acknowledged changes survive any end of the server; damage is reported, with the way to repair
//! it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::harness::admin::{Admin, ask, times};
use crate::harness::command::hotstage;
use crate::harness::server::{Server, Setup};
use crate::harness::state::warm;

const PATH: &str = "/v2/models/m/infer";

fn again(state: &Path) -> Setup {
    Setup::of([]).state(state)
}

#[test]
fn a_start_serves_the_last_revision_without_the_files() {
    let state = warm();
    let server = Setup::of([times("m", "1", 2.0)])
        .state(state.path())
        .start();
    let admin = Admin::of(&server);
    admin.apply(&[times("m", "2", 4.0)]).ok();
    admin.label("m", "stable", "1").ok();
    assert_eq!(server.stop().code, Some(0));
    let server = again(state.path()).start();
    let mut connection = server.connect();
    assert_eq!(ask(&mut connection, PATH).unwrap(), (4.0, "2".to_owned()));
    assert_eq!(
        ask(&mut connection, "/v2/models/m/versions/stable/infer").unwrap(),
        (2.0, "1".to_owned())
    );
    assert_eq!(Admin::of(&server).get("/v1/status")["head"], 3);
}

fn blobs(state: &Path) -> Vec<PathBuf> {
    let folders = fs::read_dir(state.join("blobs")).unwrap().flatten();
    folders
        .flat_map(|folder| fs::read_dir(folder.path()).unwrap().flatten())
        .map(|file| file.path())
        .collect()
}

#[test]
fn damage_is_reported_and_repaired() {
    let state = warm();
    let setup = || Setup::of([times("m", "1", 2.0)]).state(state.path());
    setup().start().stop();
    for blob in blobs(state.path()) {
        let good = fs::read(&blob).unwrap();
        let damage = || {
            let mut bad = good.clone();
            bad[good.len() / 2] ^= 1;
            fs::write(&blob, &bad).unwrap();
        };
        damage();
        check_refused(state.path(), &blob);
        // Without the flag, only this version is out of service.
        let server = again(state.path()).start();
        check_out_of_service(&server, &blob);
        check_mended(&server);
        server.stop();
        assert_eq!(fs::read(&blob).unwrap(), good);
        // And at a start.
        damage();
        let server = again(state.path()).args("--allow-damaged").start();
        assert_eq!(server.get("/v2/health/ready").status, 200);
        server.stop();
        setup().start().stop();
        assert_eq!(fs::read(&blob).unwrap(), good);
    }
    again(state.path()).args("--require-all").start().stop();
}

/// With `--require-all` the server does not start.
#[track_caller]
fn check_refused(state: &Path, blob: &Path) {
    let Err(ended) = again(state).args("--require-all").try_start() else {
        panic!("it serves damaged bytes")
    };
    let output = ended.stderr.join("\n");
    assert_eq!(ended.code, Some(4), "{output}");
    assert!(
        output.contains(blob.to_str().unwrap())
            && output.contains("m/1")
            && output.contains("serve -f"),
        "{output}"
    );
}

/// The client learns that the version is not ready; the operator learns which file is damaged and
/// which command to type.
#[track_caller]
fn check_out_of_service(server: &Server, blob: &Path) {
    let admin = Admin::of(server);
    let refused = ask(&mut server.connect(), PATH).unwrap_err();
    assert_eq!(
        (refused.status, refused.header("hotstage-failure")),
        (503, Some("not_ready"))
    );
    assert!(!refused.text().contains("blobs"), "{}", refused.text());
    assert_eq!(server.get("/v2/health/ready").status, 503);
    let status = admin.get("/v1/status");
    assert_eq!(
        (&status["ready"], &status["loading"], &status["failed"]),
        (&json!(false), &json!(0), &json!(1))
    );
    let failed = &status["out_of_service"][0];
    assert_eq!(
        (&failed["name"], &failed["version"]),
        (&json!("m"), &json!("1"))
    );
    let says = |key: &str, part: &str| failed[key].as_str().unwrap().contains(part);
    assert!(says("why", blob.to_str().unwrap()), "{failed}");
    assert!(says("remedy", "hotstage apply"), "{failed}");
    assert_eq!(
        admin.get("/v1/models/m")["versions"][0]["condition"],
        "failed"
    );
}

/// Applying its manifest repairs it while the server runs.
#[track_caller]
fn check_mended(server: &Server) {
    let admin = Admin::of(server);
    let applied = admin.apply(&[times("m", "1", 2.0)]).ok().json();
    assert_eq!(
        (&applied["restored"], &applied["revision"]),
        (&json!(["m/1"]), &json!(null)),
        "{applied}"
    );
    assert_eq!(
        ask(&mut server.connect(), PATH).unwrap(),
        (2.0, "1".to_owned())
    );
    assert_eq!(server.get("/v2/health/ready").status, 200);
    assert_eq!(admin.get("/v1/status")["failed"], 0);
}

#[test]
fn a_damaged_journal_is_reported_and_recovers_its_valid_part() {
    let state = warm();
    let server = Setup::of([times("m", "1", 2.0)])
        .state(state.path())
        .start();
    Admin::of(&server).apply(&[times("m", "2", 4.0)]).ok();
    server.stop();
    let journal = state.path().join("journal.db");
    let bytes = fs::read(&journal).unwrap();
    // The actor of the second revision, who was the operator.
    let at = bytes
        .windows(8)
        .position(|window| window == b"operator")
        .unwrap();
    let mut forged = bytes;
    forged[at] = b'O';
    fs::write(&journal, forged).unwrap();
    let Err(ended) = again(state.path()).try_start() else {
        panic!("it serves a forged journal")
    };
    let output = ended.stderr.join("\n");
    assert_eq!(ended.code, Some(4), "{output}");
    assert!(
        output.contains("revision 2") && output.contains("hotstage recover"),
        "{output}"
    );
    let recovered = hotstage(["recover", "--state", state.path().to_str().unwrap()]).ended(0);
    assert!(
        recovered.stdout.contains("revision 1"),
        "{}",
        recovered.stdout
    );
    let server = again(state.path()).start();
    assert_eq!(
        ask(&mut server.connect(), PATH).unwrap(),
        (2.0, "1".to_owned())
    );
}
