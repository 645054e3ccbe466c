//! Deploying graphs: what is refused, how changes of members affect them, and which members they
//! protect.

use serde_json::{Value, json};

use super::{graph, infer, mean, member, refused, two, value};
use crate::harness::admin::{Admin, one, scale, tensor, times};
use crate::harness::command::hotstage;
use crate::harness::manifest::{model, version};
use crate::harness::root;
use crate::harness::server::{Server, Setup};
use crate::harness::state::{Folder, warm};

#[test]
fn an_invalid_graph_is_refused_with_its_position() {
    let server = two().start();
    let admin = Admin::of(&server);
    admin.label("m", "stable", "1").ok();
    check_names(&admin);
    check_ensembles(&admin);
    let mut tested = mean("g");
    let expect = |value: f64| json!({ "outputs": [tensor(value)] });
    tested["spec"]["tests"] = json!([{ "name": "t", "request": one(1.0), "expect": expect(5.0) }]);
    check_refused(
        &admin,
        &[tested.clone()],
        "spec.tests[0].expect: test `t`: features[0, 0]: expected 5, got 3",
    );
    assert_eq!(
        admin.get("/v1/models/m")["versions"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert_eq!(admin.get("/v1/status")["head"], 2);
    tested["spec"]["tests"][0]["expect"] = expect(3.0);
    let applied = admin.apply(&[tested]).ok().json();
    assert_eq!((&applied["tests"], value(&server, "g")), (&json!(1), 3.0));
    // The members' own metrics do not include the test.
    let answered = r#"hotstage_requests_total{pipeline="m",version="1",outcome="answered"}"#;
    assert_eq!(server.metrics().value(answered), 1.0);
}

#[track_caller]
fn check_refused(admin: &Admin, manifests: &[Value], part: &str) {
    refused(&admin.apply(manifests), 422, part);
}

/// A graph names existing versions, and neither itself nor a graph that names it.
fn check_names(admin: &Admin) {
    let call =
        |name: &str, version: &str| json!([{ "name": "a", "pipeline": name, "version": version }]);
    let apply = |manifests: &[Value], part: &str| check_refused(admin, manifests, part);
    apply(&[graph("g", &call("m", "7"))], "0.yaml:1:");
    apply(
        &[graph("g", &call("m", "7"))],
        "spec.nodes[0].version: there is no version `7` of `m`; known: `1` and `2`",
    );
    apply(
        &[graph("g", &call("m", "stable"))],
        "`stable` is a label; a graph names versions",
    );
    apply(
        &[graph("g", &call("n", "1"))],
        "spec.nodes[0].version: there is no pipeline `n`; known: `m`; apply it first, or together",
    );
    apply(
        &[graph("g", &call("g", "1"))],
        "spec.nodes[0].version: is the graph itself",
    );
    apply(
        &[
            graph("g", &call("h", "1")),
            graph("h", &call("i", "1")),
            graph("i", &call("g", "1")),
        ],
        "the graphs name each other in a cycle: ",
    );
    let mut pinned = call("m", "1");
    pinned[0]["digest"] = json!(format!("sha256:{}", "0".repeat(64)));
    apply(
        &[graph("g", &pinned)],
        "leave `digest` out, or apply the version that has it",
    );
}

/// The members of an ensemble take the same inputs, and their outputs are merged.
fn check_ensembles(admin: &Admin) {
    let mut wide = times("m", "3", 2.0);
    wide["spec"]["stages"][0]["settings"] = json!({ "mean": [0, 0], "std": [1, 1] });
    let merge = json!({ "features": "mean" });
    let both = json!([{ "name": "a", "ensemble": [member("1"), member("3")], "merge": merge }]);
    check_refused(
        admin,
        &[wide, graph("g", &both)],
        "spec.nodes[0].ensemble[1].inputs.features: `m/3` takes `features` FP32 [-1, 2]",
    );
    let both = json!([{ "name": "a", "ensemble": [member("1"), member("2")] }]);
    check_refused(
        admin,
        &[graph("g", &both)],
        "spec.nodes[0].merge: `m/1` and `m/2` give `features`; choose under `merge`",
    );
}

#[test]
fn graphs_over_graphs_are_bounded() {
    let server = Setup::of([times("m", "1", 2.0)]).start();
    let admin = Admin::of(&server);
    let inner = |level: usize| {
        if level == 0 {
            "m".to_owned()
        } else {
            format!("g{level}")
        }
    };
    let over = |level: usize| {
        let nodes = json!([{ "name": "inner", "pipeline": inner(level - 1), "version": "1" }]);
        graph(&inner(level), &nodes)
    };
    let deep: Vec<Value> = (1..=9).map(over).collect();
    refused(&admin.apply(&deep), 422, "8.yaml:1:");
    refused(
        &admin.apply(&deep),
        422,
        "spec.nodes: graphs over graphs: 9 levels; at most 8 are allowed",
    );
    admin.apply(&deep[..8]).ok();
    assert_eq!(value(&server, "g8"), 2.0);
    let many = |name: &str, of: &str, members: usize| {
        let members = vec![json!({ "pipeline": of, "version": "1" }); members];
        graph(
            name,
            &json!([{ "name": "all", "ensemble": members, "merge": { "features": "max" } }]),
        )
    };
    let wide = [many("w", "m", 32), many("ww", "w", 9)];
    refused(
        &admin.apply(&wide),
        422,
        "one request could run 288 pipelines; at most 256 are allowed",
    );
    admin.apply(&[many("w", "m", 32), many("ww", "w", 8)]).ok();
    assert_eq!(value(&server, "ww"), 2.0);
}

#[test]
fn a_graph_is_updated_with_its_members_and_protects_them() {
    let state = warm();
    let server = two().and([mean("g")]).state(state.path()).start();
    let over = graph(
        "over",
        &json!([{ "name": "inner", "pipeline": "g", "version": "1" }]),
    );
    let admin = Admin::of(&server);
    admin.apply(&[over]).ok();
    assert_eq!(both_graphs(&server), (3.0, 3.0));
    for path in ["/v1/models/m/versions/1", "/v1/models/m", "/v1/models/g"] {
        refused(
            &admin.delete(path),
            409,
            "names it; change or delete the graph first",
        );
    }
    let before = (digest(&admin, "g"), digest(&admin, "over"));
    // A member gets another digest: both graphs are rebuilt in the same revision.
    let replaced = admin
        .apply_with(&[times("m", "1", 8.0)], &json!({ "replace": true }))
        .ok()
        .json();
    let change = |change: &Value| ["what", "pipeline"].map(|key| change[key].clone());
    let changes = replaced["changes"].as_array().unwrap().iter();
    let changes: Vec<[Value; 2]> = changes.map(change).collect();
    assert_eq!(
        json!(changes),
        json!([["replaced", "m"], ["replaced", "g"], ["replaced", "over"]])
    );
    assert_eq!(both_graphs(&server), (6.0, 6.0));
    assert_ne!((digest(&admin, "g"), digest(&admin, "over")), before);
    check_unfit_members(&server, &admin);
    admin.post("/v1/rollback", &json!({})).ok();
    assert_eq!((digest(&admin, "g"), digest(&admin, "over")), before);
    assert_eq!(both_graphs(&server), (3.0, 3.0));
    server.stop();
    let server = Setup::of([]).state(state.path()).start();
    let admin = Admin::of(&server);
    assert_eq!(both_graphs(&server), (3.0, 3.0));
    assert_eq!(admin.get("/v1/verify")["problems"], json!([]));
    admin
        .post(
            "/v1/gc",
            &json!({ "keep_revisions": 1, "min_age_seconds": 0 }),
        )
        .ok();
    assert_eq!(admin.get("/v1/verify")["problems"], json!([]));
    assert_eq!(digest(&admin, "g"), before.0);
    admin.delete("/v1/models/over").ok();
    admin.delete("/v1/models/g").ok();
    admin.delete("/v1/models/m").ok();
}

/// The answers of the graph `g`, and of `over`, which names it, to 1.
fn both_graphs(server: &Server) -> (f64, f64) {
    (value(server, "g"), value(server, "over"))
}

fn digest(admin: &Admin, name: &str) -> Value {
    admin.get(&format!("/v1/models/{name}/versions/1"))["digest"].clone()
}

/// A member that no longer matches its graphs is refused, and nothing changes.
fn check_unfit_members(server: &Server, admin: &Admin) {
    let replace = |stage: Value, why: &str| {
        let unfit = admin.apply_with(&[version("m", "1", [stage])], &json!({ "replace": true }));
        refused(&unfit, 422, "0.yaml:1:");
        refused(
            &unfit,
            422,
            "metadata.version: the graph g/1 names this version and does not fit it any more: ",
        );
        refused(&unfit, 422, why);
        assert_eq!(value(server, "g"), 6.0);
    };
    let mut wide = scale("scale", 0.0, 1.0);
    wide["settings"] = json!({ "mean": [0, 0], "std": [1, 1] });
    replace(
        wide,
        "spec.nodes[0].merge.features: `m/2` gives FP32 [-1, 1] and another member FP32 [-1, 2]",
    );
    replace(
        model("echo"),
        "spec: its inputs and outputs would change: x FP32 [-1], features FP32 [-1, 1] -> ",
    );
}

#[test]
fn a_graph_is_a_version_that_routes_and_labels_know() {
    let mut third = mean("m");
    third["metadata"]["version"] = json!("3");
    let split = json!([{ "version": "1", "weight": 1 }, { "version": "3", "weight": 0 }]);
    let route = json!({
        "apiVersion": "hotstage.dev/v1", "kind": "Route", "metadata": { "name": "m" },
        "spec": { "split": split, "pin": true },
    });
    let server = two().and([third]).start();
    let admin = Admin::of(&server);
    assert_eq!(value(&server, "m"), 3.0);
    admin.label("m", "stable", "3").ok();
    admin.apply(&[route]).ok();
    assert_eq!(
        (value(&server, "m"), value(&server, "m/versions/stable")),
        (2.0, 3.0)
    );
    refused(
        &admin.delete("/v1/models/m/versions/2"),
        409,
        "the graph m/3 names it",
    );
    // Deletes all of a name at once: the graph together with its members.
    admin.delete("/v1/models/m").ok();
}

#[test]
fn the_command_line_knows_graphs() {
    let tumor = root().join("examples/tumor");
    let server =
        Setup::files(["tumor-v1.yaml", "tumor-v2.yaml"].map(|file| tumor.join(file))).start();
    let at = server.starting.state.to_str().unwrap();
    // The documents of its tests are uploaded.
    let applied = hotstage([
        "apply",
        "-f",
        tumor.join("graphs.yaml").to_str().unwrap(),
        "--state",
        at,
    ])
    .ended(0)
    .stdout;
    assert!(
        applied.contains("added tumor-panel/1") && applied.contains("3 tests"),
        "{applied}"
    );
    let described = hotstage(["describe", "tumor-careful", "--state", at])
        .ended(0)
        .stdout;
    for part in [
        "second",
        "switch",
        "tumor/2",
        "spec.nodes[1].switch[0]",
        "of three rows version 1 is unsure of one",
    ] {
        assert!(described.contains(part), "{part}: {described}");
    }
    let file = tumor.join("graphs.yaml");
    let unchanged = hotstage(["diff", "-f", file.to_str().unwrap(), "--state", at])
        .ended(0)
        .stdout;
    assert!(unchanged.contains("no difference"), "{unchanged}");
    let checked = hotstage(["check", tumor.to_str().unwrap(), "--state", at])
        .ended(0)
        .stdout;
    assert!(
        checked.contains("ok tumor-panel version 1") && checked.contains("panel  tumor/1"),
        "{checked}"
    );
    let alone = hotstage(["check", file.to_str().unwrap(), "--state", at])
        .ended(3)
        .stderr;
    assert!(
        alone.contains("spec.nodes[0].ensemble[0].version: no file here describes tumor/1"),
        "{alone}"
    );
}

#[test]
fn a_graph_in_a_watched_folder_is_updated_with_its_members() {
    let folder = Folder::new();
    folder.write("1.yaml", times("m", "1", 2.0).to_string());
    folder.write("2.yaml", times("m", "2", 4.0).to_string());
    folder.write("g.yaml", mean("g").to_string());
    let server = Setup::files([folder.path().to_owned()])
        .args("--watch")
        .start();
    assert_eq!(value(&server, "g"), 3.0);
    crate::harness::pause(std::time::Duration::from_millis(20));
    folder.write("1.yaml", times("m", "1", 8.0).to_string());
    crate::harness::eventually("the graph stands on the edited version", || {
        value(&server, "g") == 6.0
    });
    // The graph and its members are removed in one edit.
    for file in ["g.yaml", "2.yaml"] {
        std::fs::remove_file(folder.path().join(file)).unwrap();
    }
    let versions = || Admin::of(&server).get("/v1/models/m")["versions"].clone();
    crate::harness::eventually("one version is left", || {
        let versions = versions();
        versions
            .as_array()
            .unwrap()
            .iter()
            .filter(|version| version["condition"] == "ready")
            .count()
            == 1
    });
    assert_eq!(infer(&server, "g", &one(1.0)).status, 404);
}
