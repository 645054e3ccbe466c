//! A version that can't be opened at a start is the only one out of service.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::compiling::bombs::slow_scale;
use crate::harness::admin::{Admin, ask, one, times};
use crate::harness::command::hotstage;
use crate::harness::http::{Connection, Request};
use crate::harness::server::{Server, Setup};
use crate::harness::state::{Folder, warm};
use crate::harness::{eventually, pause, sha256};

fn route(spec: &Value) -> Value {
    json!({ "apiVersion": "hotstage.dev/v1", "kind": "Route", "metadata": { "name": "m" }, "spec": spec })
}

/// The manifest of a version in the state directory.
fn blob(state: &Path, admin: &Admin, name: &str, version: &str) -> PathBuf {
    let model = admin.get(&format!("/v1/models/{name}"));
    let versions = model["versions"].as_array().unwrap();
    let about = versions
        .iter()
        .find(|about| about["version"] == version)
        .unwrap();
    let digits = about["digest"]
        .as_str()
        .unwrap()
        .strip_prefix("sha256:")
        .unwrap()
        .to_owned();
    state.join("blobs").join(&digits[..2]).join(digits)
}

fn served(manifests: Vec<Value>, gone: &[(&str, &str)]) -> (Folder, Server) {
    let state = warm();
    let server = Setup::of(manifests).state(state.path()).start();
    let admin = Admin::of(&server);
    let blobs: Vec<PathBuf> = gone
        .iter()
        .map(|(name, version)| blob(state.path(), &admin, name, version))
        .collect();
    server.stop();
    blobs.iter().for_each(|blob| fs::remove_file(blob).unwrap());
    let server = Setup::of([]).state(state.path()).start();
    (state, server)
}

/// The versions that answer this many calls, each with its own key.
fn answers(server: &Server, many: u32) -> Vec<String> {
    let mut connection = server.connect();
    let call =
        |key: u32| Request::post("/v2/models/m/infer", one(1.0).to_string()).header("k", key);
    let answer = |key: u32, connection: &mut Connection| {
        connection
            .ask(&call(key))
            .ok()
            .header("hotstage-version")
            .unwrap()
            .to_owned()
    };
    (0..many).map(|key| answer(key, &mut connection)).collect()
}

#[test]
fn a_variant_without_a_share_never_matters() {
    let split = json!([{ "version": "1", "weight": 100 }, { "version": "2", "weight": 0 }, { "version": "3", "weight": 1 }]);
    let spec = json!({ "split": split, "fallback": { "version": "1" } });
    let versions = [
        times("m", "1", 2.0),
        times("m", "2", 4.0),
        times("m", "3", 8.0),
        route(&spec),
    ];
    let (_state, server) = served(versions.to_vec(), &[("m", "2")]);
    assert!(
        answers(&server, 50)
            .iter()
            .all(|version| version == "1" || version == "3")
    );
    for (path, status) in [
        ("/v2/health/ready", 200),
        ("/v2/models/m/ready", 200),
        ("/v2/models/m/versions/1/ready", 200),
        ("/v2/models/m/versions/2/ready", 503),
        ("/v2/models/m/versions/4/ready", 404),
        ("/v2/models/n/ready", 404),
    ] {
        assert_eq!(server.get(path).status, status, "{path}");
    }
    let admin = Admin::of(&server);
    let model = admin.get("/v1/models/m");
    let conditions: Vec<&Value> = model["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|about| &about["condition"])
        .collect();
    assert_eq!(conditions, ["ready", "failed", "ready"]);
    assert!(
        model["versions"][1]["why"]
            .as_str()
            .unwrap()
            .contains("is not in the store"),
        "{model}"
    );
    assert_eq!(model["route"]["out_of_service"], json!(["2"]));
    check_commands(&server);
    // The version may be deleted once no route names it.
    admin
        .apply(&[route(&json!({ "split": [{ "version": "1" }] }))])
        .ok();
    admin.delete("/v1/models/m/versions/2").ok();
    assert_eq!(admin.get("/v1/status")["failed"], 0);
}

/// The command line names what is missing and the command to type, and does not wait: waiting would
/// not help.
fn check_commands(server: &Server) {
    let state = server.starting.state.to_str().unwrap();
    let output = hotstage(["status", "--state", state]).ended(0).stdout;
    assert!(
        output.contains("m/2: ") && output.contains("hotstage delete m --version 2"),
        "{output}"
    );
    let wait = ["wait", "m", "--version", "2", "--timeout", "60s"];
    let waited = hotstage(wait.into_iter().chain(["--state", state])).ended(8);
    assert!(
        waited.stderr.contains("m/2 can't be opened"),
        "{}",
        waited.stderr
    );
}

#[test]
fn only_the_keys_of_a_missing_variant_move_and_they_move_back() {
    let split = json!([{ "version": "1" }, { "version": "2" }, { "version": "3" }]);
    let spec = json!({ "split": split, "sticky": { "header": "k" } });
    let versions = vec![
        times("m", "1", 2.0),
        times("m", "2", 4.0),
        times("m", "3", 8.0),
        route(&spec),
    ];
    let whole = Setup::of(versions.clone()).start();
    let before = answers(&whole, 60);
    assert!(before.iter().any(|version| version == "2"));
    let (_state, server) = served(versions, &[("m", "2")]);
    let without = answers(&server, 60);
    for (before, now) in before.iter().zip(&without) {
        assert!(
            if before == "2" {
                now != "2"
            } else {
                before == now
            },
            "{before} {now}"
        );
    }
    let applied = Admin::of(&server)
        .apply(&[times("m", "2", 4.0)])
        .ok()
        .json();
    assert_eq!(applied["restored"], json!(["m/2"]));
    assert_eq!(answers(&server, 60), before);
}

#[test]
fn the_fallback_answers_for_a_missing_variant() {
    let split = json!([{ "version": "1", "weight": 0 }, { "version": "2" }, { "version": "3" }]);
    let spec =
        json!({ "split": split, "sticky": { "header": "k" }, "fallback": { "version": "1" } });
    let versions = vec![
        times("m", "1", 2.0),
        times("m", "2", 4.0),
        times("m", "3", 8.0),
        route(&spec),
    ];
    let (_state, server) = served(versions, &[("m", "2")]);
    let answers = answers(&server, 60);
    assert!(
        answers
            .iter()
            .all(|version| version == "1" || version == "3")
    );
    assert!(answers.iter().any(|version| version == "1"));
}

#[test]
fn a_name_without_a_version_in_service_makes_only_the_server_unready() {
    let (_state, server) = served(
        vec![times("m", "1", 2.0), times("n", "1", 4.0)],
        &[("m", "1")],
    );
    let probe = server.get("/v2/health/ready");
    assert_eq!(probe.status, 503);
    assert!(probe.text().contains("`m`"), "{}", probe.text());
    assert_eq!(
        ask(&mut server.connect(), "/v2/models/n/infer").unwrap(),
        (4.0, "1".to_owned())
    );
    assert_eq!(server.get("/v2/models/m/ready").status, 503);
    assert_eq!(server.get("/v2/models/n/ready").status, 200);
    assert_eq!(server.get("/v2/models").json(), json!({ "models": ["n"] }));
    Admin::of(&server).delete("/v1/models/m").ok();
    assert_eq!(server.get("/v2/health/ready").status, 200);
    assert_eq!(server.get("/v2/models/m/ready").status, 404);
}

#[test]
fn the_newest_that_can_answer_does() {
    let (_state, server) = served(
        vec![times("m", "1", 2.0), times("m", "2", 4.0)],
        &[("m", "2")],
    );
    assert_eq!(
        ask(&mut server.connect(), "/v2/models/m/infer").unwrap(),
        (2.0, "1".to_owned())
    );
    assert_eq!(server.get("/v2/health/ready").status, 200);
    let refused = ask(&mut server.connect(), "/v2/models/m/versions/2/infer").unwrap_err();
    assert_eq!(refused.status, 503);
}

#[test]
fn a_graph_waits_for_its_member_and_comes_back_with_it() {
    let graph = json!({
        "apiVersion": "hotstage.dev/v1", "kind": "Graph", "metadata": { "name": "g", "version": "1" },
        "spec": { "nodes": [{ "name": "a", "pipeline": "m", "version": "1" }] },
    });
    let (_state, server) = served(
        vec![times("m", "1", 2.0), times("n", "1", 4.0), graph],
        &[("m", "1")],
    );
    assert_eq!(server.get("/v2/models/g/ready").status, 503);
    let admin = Admin::of(&server);
    let status = admin.get("/v1/status");
    let why = |name: &str| {
        let failed = status["out_of_service"]
            .as_array()
            .unwrap()
            .iter()
            .find(|failed| failed["name"] == name);
        failed.unwrap()["why"].as_str().unwrap().to_owned()
    };
    assert!(why("g").contains("its member m/1"), "{status}");
    let applied = admin.apply(&[times("m", "1", 2.0)]).ok().json();
    assert_eq!(applied["restored"], json!(["g/1", "m/1"]));
    assert_eq!(
        ask(&mut server.connect(), "/v2/models/g/infer").unwrap(),
        (2.0, "1".to_owned())
    );
    assert_eq!(server.get("/v2/health/ready").status, 200);
}

/// A slow compilation delays no other version.
#[test]
fn a_model_answers_as_soon_as_it_is_ready_whatever_else_is_still_loading() {
    let (state, folder) = (warm(), Folder::new());
    let component = folder.write("slow.wasm", slow_scale());
    let mut slow = times("n", "1", 4.0);
    slow["spec"]["stages"][0]["component"] = json!(component);
    let server = Setup::of([times("m", "1", 2.0), slow])
        .state(state.path())
        .start();
    let address = server.address;
    server.stop();
    let compiled = format!(
        "-{}.cwasm",
        sha256(&slow_scale()).trim_start_matches("sha256:")
    );
    let entries = fs::read_dir(state.path().join("cache"))
        .unwrap()
        .flatten()
        .map(|entry| entry.path());
    let entry: Vec<PathBuf> = entries
        .filter(|path| path.to_str().unwrap().ends_with(&compiled))
        .collect();
    fs::remove_file(&entry[0]).unwrap();
    let starting = Setup::of([])
        .args("--compute-threads 4")
        .state(state.path())
        .http(address)
        .spawn();
    let mut connection = loop {
        // It may not listen yet.
        match std::net::TcpStream::connect(address) {
            Ok(_) => break Connection::open(address),
            Err(_) => pause(Duration::from_millis(10)),
        }
    };
    eventually("the quick one answers", || {
        ask(&mut connection, "/v2/models/m/infer").is_ok()
    });
    for (path, status) in [
        ("/v2/health/ready", 503),
        ("/v2/models/m/ready", 200),
        ("/v2/models/n/ready", 503),
        ("/v2/models/x/ready", 503),
    ] {
        assert_eq!(connection.ask(&Request::get(path)).status, status, "{path}");
    }
    let refused = ask(&mut connection, "/v2/models/n/infer").unwrap_err();
    assert!(
        refused.status == 503
            && refused
                .text()
                .contains("no version of model `n` is in service"),
        "{refused:?}"
    );
    starting
        .stdout
        .find(|line| line.starts_with("hotstage is ready on "))
        .expect("it did not get ready");
    assert_eq!(
        ask(&mut connection, "/v2/models/n/infer").unwrap(),
        (4.0, "1".to_owned())
    );
    assert_eq!(
        connection.ask(&Request::get("/v2/health/ready")).status,
        200
    );
}
