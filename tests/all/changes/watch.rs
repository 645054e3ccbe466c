//! `serve --watch` applies the changes of a folder, and nothing else.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::admin::{Admin, ask, times};
use crate::harness::http::Request;
use crate::harness::manifest::{With as _, model, pipeline};
use crate::harness::server::{Server, Setup};
use crate::harness::state::{Folder, warm};
use crate::harness::{eventually, pause};

const PATH: &str = "/v2/models/m/infer";

#[test]
fn a_good_edit_goes_live_a_bad_one_does_not_and_what_is_gone_ends() {
    let folder = Folder::new();
    folder.write("m.yaml", times("m", "1", 2.0).to_string());
    let server = Setup::files([folder.path().to_owned()])
        .args("--watch")
        .start();
    let asked = |server: &Server, path: &str| {
        pause(Duration::from_millis(20));
        ask(&mut server.connect(), path).map_err(|response| response.status)
    };
    assert_eq!(asked(&server, PATH), Ok((2.0, "1".to_owned())));
    folder.write("m.yaml", times("m", "1", 4.0).to_string());
    eventually("the edit is live", || {
        asked(&server, PATH) == Ok((4.0, "1".to_owned()))
    });
    assert!(
        server
            .starting
            .stderr
            .find(|line| line.contains("revision 2: replaced m/1"))
            .is_some()
    );
    folder.write("m.yaml", "kind: Pipelin");
    assert!(
        server
            .starting
            .stderr
            .find(|line| line.contains("were not applied"))
            .is_some()
    );
    assert_eq!(asked(&server, PATH), Ok((4.0, "1".to_owned())));
    folder.write("m.yaml", times("m", "1", 4.0).to_string());
    folder.write("n.yaml", times("n", "1", 8.0).to_string());
    eventually("another is there", || {
        asked(&server, "/v2/models/n/infer") == Ok((8.0, "1".to_owned()))
    });
    std::fs::remove_file(folder.path().join("m.yaml")).unwrap();
    eventually("the one that is gone has ended", || {
        asked(&server, PATH) == Err(404)
    });
    assert_eq!(
        asked(&server, "/v2/models/n/infer"),
        Ok((8.0, "1".to_owned()))
    );
}

fn watching(folder: &Folder, state: &Path, arguments: &str) -> Setup {
    Setup::files([folder.path().to_owned()])
        .state(state)
        .args("--watch")
        .args(arguments)
}

fn document(kind: &str, name: &str, spec: &Value) -> Value {
    json!({ "apiVersion": "hotstage.dev/v1", "kind": kind, "metadata": { "name": name }, "spec": spec })
}

/// A route of all calls to one version.
fn route(version: &str) -> Value {
    document("Route", "m", &json!({ "split": [{ "version": version }] }))
}

/// The answer of a version to 1; `None` if there is no such version.
fn answer(server: &Server, name: &str) -> Option<(f64, String)> {
    pause(Duration::from_millis(20));
    ask(&mut server.connect(), &format!("/v2/models/{name}/infer")).ok()
}

/// Waits for a scan of the folder: files that sort later are live.
fn gone_through(server: &Server, folder: &Folder, factor: f64) {
    let version = factor.to_string();
    folder.write("z.yaml", times("z", &version, factor).to_string());
    eventually("the folder was gone through", || {
        answer(server, "z") == Some((factor, version.clone()))
    });
}

fn held_back(server: &Server) -> String {
    let status = Admin::of(server).get("/v1/status");
    status
        .get("not_applied")
        .map(Value::to_string)
        .unwrap_or_default()
}

fn model_of(server: &Server, name: &str) -> Value {
    Admin::of(server).get(&format!("/v1/models/{name}"))
}

/// Begins a rollout of version 2 that stays in progress until a command ends it.
fn roll_out(admin: &Admin) {
    let spec = json!({ "to": "2", "strategy": "all-at-once", "bake": "600s" });
    let rollout = document("Rollout", "m", &spec).to_string();
    admin
        .post(
            "/v1/rollouts",
            &json!({ "document": rollout, "file": "r.yaml" }),
        )
        .ok();
}

#[test]
fn an_untouched_route_is_not_applied_over_a_promotion() {
    let (folder, state) = (Folder::new(), warm());
    for (file, manifest) in [
        ("1", times("m", "1", 2.0)),
        ("2", times("m", "2", 4.0)),
        ("route", route("1")),
    ] {
        folder.write(&format!("{file}.yaml"), manifest.to_string());
    }
    let server = watching(&folder, state.path(), "").start();
    let admin = Admin::of(&server);
    roll_out(&admin);
    // During the rollout, other files are edited and a new version of the name arrives; an edit of
    // its route is refused.
    folder.write("3.yaml", times("m", "3", 8.0).to_string());
    folder.write("other.yaml", times("other", "1", 3.0).to_string());
    gone_through(&server, &folder, 1.0);
    assert_eq!(answer(&server, "other"), Some((3.0, "1".to_owned())));
    assert_eq!(
        ask(&mut server.connect(), "/v2/models/m/versions/3/infer")
            .unwrap()
            .0,
        8.0
    );
    admin
        .post("/v1/models/m/rollout", &json!({ "order": "promote" }))
        .ok();
    assert_eq!(answer(&server, "m"), Some((4.0, "2".to_owned())));
    gone_through(&server, &folder, 2.0);
    assert_eq!(answer(&server, "m"), Some((4.0, "2".to_owned())));
    // Nor at a start.
    server.kill();
    let server = watching(&folder, state.path(), "").start();
    gone_through(&server, &folder, 3.0);
    assert_eq!(answer(&server, "m"), Some((4.0, "2".to_owned())));
    // An edit of the route now conflicts with the promotion: it is held back and reported.
    folder.write("route.yaml", route("3").to_string());
    eventually("the conflict is reported", || {
        held_back(&server).contains("the route m")
    });
    assert!(
        held_back(&server).contains("hotstage apply -f"),
        "{}",
        held_back(&server)
    );
    assert!(
        server
            .starting
            .stderr
            .find(|line| line.contains("the route m"))
            .is_some()
    );
    assert_eq!(answer(&server, "m"), Some((4.0, "2".to_owned())));
    // The conflict ends when the file matches the served state; then an edit is applied again.
    let promoted = &model_of(&server, "m")["route"]["manifest"];
    folder.write("route.yaml", promoted.to_string());
    eventually("the conflict is over", || {
        !held_back(&server).contains("the route m")
    });
    folder.write("route.yaml", route("3").to_string());
    eventually("the edit is live", || {
        answer(&server, "m") == Some((8.0, "3".to_owned()))
    });
}

#[test]
fn a_refused_file_is_applied_when_the_reason_is_gone() {
    let (folder, state) = (Folder::new(), warm());
    folder.write("1.yaml", times("m", "1", 2.0).to_string());
    folder.write("route.yaml", route("1").to_string());
    let server = watching(&folder, state.path(), "").start();
    let admin = Admin::of(&server);
    admin.apply(&[times("m", "2", 4.0)]).ok();
    roll_out(&admin);
    // The rollout changed the route and owns it, and the file was edited as well.
    folder.write(
        "route.yaml",
        document(
            "Route",
            "m",
            &json!({ "split": [{ "version": "1", "weight": 7 }] }),
        )
        .to_string(),
    );
    eventually("it is kept out", || {
        held_back(&server).contains("the route m")
    });
    admin
        .post("/v1/models/m/rollout", &json!({ "order": "abort" }))
        .ok();
    // The served state is again the last applied one, without other changes.
    eventually("it is applied", || {
        admin.get("/v1/models/m")["route"]["split"][0]["weight"] == 7.0
    });
    eventually("nothing is kept out", || held_back(&server).is_empty());
    // A route to a version that arrives later, and a removal that waits for its route.
    folder.write("route.yaml", route("3").to_string());
    eventually("it is refused", || {
        held_back(&server).contains("no version `3`")
    });
    std::fs::remove_file(folder.path().join("1.yaml")).unwrap();
    admin.apply(&[times("m", "3", 8.0)]).ok();
    eventually("the route is live", || {
        answer(&server, "m") == Some((8.0, "3".to_owned()))
    });
    eventually("what is gone has ended", || {
        server.get("/v2/models/m/versions/1/ready").status == 404
    });
}

#[test]
fn edits_during_the_start_are_applied() {
    let (folder, state) = (Folder::new(), warm());
    let slow = model("slow_in_open").with("limits", json!({ "time": "10s" }));
    folder.write("slow.yaml", pipeline("slow", [slow]).to_string());
    folder.write("m.yaml", times("m", "1", 2.0).to_string());
    watching(&folder, state.path(), "").start().stop();
    for round in 1..=3 {
        let starting = watching(&folder, state.path(), "");
        let edits = std::thread::scope(|scope| {
            let edits = scope.spawn(|| {
                for step in 1..=10 {
                    let factor = f64::from(round * 100 + step);
                    folder.write("m.yaml", times("m", "1", factor).to_string());
                    folder.write(
                        "new.yaml",
                        times("new", &round.to_string(), factor).to_string(),
                    );
                    pause(Duration::from_millis(60));
                }
            });
            let server = starting.start();
            edits.join().unwrap();
            server
        });
        let factor = f64::from(round * 100 + 10);
        eventually("the last edit is live", || {
            answer(&edits, "m") == Some((factor, "1".to_owned()))
        });
        eventually("the new one is live", || {
            answer(&edits, "new") == Some((factor, round.to_string()))
        });
        edits.kill();
    }
}

#[test]
fn only_prune_removes_what_is_gone_at_a_start() {
    let (folder, state) = (Folder::new(), warm());
    folder.write("m.yaml", times("m", "1", 2.0).to_string());
    folder.write("n.yaml", times("n", "1", 4.0).to_string());
    let server = watching(&folder, state.path(), "").start();
    // Versions that were applied by other means are never removed.
    Admin::of(&server).apply(&[times("own", "1", 8.0)]).ok();
    server.kill();
    std::fs::remove_file(folder.path().join("m.yaml")).unwrap();
    let server = watching(&folder, state.path(), "").start();
    gone_through(&server, &folder, 1.0);
    assert_eq!(answer(&server, "m"), Some((2.0, "1".to_owned())));
    assert!(
        held_back(&server).contains("--prune"),
        "{}",
        held_back(&server)
    );
    server.stop();
    let server = watching(&folder, state.path(), "--prune").start();
    assert_eq!(server.get("/v2/models/m/ready").status, 404);
    assert_eq!(answer(&server, "n"), Some((4.0, "1".to_owned())));
    assert_eq!(answer(&server, "own"), Some((8.0, "1".to_owned())));
    assert_eq!(held_back(&server), "");
    server.stop();
    // Another folder does not affect versions from this one.
    let other = Folder::new();
    let server = watching(&other, state.path(), "--prune").start();
    assert_eq!(answer(&server, "n"), Some((4.0, "1".to_owned())));
}

#[test]
fn an_empty_folder_is_watched_and_a_folder_may_become_empty() {
    let (folder, state) = (Folder::new(), warm());
    let server = watching(&folder, state.path(), "").start();
    folder.write("m.yaml", times("m", "1", 2.0).to_string());
    eventually("it is live", || {
        answer(&server, "m") == Some((2.0, "1".to_owned()))
    });
    std::fs::remove_file(folder.path().join("m.yaml")).unwrap();
    eventually("it has ended", || {
        server.get("/v2/models/m/ready").status == 404
    });
}

#[test]
fn nothing_in_a_folder_ends_the_watching() {
    let (folder, state) = (Folder::new(), warm());
    let make = |name: &str, kind: &str| {
        let path = folder.path().join(name);
        let made = match kind {
            "fifo" => std::process::Command::new("mkfifo")
                .arg(&path)
                .status()
                .unwrap()
                .success(),
            "folder" => std::fs::create_dir(&path).is_ok(),
            "loop" => std::os::unix::fs::symlink(&path, &path).is_ok(),
            _ => std::os::unix::fs::symlink("/dev/zero", &path).is_ok(),
        };
        assert!(made, "{name}");
    };
    make("a.yaml", "fifo");
    folder.write("bad.yaml", [0xff, 0xfe]);
    folder.write("m.yaml", times("m", "1", 2.0).to_string());
    let server = watching(&folder, state.path(), "").start();
    assert_eq!(answer(&server, "m"), Some((2.0, "1".to_owned())));
    make("b.yaml", "folder");
    make("c.yaml", "loop");
    make("d.yaml", "device");
    folder.write("twice.yaml", times("m", "1", 9.0).to_string());
    make("weights", "fifo");
    let mut pointing = times("p", "1", 2.0);
    pointing["spec"]["stages"][0]["files"] = json!({ "weights": "weights" });
    folder.write("pointing.yaml", pointing.to_string());
    gone_through(&server, &folder, 3.0);
    for part in [
        "a.yaml: is no regular file",
        "bad.yaml",
        "b.yaml",
        "c.yaml",
        "d.yaml",
        "m/1 is declared twice",
        "weights",
    ] {
        assert!(
            held_back(&server).contains(part),
            "{part}: {}",
            held_back(&server)
        );
    }
    assert_eq!(answer(&server, "m"), Some((2.0, "1".to_owned())));
    std::fs::remove_file(folder.path().join("twice.yaml")).unwrap();
    folder.write("m.yaml", times("m", "1", 5.0).to_string());
    eventually("the edit is live", || {
        answer(&server, "m") == Some((5.0, "1".to_owned()))
    });
}

#[test]
fn a_version_changed_by_other_means_is_not_reverted() {
    let (folder, state) = (Folder::new(), warm());
    folder.write("m.yaml", times("m", "1", 2.0).to_string());
    let server = watching(&folder, state.path(), "").start();
    let admin = Admin::of(&server);
    admin
        .apply_with(&[times("m", "1", 4.0)], &json!({ "replace": true }))
        .ok();
    gone_through(&server, &folder, 1.0);
    assert_eq!(answer(&server, "m"), Some((4.0, "1".to_owned())));
    folder.write("m.yaml", times("m", "1", 8.0).to_string());
    eventually("the conflict is reported", || {
        held_back(&server).contains("m/1")
    });
    assert_eq!(answer(&server, "m"), Some((4.0, "1".to_owned())));
    // Restoring the file's former content decides for the file.
    admin
        .ask(
            Request::post("/v1/rollback", json!({ "to": 1, "name": "m" }).to_string())
                .header("content-type", "application/json"),
        )
        .ok();
    eventually("the edit is live", || {
        answer(&server, "m") == Some((8.0, "1".to_owned()))
    });
    // A version that was deleted by a command stays deleted.
    admin.delete("/v1/models/m/versions/1").ok();
    gone_through(&server, &folder, 2.0);
    assert_eq!(answer(&server, "m"), None);
}
