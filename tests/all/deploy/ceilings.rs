//! The operator's ceilings on the limits of manifests.

use serde_json::json;

use super::{HEAD, with_guests};
use crate::guests::request;
use crate::harness::command::check;
use crate::harness::golden;
use crate::harness::manifest::{With as _, model, pipeline};
use crate::harness::server::Setup;
use crate::harness::state::Folder;

#[test]
fn each_limit_beyond_its_ceiling_is_named_with_its_flag() {
    let folder = with_guests(&["echo"]);
    let stage = |limits: &str| {
        format!(
            "{HEAD}    - {{ name: a, role: model, component: ./echo.wasm, limits: {{ {limits} }} }}\n"
        )
    };
    let all = "memory: 3GiB, time: 10m, output_bytes: 3GiB, handles: 70000, log_bytes: 2MiB, instances: 300";
    folder.write("pipeline.yaml", stage(all));
    golden::check(
        "errors/ceilings",
        &check(folder.path(), ["pipeline.yaml"]).ended(3).stderr,
    );
    let raised = [
        "--max-stage-time",
        "10m",
        "--max-stage-handles",
        "70000",
        "--max-stage-log-bytes",
        "2MiB",
    ];
    let raised = ["pipeline.yaml", "--max-stage-instances", "300"]
        .into_iter()
        .chain(raised);
    check(folder.path(), raised).ended(0);
    // A limit that is not written counts with its default.
    folder.write("pipeline.yaml", stage("memory: 64MiB"));
    let lowered = [
        "pipeline.yaml",
        "--max-stage-memory",
        "64MiB",
        "--max-stage-time",
        "2s",
        "--max-stage-instances",
        "8",
    ];
    golden::check(
        "errors/ceilings-lowered",
        &check(folder.path(), lowered).ended(3).stderr,
    );
}

#[test]
fn what_was_served_is_not_served_under_a_lower_ceiling() {
    let state = Folder::new();
    let large = model("echo").with("limits", json!({ "memory": "512MiB" }));
    let other = model("echo").with("limits", json!({ "memory": "64MiB" }));
    Setup::of([pipeline("large", [large]), pipeline("small", [other])])
        .state(state.path())
        .start()
        .stop();
    let server = Setup::of([])
        .state(state.path())
        .args("--max-stage-memory 256MiB --allow-damaged")
        .start();
    assert_ne!(server.ask(&request("large", &[1.0])).status, 200);
    server.ask(&request("small", &[1.0])).ok();
    let log = server.stop().stderr.join("\n");
    let says = "512MiB is more than the 256MiB that this server allows";
    assert!(
        log.contains(says) && log.contains("--max-stage-memory"),
        "{log}"
    );
    // It returns when the ceiling is raised.
    let server = Setup::of([]).state(state.path()).start();
    server.ask(&request("large", &[1.0])).ok();
}
