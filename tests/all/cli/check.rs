//! `hotstage check` and `hotstage run`: their output beyond the question whether a pipeline can be
//! served.

use std::fs;

use serde_json::Value;

use crate::deploy::{HEAD, with_guests};
use crate::harness::command::{Ran, check, run};
use crate::harness::components;
use crate::harness::server::program;
use crate::harness::state::{Folder, warm};

fn run_once(folder: &Folder, input: &str) -> Ran {
    folder.write("request.json", input);
    let state = warm();
    let mut command = program();
    command
        .args(["run", "pipeline.yaml", "--input", "request.json"])
        .current_dir(folder.path());
    command
        .arg("--state")
        .arg(state.path())
        .arg("--components")
        .arg(components());
    run(command, b"")
}

#[test]
fn a_stage_that_always_fails_gets_a_warning() {
    let folder = with_guests(&["forgets"]);
    folder.write(
        "pipeline.yaml",
        format!("{HEAD}    - {{ name: f, role: model, component: ./forgets.wasm }}\n"),
    );
    let warning = "p/1: a warm-up call with zeros (x [1]) failed: stage `f` of pipeline `p` version 1 reported a \
                   defect of its own; the server's log has its text (output `y` was never put)";
    let ran = check(folder.path(), ["pipeline.yaml"]).ended(0);
    assert_eq!(ran.stderr, format!("warning: {warning}"));
    assert!(
        ran.stdout
            .lines()
            .next()
            .unwrap()
            .ends_with("), no golden tests"),
        "{}",
        ran.stdout
    );
    let ran = check(folder.path(), ["pipeline.yaml", "-o", "json"]).ended(0);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    let pipeline = &report["pipelines"][0];
    assert_eq!(
        (&pipeline["warnings"][0], &pipeline["tests_passed"]),
        (&Value::from(warning), &Value::from(0))
    );
    let ran = check(folder.path(), ["pipeline.yaml", "--strict"]).ended(3);
    assert!(
        ran.stderr
            .ends_with("error: 1 warning, which is an error with --strict"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_valid_stage_gets_no_warning() {
    let folder = with_guests(&["echo"]);
    folder.write(
        "pipeline.yaml",
        format!("{HEAD}    - {{ name: e, role: model, component: ./echo.wasm }}\n"),
    );
    let ran = check(folder.path(), ["pipeline.yaml", "--strict"]).ended(0);
    assert_eq!(ran.stderr, "");
}

#[test]
fn an_unused_file_gets_a_warning() {
    let folder = with_guests(&["reports"]);
    folder.write("list.txt", "a b");
    let stage = |files: &str| {
        format!(
            "{HEAD}    - {{ name: r, role: postprocess, component: ./reports.wasm, files: {{ {files} }} }}\n"
        )
    };
    for (files, says) in [
        ("words: ./list.txt", None),
        (
            "word: ./list.txt",
            Some(
                "spec.stages[0].files.word: the component did not open this file; did you mean `words`?",
            ),
        ),
        (
            "model: ./list.txt",
            Some(
                "spec.stages[0].files.model: the component did not open this file; it opened `words`",
            ),
        ),
    ] {
        folder.write("pipeline.yaml", stage(files));
        let code = if says.is_some() { 3 } else { 0 };
        let ran = check(folder.path(), ["pipeline.yaml", "--strict"]).ended(code);
        assert_eq!(
            ran.stderr.contains(says.unwrap_or("warning")),
            says.is_some(),
            "{}",
            ran.stderr
        );
    }
}

const REQUEST: &str =
    r#"{"inputs": [{"name": "x", "shape": [2], "datatype": "FP32", "data": [0.5, 2]}]}"#;

/// Comments, quotes and folds that an update must keep.
const TESTS: &str = "  tests:   # kept
    - name: inline
      request: ./request.json
      expect:
        outputs:
          - name: y
            datatype: FP32
            shape: [ 3 ]        # wrong
            data:
              - 1.5   # wrong
              - 2
              - 3

            # kept, too
      tolerance: 1e-6
    - { name: \"of a file\", request: ./request.json, expect: './expect.json' } # kept
    - { name: right, request: ./request.json,
        expect: { outputs: [ {name: y, datatype: FP32, shape: [2], data: [ 0.50,2 ]} ] } }
";

#[test]
fn expectations_are_updated_and_nothing_else() {
    let folder = with_guests(&["echo"]);
    let manifest =
        format!("{HEAD}    - {{ name: e, role: model, component: ./echo.wasm }}\n{TESTS}");
    folder.write("pipeline.yaml", &manifest);
    folder.write("request.json", REQUEST);
    let expect = r#"{ "outputs" : [ { "name":"y", "datatype": "FP32", "shape": [2], "data": [0.25,
        0.25] } ],  "id": "é" }"#;
    folder.write("expect.json", expect);
    check(folder.path(), ["pipeline.yaml"]).ended(3);
    // `run` returns the new answer, with a warning.
    let ran = run_once(&folder, REQUEST).ended(0);
    assert!(
        ran.stderr.contains("warning: pipeline.yaml:") && ran.stderr.contains("expected shape [3]"),
        "{}",
        ran.stderr
    );
    assert!(ran.stdout.contains("0.5"), "{}", ran.stdout);

    let ran = check(folder.path(), ["pipeline.yaml", "--update-goldens"]).ended(0);
    assert_eq!(
        ran.stderr,
        "updated pipeline.yaml: test `inline` expects another `y`\n\
         updated ./expect.json: test `of a file` expects another `y`"
    );
    assert!(
        ran.stdout
            .lines()
            .next()
            .unwrap()
            .ends_with("), 3 golden tests passed"),
        "{}",
        ran.stdout
    );
    let lines = "              - 1.5   # wrong\n              - 2\n              - 3\n";
    let updated = manifest
        .replace("[ 3 ]", "[2]")
        .replace(lines, "              [0.5, 2.0]\n");
    assert_eq!(
        fs::read_to_string(folder.path().join("pipeline.yaml")).unwrap(),
        updated
    );
    let updated = expect.replace("[0.25,\n        0.25]", "[0.5, 2.0]");
    assert_eq!(
        fs::read_to_string(folder.path().join("expect.json")).unwrap(),
        updated
    );

    let ran = check(
        folder.path(),
        ["pipeline.yaml", "--update-goldens", "-o", "json"],
    )
    .ended(0);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        (&report["updated"], &report["pipelines"][0]["tests_passed"]),
        (&Value::Array(vec![]), &Value::from(3))
    );
}

/// An update changes all expectations or none, although the first test alone could be updated.
#[test]
fn where_one_expectation_can_not_be_rewritten_none_is() {
    let folder = with_guests(&["echo"]);
    folder.write("request.json", REQUEST);
    let digest = crate::harness::sha256(b"absent");
    for (expect, says) in [
        (
            "{ outputs: [{ name: z, datatype: FP32, shape: [1], data: [1] }] }".to_owned(),
            "test `second`: can't be updated: the pipeline has no output `z`; take it out, or correct it",
        ),
        (
            "{ outputs: [{ name: y }] }".to_owned(),
            "test `second`: can't be updated: ",
        ),
        (digest, "is not in the store"),
    ] {
        let first = "{ outputs: [{ name: y, datatype: FP32, shape: [1], data: [1] }] }";
        let test = |name: &str, expect: &str| {
            format!("    - {{ name: {name}, request: ./request.json, expect: {expect} }}\n")
        };
        let tests = format!(
            "  tests:\n{}{}",
            test("first", first),
            test("second", &expect)
        );
        let manifest =
            format!("{HEAD}    - {{ name: e, role: model, component: ./echo.wasm }}\n{tests}");
        folder.write("pipeline.yaml", &manifest);
        let ran = check(folder.path(), ["pipeline.yaml", "--update-goldens"]).ended(3);
        assert!(ran.stderr.contains(says), "{says}: {}", ran.stderr);
        assert_eq!(
            fs::read_to_string(folder.path().join("pipeline.yaml")).unwrap(),
            manifest
        );
    }
}

#[test]
fn texts_that_are_json_are_compared_by_what_they_say() {
    let folder = with_guests(&["reports"]);
    folder.write("request.json", REQUEST);
    let manifest = |score: &str| {
        let text = format!(r#""{{ \"boxes\": [{{\"score\": {score}}}], \"label\":\"one\" }}""#);
        let expect = format!(
            "{{ outputs: [{{ name: out, datatype: BYTES, shape: [1], data: [{text}] }}] }}"
        );
        let test =
            format!("{{ name: t, request: ./request.json, expect: {expect}, tolerance: 1e-3 }}");
        format!(
            "{HEAD}    - {{ name: r, role: postprocess, component: ./reports.wasm }}\n  tests:\n    - {test}\n"
        )
    };
    folder.write("pipeline.yaml", manifest("0.5004"));
    check(folder.path(), ["pipeline.yaml"]).ended(0);
    folder.write("pipeline.yaml", manifest("0.502"));
    let ran = check(folder.path(), ["pipeline.yaml"]).ended(3);
    let says = "test `t`: out[0].boxes[0].score: expected 0.502, got 0.5 (tolerance 0.001)";
    assert!(ran.stderr.contains(says), "{}", ran.stderr);
}
