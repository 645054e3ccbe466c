//! Graphs from outside: right answers are those of their members, what does not fit is refused, what a member's change
//! means for them, and what ends with a request.

use serde_json::{Value, json};

use crate::guests::{data, numbers, request};
use crate::harness::admin::{Admin, one, times};
use crate::harness::command::hotstage;
use crate::harness::http::{Request, Response};
use crate::harness::manifest::{With as _, model, pipeline, version};
use crate::harness::server::{Server, Setup};
use crate::harness::state::{Folder, warm};
use crate::harness::{root, tumor};

fn graph(name: &str, nodes: &Value) -> Value {
    json!({
        "apiVersion": "hotstage.dev/v1", "kind": "Graph",
        "metadata": { "name": name, "version": "1" }, "spec": { "nodes": nodes },
    })
}

fn infer(server: &Server, path: &str, body: &Value) -> Response {
    server.post(&format!("/v2/models/{path}/infer"), body.to_string())
}

/// What a graph over `times` says to 1.
fn value(server: &Server, name: &str) -> f64 {
    infer(server, name, &one(1.0)).ok().json()["outputs"][0]["data"][0].as_f64().unwrap()
}

fn member(version: &str) -> Value {
    json!({ "pipeline": "m", "version": version })
}

/// The mean of two versions of `m`.
fn mean(name: &str) -> Value {
    graph(name, &json!([{ "name": "both", "ensemble": [member("1"), member("2")], "merge": { "features": "mean" } }]))
}

fn two() -> Setup {
    Setup::of([times("m", "1", 2.0), times("m", "2", 4.0)])
}

fn refused(response: &Response, status: u16, part: &str) {
    assert_eq!(response.status, status, "{}", response.text());
    assert!(response.error().contains(part), "{}", response.error());
}

/// Label and score of each row.
fn answers(answer: &Value) -> Vec<(String, f64)> {
    let column = |index: usize| answer["outputs"][index]["data"].as_array().unwrap().clone();
    let pairs = column(0).into_iter().zip(column(1));
    pairs.map(|(label, score)| (label.as_str().unwrap().to_owned(), score.as_f64().unwrap())).collect()
}

#[test]
fn the_example_says_what_its_members_say() {
    let server = Setup::files([root().join("examples/tumor")]).start();
    let rows = tumor::held_out();
    let of = |path: &str| answers(&infer(&server, path, &rows).ok().json());
    let (first, second) = (of("tumor/versions/1"), of("tumor/versions/2"));
    let mut differ = 0;
    for ((panel, first), second) in of("tumor-panel").iter().zip(&first).zip(&second) {
        assert_eq!(panel.0, first.0, "the first of two wins a tie");
        assert!((panel.1 - f64::midpoint(first.1, second.1)).abs() < 1e-6, "{panel:?} of {first:?} and {second:?}");
        differ += usize::from(first.0 != second.0);
    }
    assert_eq!((first.len(), differ), (143, 1));
    // Row by row, since a switch decides for all rows of a request.
    let data = rows["inputs"][0]["data"].as_array().unwrap();
    let mut unsure = 0;
    for (index, row) in data.chunks(30).enumerate() {
        let input = json!({ "name": "features", "datatype": "FP32", "shape": [1, 30], "data": row });
        let answer = infer(&server, "tumor-careful", &json!({ "inputs": [input] })).ok();
        let is_unsure = (0.3..=0.7).contains(&first[index].1);
        let expected = if is_unsure { &second[index] } else { &first[index] };
        assert_eq!(answers(&answer.json()), std::slice::from_ref(expected), "row {index}");
        let asked = if is_unsure { "second=tumor/2" } else { "second=pass" };
        assert_eq!(answer.header("hotstage-asked"), Some(asked), "row {index}");
        assert_eq!(answer.header("hotstage-pipeline"), Some("tumor-careful"));
        unsure += usize::from(is_unsure);
    }
    assert_eq!(unsure, 6);
    // One unsure row among many is enough.
    assert_eq!(of("tumor-careful"), second);
    let metrics = server.metrics();
    let answered = |name: &str, version: &str| {
        metrics
            .value(&format!(r#"hotstage_requests_total{{pipeline="{name}",version="{version}",outcome="answered"}}"#))
    };
    assert_eq!([answered("tumor-careful", "1"), answered("tumor-panel", "1")], [144.0, 1.0]);
    assert_eq!([answered("tumor", "1"), answered("tumor", "2")], [146.0, 9.0]);
}

#[test]
fn tensors_stay_binary_and_are_the_members_to_the_bit() {
    let server = Setup::files([root().join("examples/tumor")]).start();
    let head = json!({
        "inputs": [{
            "name": "features", "datatype": "FP32", "shape": [1, 30], "parameters": { "binary_data_size": 120 },
        }],
        "outputs": [{ "name": "score", "parameters": { "binary_data": true } }],
    });
    let ask = |path: &str| {
        let request = Request::binary(&format!("/v2/models/{path}/infer"), &head, &[&tumor::bytes("benign")]);
        let response = server.ask(&request).ok();
        f32::from_le_bytes(response.binary().1.try_into().unwrap())
    };
    let (first, second) = (ask("tumor/versions/1"), ask("tumor/versions/2"));
    assert_eq!(ask("tumor-careful").to_bits(), first.to_bits());
    #[expect(clippy::cast_possible_truncation, reason = "the mean of two 32-bit floats is told in 32 bits")]
    let mean = f64::midpoint(first.into(), second.into()) as f32;
    assert_eq!(ask("tumor-panel").to_bits(), mean.to_bits());
}

#[test]
fn nodes_are_wired_like_stages() {
    let nodes = json!([
        { "name": "twice", "pipeline": "m", "version": "1", "outputs": { "features": "twice" } },
        { "name": "eight", "pipeline": "m", "version": "2", "inputs": { "features": "twice.twice" } },
        { "name": "again", "pipeline": "m", "version": "2", "inputs": { "features": "request.features" },
          "outputs": { "features": "four" } },
    ]);
    let mut chain = graph("g", &nodes);
    chain["spec"]["outputs"] = json!(["four", "eight.features", "twice"]);
    let over = graph("over", &json!([{ "name": "inner", "pipeline": "g", "version": "1" }]));
    let server = two().and([over, chain]).start();
    for name in ["g", "over"] {
        let answer = infer(&server, name, &one(1.0)).ok().json();
        let told: Vec<(&str, f64)> = answer["outputs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|output| (output["name"].as_str().unwrap(), output["data"][0].as_f64().unwrap()))
            .collect();
        assert_eq!(told, [("four", 4.0), ("features", 8.0), ("twice", 2.0)]);
    }
    let metadata = server.get("/v2/models/over").ok().json();
    assert_eq!(metadata["outputs"].as_array().unwrap().len(), 3);
}

#[test]
fn a_splitter_deals_by_weight_and_a_key_meets_the_same_arm() {
    let arms = json!([
        { "pipeline": "m", "version": "1", "weight": 70 }, { "pipeline": "m", "version": "2", "weight": 30 },
    ]);
    let node = json!({ "name": "arm", "splitter": arms });
    let sticky = node.clone().with("sticky", "request.features");
    let server = two().and([graph("chance", &json!([node])), graph("keyed", &json!([sticky]))]).start();
    let seconds = |name: &str| {
        let second = |number: &usize| {
            let answer = infer(&server, name, &one(*number as f64)).ok();
            let factor = answer.json()["outputs"][0]["data"][0].as_f64().unwrap() / *number as f64;
            let asked = if factor == 4.0 { "arm=m/2" } else { "arm=m/1" };
            assert_eq!(answer.header("hotstage-asked"), Some(asked));
            factor == 4.0
        };
        (1..=300).filter(second).collect::<Vec<usize>>()
    };
    let (chance, keyed) = (seconds("chance"), seconds("keyed"));
    assert!((60..=120).contains(&chance.len()) && (60..=120).contains(&keyed.len()), "{chance:?} {keyed:?}");
    assert_eq!(seconds("keyed"), keyed);
}

#[test]
fn a_soft_members_failure_is_left_out_and_a_hard_ones_is_the_answer() {
    let ensemble = |soft: bool| {
        json!([{
            "name": "both", "merge": { "y": "max" },
            "ensemble": [
                { "pipeline": "traps", "version": "1", "soft": soft }, { "pipeline": "echo", "version": "1" },
            ],
        }])
    };
    let alone = json!([{
        "name": "alone", "merge": { "y": "first" },
        "ensemble": [{ "pipeline": "traps", "version": "1", "soft": true }],
    }]);
    let server = Setup::of([
        pipeline("traps", [model("traps")]),
        pipeline("echo", [model("echo")]),
        graph("soft", &ensemble(true)),
        graph("hard", &ensemble(false)),
        graph("alone", &alone),
    ])
    .start();
    for name in ["soft", "hard", "alone"] {
        assert_eq!(data(&server.ask(&request(name, &[1.0]))), [1.0], "{name}");
    }
    let soft = server.ask(&request("soft", &[13.0]));
    assert_eq!(soft.header("hotstage-asked"), Some("both=stage_trapped"));
    assert_eq!(data(&soft), [13.0]);
    for name in ["hard", "alone"] {
        let failed = server.ask(&request(name, &[13.0]));
        assert_eq!((failed.status, failed.header("hotstage-failure")), (500, Some("stage_trapped")), "{name}");
        assert_eq!(failed.header("hotstage-pipeline"), Some(name));
    }
}

/// A member that spins, of which one call may run at once.
fn spinning(deadline: Option<&str>) -> Server {
    let limits = json!({ "time": "60s", "instances": 1 });
    let mut graph = graph(
        "g",
        &json!([{
            "name": "both", "merge": { "y": "max" },
            "ensemble": [{ "pipeline": "echo", "version": "1" }, { "pipeline": "spins", "version": "1" }],
        }]),
    );
    if let Some(deadline) = deadline {
        graph["spec"]["deadline"] = json!(deadline);
    }
    Setup::of([pipeline("echo", [model("echo")]), pipeline("spins", [model("spins").with("limits", limits)]), graph])
        .start()
}

#[test]
fn a_deadline_bounds_every_branch_and_ends_what_still_runs() {
    let server = spinning(Some("300ms"));
    assert_eq!(data(&server.ask(&request("g", &[2.0]))), [2.0]);
    let late = server.ask(&request("g", &[13.0]));
    assert_eq!((late.status, late.header("hotstage-failure")), (504, Some("deadline_exceeded")), "{}", late.text());
    assert_eq!(late.error(), "graph `g` took longer than its deadline of 300ms");
    // Its only instance would be busy for a minute.
    assert_eq!(data(&server.ask(&request("spins", &[1.0]))), [1.0]);
    assert_eq!(data(&server.ask(&request("g", &[2.0]))), [2.0]);
}

#[test]
fn a_client_that_leaves_takes_every_branch_with_it() {
    let server = spinning(None);
    let waiting = r#"hotstage_requests_total{pipeline="echo",version="1",outcome="answered"}"#;
    let mut connection = server.connect();
    connection.send(&request("g", &[13.0]).bytes());
    // One member has answered, so the other one runs.
    crate::harness::eventually("the graph has begun", || server.metrics().value(waiting) >= 1.0);
    drop(connection);
    assert_eq!(data(&server.ask(&request("spins", &[1.0]))), [1.0]);
}

#[test]
fn what_does_not_fit_is_refused_where_it_stands() {
    let server = two().start();
    let admin = Admin::of(&server);
    admin.label("m", "stable", "1").ok();
    let call = |version: &str| json!([{ "name": "a", "pipeline": "m", "version": version }]);
    let apply = |manifests: &[Value], part: &str| refused(&admin.apply(manifests), 422, part);
    apply(&[graph("g", &call("7"))], "0.yaml:1:");
    apply(&[graph("g", &call("7"))], "spec.nodes[0].version: there is no version `7` of `m`; known: `1` and `2`");
    apply(&[graph("g", &call("stable"))], "`stable` is a label; a graph names versions");
    let other = json!([{ "name": "a", "pipeline": "n", "version": "1" }]);
    apply(&[graph("g", &other)], "spec.nodes[0].version: there is no pipeline `n`; did you mean `m`?");
    let named = |name: &str| json!([{ "name": "a", "pipeline": name, "version": "1" }]);
    apply(&[graph("g", &named("g"))], "spec.nodes[0].version: is the graph itself");
    apply(
        &[graph("g", &named("h")), graph("h", &named("i")), graph("i", &named("g"))],
        "the graphs name each other in a circle: ",
    );
    let mut pinned = call("1");
    pinned[0]["digest"] = json!(format!("sha256:{}", "0".repeat(64)));
    apply(&[graph("g", &pinned)], "leave `digest` out, or apply the version that has it");
    let mut wide = times("m", "3", 2.0);
    wide["spec"]["stages"][0]["settings"] = json!({ "mean": [0, 0], "std": [1, 1] });
    let both = json!([{ "name": "a", "ensemble": [member("1"), member("3")], "merge": { "features": "mean" } }]);
    apply(&[wide, graph("g", &both)], "spec.nodes[0].ensemble[1].inputs.features: `m/3` takes `features` FP32 [-1, 2]");
    let both = json!([{ "name": "a", "ensemble": [member("1"), member("2")] }]);
    apply(&[graph("g", &both)], "spec.nodes[0].ensemble: `m/1`, `m/2` all give `features`; say under `merge`");
    let mut tested = mean("g");
    let expect = |value: f64| json!({ "outputs": [{ "name": "features", "datatype": "FP32", "shape": [1, 1], "data": [value] }] });
    tested["spec"]["tests"] = json!([{ "name": "t", "request": one(1.0), "expect": expect(5.0) }]);
    apply(&[tested.clone()], "spec.tests[0].expect: test `t`: features[0, 0]: expected 5, got 3");
    assert_eq!(admin.get("/v1/models/m")["versions"].as_array().unwrap().len(), 2);
    assert_eq!(admin.get("/v1/status")["head"], 2);
    tested["spec"]["tests"][0]["expect"] = expect(3.0);
    let applied = admin.apply(&[tested]).ok().json();
    assert_eq!((&applied["tests"], value(&server, "g")), (&json!(1), 3.0));
    // The members' own figures know nothing of the test.
    let answered = r#"hotstage_requests_total{pipeline="m",version="1",outcome="answered"}"#;
    assert_eq!(server.metrics().value(answered), 1.0);
}

#[test]
fn a_graph_follows_its_members_and_keeps_them() {
    let state = warm();
    let server = two().and([mean("g")]).state(state.path()).start();
    let over = graph("over", &json!([{ "name": "inner", "pipeline": "g", "version": "1" }]));
    let admin = Admin::of(&server);
    admin.apply(&[over]).ok();
    assert_eq!((value(&server, "g"), value(&server, "over")), (3.0, 3.0));
    for path in ["/v1/models/m/versions/1", "/v1/models/m", "/v1/models/g"] {
        refused(&admin.delete(path), 409, "names it; change or delete the graph first");
    }
    let digest = |admin: &Admin, name: &str| admin.get(&format!("/v1/models/{name}/versions/1"))["digest"].clone();
    let (before, before_over) = (digest(&admin, "g"), digest(&admin, "over"));
    // A member gets another digest: both graphs are made again, in the same revision.
    let replaced = admin.apply_with(&[times("m", "1", 8.0)], &json!({ "replace": true })).ok().json();
    let changed: Vec<(&str, &str)> = replaced["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| (change["what"].as_str().unwrap(), change["pipeline"].as_str().unwrap()))
        .collect();
    assert_eq!(changed, [("replaced", "m"), ("replaced", "g"), ("replaced", "over")]);
    assert_eq!((value(&server, "g"), value(&server, "over")), (6.0, 6.0));
    assert_ne!((digest(&admin, "g"), digest(&admin, "over")), (before.clone(), before_over.clone()));
    // One that does not fit them is refused, and nothing changes.
    let other = version("m", "1", [model("echo")]);
    let unfit = admin.apply_with(&[other], &json!({ "replace": true }));
    refused(
        &unfit,
        422,
        "metadata.version: the graph g/1 names this version and does not fit it any more: spec.nodes[0]",
    );
    assert_eq!(value(&server, "g"), 6.0);
    admin.post("/v1/rollback", &json!({})).ok();
    assert_eq!((digest(&admin, "g"), digest(&admin, "over")), (before.clone(), before_over));
    assert_eq!((value(&server, "g"), value(&server, "over")), (3.0, 3.0));
    server.stop();
    let server = Setup::of([]).state(state.path()).start();
    let admin = Admin::of(&server);
    assert_eq!((value(&server, "g"), value(&server, "over")), (3.0, 3.0));
    assert_eq!(admin.get("/v1/verify")["problems"], json!([]));
    admin.post("/v1/gc", &json!({ "keep_revisions": 1, "min_age_seconds": 0 })).ok();
    assert_eq!(admin.get("/v1/verify")["problems"], json!([]));
    assert_eq!(digest(&admin, "g"), before);
    admin.delete("/v1/models/over").ok();
    admin.delete("/v1/models/g").ok();
    admin.delete("/v1/models/m").ok();
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
    assert_eq!((value(&server, "m"), value(&server, "m/versions/stable")), (2.0, 3.0));
    refused(&admin.delete("/v1/models/m/versions/2"), 409, "the graph m/3 names it");
    // All of a name at once: the graph goes with what it names.
    admin.delete("/v1/models/m").ok();
}

#[test]
fn the_command_line_knows_graphs() {
    let tumor = root().join("examples/tumor");
    let server = Setup::files(["tumor-v1.yaml", "tumor-v2.yaml"].map(|file| tumor.join(file))).start();
    let at = server.starting.state.to_str().unwrap();
    // The documents of its tests are sent along.
    let applied = hotstage(["apply", "-f", tumor.join("graphs.yaml").to_str().unwrap(), "--state", at]).ended(0).stdout;
    assert!(applied.contains("added tumor-panel/1") && applied.contains("3 tests"), "{applied}");
    let described = hotstage(["describe", "tumor-careful", "--state", at]).ended(0).stdout;
    for part in ["second", "switch", "tumor/2", "spec.nodes[1].switch[0]", "of three rows version 1 is unsure of one"] {
        assert!(described.contains(part), "{part}: {described}");
    }
    let file = tumor.join("graphs.yaml");
    let unchanged = hotstage(["diff", "-f", file.to_str().unwrap(), "--state", at]).ended(0).stdout;
    assert!(unchanged.contains("no difference"), "{unchanged}");
    let checked = hotstage(["check", tumor.to_str().unwrap(), "--state", at]).ended(0).stdout;
    assert!(checked.contains("ok tumor-panel version 1") && checked.contains("panel  tumor/1"), "{checked}");
    let alone = hotstage(["check", file.to_str().unwrap(), "--state", at]).ended(3).stderr;
    assert!(alone.contains("spec.nodes[0].ensemble[0].version: no file here describes tumor/1"), "{alone}");
}

#[test]
fn a_graph_in_a_watched_folder_follows_its_members() {
    let folder = Folder::new();
    folder.write("1.yaml", times("m", "1", 2.0).to_string());
    folder.write("2.yaml", times("m", "2", 4.0).to_string());
    folder.write("g.yaml", mean("g").to_string());
    let server = Setup::files([folder.path().to_owned()]).args("--watch").start();
    assert_eq!(value(&server, "g"), 3.0);
    crate::harness::pause(std::time::Duration::from_millis(20));
    folder.write("1.yaml", times("m", "1", 8.0).to_string());
    crate::harness::eventually("the graph stands on the edited version", || value(&server, "g") == 6.0);
    // What it names goes with it, in one edit.
    for file in ["g.yaml", "2.yaml"] {
        std::fs::remove_file(folder.path().join(file)).unwrap();
    }
    let versions = || Admin::of(&server).get("/v1/models/m")["versions"].clone();
    crate::harness::eventually("one version is left", || {
        let versions = versions();
        versions.as_array().unwrap().iter().filter(|version| version["condition"] == "ready").count() == 1
    });
    assert_eq!(infer(&server, "g", &one(1.0)).status, 404);
}

#[test]
fn what_flows_between_nodes_is_checked_as_between_stages() {
    let nodes = json!([
        { "name": "a", "pipeline": "echo", "version": "1" },
        { "name": "b", "pipeline": "echo", "version": "1", "inputs": { "x": "a.y" } },
    ]);
    let server = Setup::of([pipeline("echo", [model("echo")]), graph("g", &nodes)]).start();
    assert_eq!(data(&infer(&server, "g", &numbers(&[1.0, 2.0, 3.0]))), [1.0, 2.0, 3.0]);
    let wrong = infer(&server, "g", &json!({ "inputs": [] }));
    assert_eq!((wrong.status, wrong.header("hotstage-failure")), (400, Some("invalid_input")));
}
