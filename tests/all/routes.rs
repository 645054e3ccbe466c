//! Routes: which version answers, what is refused, what is persisted.

use serde_json::{Value, json};

use crate::harness::admin::{Admin, one, times};
use crate::harness::command::hotstage;
use crate::harness::http::{Request, Response};
use crate::harness::manifest::stage;
use crate::harness::pause;
use crate::harness::server::{Server, Setup};
use crate::harness::state::{Folder, warm};

const PATH: &str = "/v2/models/m/infer";

fn route(spec: &Value) -> Value {
    json!({ "apiVersion": "hotstage.dev/v1", "kind": "Route", "metadata": { "name": "m" }, "spec": spec })
}

fn split(weights: &[(&str, f64)]) -> Value {
    weights
        .iter()
        .map(|(version, weight)| json!({ "version": version, "weight": weight }))
        .collect()
}

/// Two versions behind a route.
fn routed(spec: &Value) -> Setup {
    Setup::of([times("m", "1", 2.0), times("m", "2", 4.0), route(spec)])
}

fn ask(server: &Server, headers: &[(&str, &str)]) -> Response {
    let request = Request::post(PATH, one(1.0).to_string());
    let with = |request: Request, (name, value): &(&str, &str)| request.header(name, *value);
    server.ask(&headers.iter().fold(request, with))
}

/// The version that answers; the value must be that version's.
fn version(server: &Server, headers: &[(&str, &str)]) -> String {
    let response = ask(server, headers).ok();
    let version = response.header("hotstage-version").unwrap().to_owned();
    let value = response.json()["outputs"][0]["data"][0].as_f64().unwrap();
    assert_eq!(value, if version == "1" { 2.0 } else { 4.0 });
    version
}

#[test]
fn weights_rules_keys_and_pins_decide() {
    let spec = json!({
        "split": split(&[("1", 70.0), ("2", 30.0)]),
        "sticky": { "cookie": "user" },
        "rules": [
            { "when": { "header": { "X-Cohort": "pilot" } }, "version": "2" },
            { "when": { "header": { "x-agent": { "matches": "test/[0-9]+" } } }, "version": "1" },
        ],
        "pin": true,
    });
    let server = routed(&spec).start();
    assert_eq!(version(&server, &[("x-cohort", "pilot")]), "2");
    assert_eq!(
        version(&server, &[("x-agent", "test/7"), ("x-cohort", "other")]),
        "1"
    );
    for pin in ["1", "2"] {
        assert_eq!(
            version(&server, &[("x-cohort", "pilot"), ("hotstage-version", pin)]),
            pin
        );
    }
    // A request for one version is never answered by another.
    for pin in ["9", "stable", "", "\"1\""] {
        let refused = ask(&server, &[("x-cohort", "pilot"), ("hotstage-version", pin)]);
        assert_eq!(
            (refused.status, refused.header("hotstage-failure")),
            (400, Some("invalid_input")),
            "{pin}"
        );
        assert!(
            refused.error().contains("the route `m` has no version `"),
            "{}",
            refused.error()
        );
        assert!(
            refused
                .error()
                .contains("; it has 1, 2; without the header the route chooses"),
            "{}",
            refused.error()
        );
    }
    let second = |headers: &dyn Fn(usize) -> String| {
        (0..300)
            .filter(|user| version(&server, &[("cookie", &headers(*user))]) == "2")
            .collect::<Vec<usize>>()
    };
    let of_users = second(&|user| format!("a=b; user={user}"));
    assert!(
        (60..=120).contains(&of_users.len()),
        "{} of 300 users",
        of_users.len()
    );
    assert_eq!(second(&|user| format!("user={user}")), of_users);
    let by_chance = second(&|_| "a=b".to_owned());
    assert!(
        (60..=120).contains(&by_chance.len()),
        "{} of 300 requests",
        by_chance.len()
    );
    // A request that names its version needs no route.
    let direct = server
        .post("/v2/models/m/versions/2/infer", one(1.0).to_string())
        .ok();
    assert_eq!(direct.header("hotstage-version"), Some("2"));
    let metadata = server.get("/v2/models/m").ok().json();
    assert_eq!(metadata["versions"], json!(["1", "2"]));
}

/// A stage that takes BYTES and whole numbers, so that an input can be a key.
fn identity(version: &str) -> Value {
    let stage = stage("preprocess", "identity_all");
    crate::harness::manifest::version("m", version, [stage])
}

/// A request for the identity: the text in `bytes`, the number in `int32`, and arbitrary other
/// inputs.
fn request(bytes: &str, number: i32, parameters: &Value) -> Value {
    let ones = [
        "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int64", "fp32", "fp64",
    ];
    let input = |name: &str, data: Value| json!({ "name": name, "datatype": name.to_uppercase(), "shape": [1], "data": data });
    let mut inputs = vec![input("bool", json!([true]))];
    inputs.extend(ones.map(|name| input(name, json!([1]))));
    inputs.push(input("int32", json!([number])));
    inputs.push(input("bytes", json!([bytes])));
    let halves = [("fp16", "FP16"), ("bf16", "BF16")];
    inputs.extend(halves.map(|(name, datatype)| {
        json!({ "name": name, "datatype": datatype, "shape": [1], "parameters": { "binary_data_size": 2 } })
    }));
    json!({ "inputs": inputs, "parameters": parameters, "outputs": [{ "name": "int32" }] })
}

#[test]
fn what_is_in_the_body_decides_too() {
    let spec = json!({
        "split": split(&[("1", 50.0), ("2", 50.0)]),
        "sticky": { "input": "int32" },
        "rules": [
            { "when": { "parameter": { "cohort": "pilot" } }, "version": "2" },
            { "when": { "input": { "bytes": { "prefix": "eu-" } } }, "version": "1" },
        ],
    });
    let server = Setup::of([identity("1"), identity("2"), route(&spec)]).start();
    let ask = |bytes: &str, number: i32, parameters: &Value| {
        let request = request(bytes, number, parameters);
        let response = server.infer_binary("m", &request, &[&[0, 0], &[0, 0]]);
        assert_eq!(response.status, 200, "{}", response.text());
        response.header("hotstage-version").unwrap().to_owned()
    };
    let none = json!({});
    for number in 0..5 {
        assert_eq!(ask("x", number, &json!({ "cohort": "pilot" })), "2");
        assert_eq!(ask("eu-west", number, &none), "1");
    }
    let by_key: Vec<String> = (0..64).map(|number| ask("x", number, &none)).collect();
    let again: Vec<String> = (0..64)
        .map(|number| ask("y", number, &json!({ "cohort": "other" })))
        .collect();
    assert_eq!(by_key, again);
    let ones = by_key.iter().filter(|version| *version == "1").count();
    assert!((12..=52).contains(&ones), "{ones} of 64");
    let admin = Admin::of(&server);
    // Without `key`, a pin is only a header that the route ignores.
    let elsewhere = Request::post(PATH, "{}").header("hotstage-version", "9");
    assert!(!server.ask(&elsewhere).error().contains("hotstage-version"));
    let mut pinned = spec;
    pinned["pin"] = json!(true);
    admin.apply(&[route(&pinned)]).ok();
    assert!(
        server
            .ask(&elsewhere)
            .error()
            .contains("the route `m` has no version `9`; it has 1, 2")
    );
    for (sticky, expect) in [
        (
            json!({ "input": "fp32" }),
            "input `fp32` is FP32, and a float can't be a key",
        ),
        (json!({ "input": "int31" }), "there is no input `int31`"),
    ] {
        let response = admin.apply(&[route(
            &json!({ "split": split(&[("1", 1.0)]), "sticky": sticky }),
        )]);
        assert_eq!(response.status, 422, "{}", response.text());
        assert!(response.error().contains(expect), "{}", response.error());
    }
}

#[test]
fn a_route_is_changed_rolled_back_deleted_and_is_there_after_a_restart() {
    let state = warm();
    let all_to = |version: &str| {
        let weight = |of: &str| if of == version { 1.0 } else { 0.0 };
        route(&json!({ "split": split(&[("1", weight("1")), ("2", weight("2"))]) }))
    };
    let server = routed(&all_to("1")["spec"]).state(state.path()).start();
    let admin = Admin::of(&server);
    assert_eq!(version(&server, &[]), "1");
    let changed = admin.apply(&[all_to("2")]).ok().json();
    assert_eq!(changed["changes"][0]["what"], "routed");
    assert_eq!(version(&server, &[]), "2");
    assert_eq!(
        admin.apply(&[all_to("2")]).ok().json()["unchanged"],
        json!(["route m"])
    );
    let held = admin.delete("/v1/models/m/versions/1");
    assert_eq!(held.status, 409, "{}", held.text());
    assert!(
        held.error().contains("the route `m` names it"),
        "{}",
        held.error()
    );
    admin.post("/v1/rollback", &json!({})).ok();
    assert_eq!(version(&server, &[]), "1");
    let model = admin.get("/v1/models/m");
    assert_eq!(
        (&model["answers"], &model["route"]["split"][0]["percent"]),
        (&Value::Null, &json!(100.0))
    );
    // A version with other input names can't be added to the route, nor replace one of its
    // versions.
    server.stop();
    let server = Setup::of([]).state(state.path()).start();
    let admin = Admin::of(&server);
    assert_eq!(version(&server, &[]), "1");
    assert_eq!(admin.get("/v1/verify")["problems"], json!([]));
    admin
        .post(
            "/v1/gc",
            &json!({ "keep_revisions": 1, "min_age_seconds": 0 }),
        )
        .ok();
    assert_eq!(admin.get("/v1/verify")["problems"], json!([]));
    assert!(admin.get("/v1/models/m/answered?time=2100-01-01T00:00:00Z")["route"].is_string());
    admin.delete("/v1/models/m/route").ok();
    assert_eq!(version(&server, &[]), "2");
    assert_eq!(admin.delete("/v1/models/m/route").status, 409);
    admin.delete("/v1/models/m/versions/1").ok();
}

#[test]
fn an_invalid_route_is_refused_with_its_position() {
    let server = Setup::of([times("m", "1", 2.0), times("m", "2", 4.0)]).start();
    let admin = Admin::of(&server);
    admin.label("m", "stable", "1").ok();
    let refused = |spec: &Value| {
        let response = admin.apply(&[route(spec)]);
        assert_eq!(response.status, 422, "{}", response.text());
        response.error()
    };
    let absent = refused(&json!({ "split": split(&[("1", 1.0), ("7", 1.0)]) }));
    assert!(
        absent.contains("spec.split[1].version: there is no version `7` of `m`"),
        "{absent}"
    );
    let label = refused(&json!({ "split": split(&[("stable", 1.0)]) }));
    assert!(label.contains("`stable` is a label"), "{label}");
    let zero = refused(&json!({ "split": split(&[("1", 0.0)]) }));
    assert!(zero.contains("all weights are 0"), "{zero}");
    let explodes =
        json!({ "when": { "header": { "a": { "matches": "(a|b)*a(a|b){20}" } } }, "version": "1" });
    let explodes = refused(&json!({ "split": split(&[("1", 1.0)]), "rules": [explodes] }));
    assert!(
        explodes.contains("spec.rules[0].when.header.a.matches"),
        "{explodes}"
    );
    // One version scales two columns, and so takes another shape.
    let mut wide = times("m", "3", 2.0);
    wide["spec"]["stages"][0]["settings"] = json!({ "mean": [0, 0], "std": [1, 1] });
    let response = admin.apply(&[
        wide.clone(),
        route(&json!({ "split": split(&[("1", 1.0), ("3", 1.0)]) })),
    ]);
    assert_eq!(response.status, 422, "{}", response.text());
    assert!(
        response
            .error()
            .contains("version `3` has other inputs than version `1`"),
        "{}",
        response.error()
    );
    // Nothing of it is applied, and a version behind a route can't be replaced by one of another
    // signature.
    assert_eq!(
        admin.get("/v1/models/m")["versions"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    admin
        .apply(&[route(&json!({ "split": split(&[("1", 1.0), ("2", 1.0)]) }))])
        .ok();
    wide["metadata"]["version"] = json!("2");
    let replaced = admin.apply_with(&[wide], &json!({ "replace": true }));
    assert_eq!(replaced.status, 409, "{}", replaced.text());
    assert!(
        replaced
            .error()
            .contains("the route `m` names versions that differ"),
        "{}",
        replaced.error()
    );
}

#[test]
fn the_command_line_and_a_watched_folder_know_routes() {
    let folder = Folder::new();
    let write = |weights: &[(&str, f64)]| {
        folder.write(
            "r.yaml",
            route(&json!({ "split": split(weights) })).to_string(),
        )
    };
    folder.write("1.yaml", times("m", "1", 2.0).to_string());
    folder.write("2.yaml", times("m", "2", 4.0).to_string());
    write(&[("1", 1.0), ("2", 0.0)]);
    let server = Setup::files([folder.path().to_owned()])
        .args("--watch")
        .start();
    let at = server.starting.state.to_str().unwrap();
    assert_eq!(version(&server, &[]), "1");
    let shown = hotstage(["get", "m", "--state", at]).ended(0).stdout;
    assert!(
        shown.contains("1 100%") && shown.contains("2 0%"),
        "{shown}"
    );
    let described = hotstage(["describe", "m", "--route", "--state", at])
        .ended(0)
        .stdout;
    assert!(
        described.contains("split") && described.contains("100%"),
        "{described}"
    );
    pause(std::time::Duration::from_millis(20));
    write(&[("1", 0.0), ("2", 1.0)]);
    crate::harness::eventually("the edit is live", || version(&server, &[]) == "2");
    // Both in one edit: the route stops naming a version, and the version is removed.
    std::fs::remove_file(folder.path().join("1.yaml")).unwrap();
    write(&[("2", 1.0)]);
    let versions = || {
        Admin::of(&server).get("/v1/models/m")["route"]["split"]
            .as_array()
            .map_or(0, Vec::len)
    };
    crate::harness::eventually("one version is left", || versions() == 1);
    std::fs::remove_file(folder.path().join("r.yaml")).unwrap();
    crate::harness::eventually("the route is gone", || {
        Admin::of(&server).get("/v1/models/m")["answers"] == "2"
    });
    let checked = hotstage([
        "check",
        folder
            .write(
                "r.yaml",
                route(&json!({ "split": split(&[("2", 1.0)]) })).to_string(),
            )
            .to_str()
            .unwrap(),
        "--state",
        at,
    ]);
    assert!(checked.ended(0).stdout.contains("ok route m"));
    let history = hotstage(["history", "--state", at]).ended(0).stdout;
    assert!(
        history.contains("routed m → 1, 2") && history.contains("unrouted m"),
        "{history}"
    );
}
