//! Manifests that `hotstage check` refuses. `tests/golden/errors` has the whole error texts, one
//! file each.

use std::fs;

use super::{ECHO, HEAD, with_guests};
use crate::harness::command::{check, check_with};
use crate::harness::state::{Folder, warm};
use crate::harness::{golden, guest, skipped};

/// The golden file's name, and the text after [`HEAD`].
const STAGES: &[(&str, &str)] = &[
    (
        "unknown-key",
        "    - { name: a, role: model, componet: ./echo.wasm }\n",
    ),
    (
        "unknown-component",
        "    - { name: a, role: model, component: scael }\n",
    ),
    (
        "unknown-component-without-near-name",
        "    - { name: a, role: model, component: something }\n",
    ),
    (
        "component-missing",
        "    - { name: a, role: model, component: ./nowhere.wasm }\n",
    ),
    (
        "component-is-a-folder",
        "    - { name: a, role: model, component: ./ }\n",
    ),
    (
        "component-empty",
        "    - { name: a, role: model, component: ./empty.wasm }\n",
    ),
    (
        "component-is-text",
        "    - { name: a, role: model, component: ./text.wasm }\n",
    ),
    (
        "component-is-a-core-module",
        "    - { name: a, role: model, component: ./core.wasm }\n",
    ),
    (
        "component-damaged",
        "    - { name: a, role: model, component: ./garbage.wasm }\n",
    ),
    (
        "role-wrong",
        "    - { name: a, role: postprocess, component: ./echo.wasm }\n",
    ),
    (
        "box-version-wrong",
        "    - { name: a, role: preprocess, component: scale@9, settings: { mean: [1], std: [1] } }\n",
    ),
    (
        "digest-not-in-store",
        "    - name: a\n      role: model\n      component: \
         sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n",
    ),
    (
        "settings-unknown",
        "    - name: scale\n      role: preprocess\n      component: scale\n      settings:\n        mean: [1]\
         \n        stdd: [1]\n",
    ),
    (
        "settings-misfit",
        "    - name: scale\n      role: preprocess\n      component: scale\n      settings:\
         \n        mean: [1, 2]\n        std: [1]\n",
    ),
    (
        "settings-type",
        "    - name: scale\n      role: preprocess\n      component: scale\n      settings:\
         \n        mean: [1, 2]\n        std: [1, two]\n",
    ),
    (
        "file-missing",
        "    - { name: a, role: model, component: mlp, files: { weights: ./nowhere.safetensors } }\n",
    ),
    (
        "file-not-given",
        "    - { name: a, role: model, component: mlp }\n",
    ),
    (
        "file-of-another-name",
        "    - { name: a, role: model, component: mlp, files: { weight: ./text.wasm } }\n",
    ),
    (
        "file-wrong",
        "    - { name: a, role: model, component: mlp, files: { weights: ./text.wasm } }\n",
    ),
    (
        "wiring",
        "    - { name: pre, role: preprocess, component: ./echo_pre.wasm }\n    \
         - { name: echo, role: model, component: ./echo.wasm, inputs: { x: request.y, z: x } }\n    \
         - { name: post, role: postprocess, component: ./echo_post.wasm, inputs: { x: w } }\n  outputs: [y, q]\n",
    ),
    (
        "wiring-datatype",
        "    - { name: echo, role: model, component: ./echo.wasm }\n    \
         - { name: label, role: postprocess, component: labels, settings: { labels: [a, b] }, \
         inputs: { scores: y } }\n",
    ),
    (
        "limits",
        "    - { name: a, role: model, component: ./echo.wasm, limits: { memory: 5GiB, time: 2h, handles: 0, \
         log_byte: 3, instances: many } }\n",
    ),
];

/// The golden file's name, and the text after [`HEAD`] and [`ECHO`].
const TESTS: &[(&str, &str)] = &[
    (
        "golden-test-values",
        "  tests:\n    - name: two numbers\n      \
         request: { inputs: [{ name: x, shape: [2], datatype: FP32, data: [1, 2] }] }\n      \
         expect: { outputs: [{ name: y, shape: [2], datatype: FP32, data: [1.25, 2] }] }\n      tolerance: 0.1\n",
    ),
    (
        "golden-test-shape",
        "  tests:\n    - name: two numbers\n      \
         request: { inputs: [{ name: x, shape: [2], datatype: FP32, data: [1, 2] }] }\n      \
         expect: { outputs: [{ name: y, shape: [2, 1], datatype: FP32, data: [1, 2] }] }\n",
    ),
    (
        "golden-test-refused",
        "  tests:\n    - name: another input\n      \
         request: { inputs: [{ name: z, shape: [1], datatype: FP32, data: [1] }] }\
         \n      expect: { outputs: [{ name: y, shape: [1], datatype: FP32, data: [1] }] }\n    \
         - name: another output\
         \n      request: { inputs: [{ name: x, shape: [1], datatype: FP32, data: [1] }] }\
         \n      expect: { outputs: [{ name: z, shape: [1], datatype: FP32, data: [1] }] }\n",
    ),
    (
        "golden-test-missing",
        "  tests:\n    - { name: not there, request: ./nowhere.json, expect: ./nowhere.out.json }\n",
    ),
];

/// The golden file's name, and a whole manifest.
const DOCUMENTS: &[(&str, &str)] = &[
    (
        "syntax",
        "apiVersion: hotstage.dev/v1\nkind: Pipeline\nspec: { stages: [1\nmetadata: x\n",
    ),
    (
        "anchors",
        "apiVersion: &version hotstage.dev/v1\nkind: *version\nmetadata: !text x\n",
    ),
    ("empty", ""),
    (
        "unknown-kind",
        "apiVersion: hotstage.dev/v1\nkind: Pipelin\nmetadata: { name: p, version: \"1\" }\n",
    ),
    (
        "several",
        "apiVersion: hotstage.dev/v2\nkind: Pipeline\nmetadata: { name: -p, version: 1.10 }\nspec:\n  stages:\n    \
         - name: request\n      role: modell\n      componet: scale\n      settings: [1]\n    \
         - { name: a, role: postprocess, component: 3 }\
         \n    - { name: a, role: model, component: labels, limit: {} }\n  output: [y]\n",
    ),
];

/// A folder with invalid files.
fn folder() -> Folder {
    let folder = with_guests(&["echo", "echo_pre", "echo_post"]);
    folder.write("empty.wasm", "");
    folder.write(
        "text.wasm",
        "This is no component, and no weights either.\n",
    );
    folder.write("core.wasm", b"\0asm\x01\0\0\0");
    folder.write("garbage.wasm", b"\0asm\x0d\0\x01\0garbage");
    folder
}

#[track_caller]
fn same(differences: &[String]) {
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn every_refusal_says_what_is_wrong_and_where() {
    let folder = folder();
    let stages = STAGES
        .iter()
        .map(|(name, text)| (*name, format!("{HEAD}{text}")));
    let tests = TESTS
        .iter()
        .map(|(name, text)| (*name, format!("{HEAD}{ECHO}{text}")));
    let documents = DOCUMENTS
        .iter()
        .map(|(name, text)| (*name, (*text).to_owned()));
    let mut differences = Vec::new();
    for (name, text) in stages.chain(tests).chain(documents) {
        folder.write("pipeline.yaml", text);
        let ran = check(folder.path(), ["-f", "pipeline.yaml"]).ended(3);
        assert_eq!(ran.stdout, "", "{name}");
        differences.extend(golden::difference(&format!("errors/{name}"), &ran.stderr));
    }
    same(&differences);
}

/// Two stages, two files: one check reports all errors.
#[test]
fn errors_in_several_files_are_reported_at_once() {
    let folder = folder();
    folder.write("a.yaml", format!("{HEAD}{}", STAGES[0].1));
    folder.write(
        "b.yaml",
        format!("{HEAD}    - {{ nam: a, role: model, component: 7 }}\n"),
    );
    let ran = check(
        folder.path(),
        ["-f", "a.yaml", "b.yaml", "-f", "nowhere.yaml"],
    )
    .ended(3);
    golden::check("errors/several-files", &ran.stderr);
    // After decoding, each pipeline is built as far as possible.
    folder.write("a.yaml", format!("{HEAD}{}", STAGES[1].1));
    folder.write(
        "b.yaml",
        format!("{HEAD}{}", STAGES[9].1).replace("name: p", "name: q"),
    );
    let ran = check(folder.path(), ["-f", "a.yaml", "-f", "b.yaml"]).ended(3);
    golden::check("errors/several-pipelines", &ran.stderr);
}

/// One stage's component is missing, the others' settings are wrong: all errors are reported.
#[test]
fn errors_of_several_stages_are_reported_at_once() {
    let folder = folder();
    let stages = "    - { name: scale, role: preprocess, component: scale, settings: { mean: [1], stdd: [1] } }\n    \
                  - { name: compute, role: model, component: onx, files: { model: ./nowhere.onnx } }\n    \
                  - { name: label, role: postprocess, component: labels, settings: { labels: [a], thresh: 2 } }\n    \
                  - { name: slow, role: postprocess, component: ./echo_post.wasm, limits: { time: 10m } }\n";
    folder.write("pipeline.yaml", format!("{HEAD}{stages}"));
    golden::check(
        "errors/several-stages",
        &check(folder.path(), ["pipeline.yaml"]).ended(3).stderr,
    );
}

#[test]
fn a_pipeline_can_not_be_declared_twice() {
    let folder = folder();
    let manifest = format!("{HEAD}{ECHO}");
    folder.write("a.yaml", format!("{manifest}---\n{manifest}"));
    folder.write("b.yaml", &manifest);
    let ran = check(folder.path(), ["-f", "a.yaml", "b.yaml"]).ended(3);
    golden::check("errors/declared-twice", &ran.stderr);
}

#[test]
fn paths_that_hold_no_manifest_are_named() {
    let folder = folder();
    fs::create_dir(folder.path().join("hollow")).unwrap();
    fs::write(folder.path().join("hollow/README.md"), "no manifest").unwrap();
    folder.write("binary.yaml", b"\xff\xfe\0");
    let paths = [
        "hollow",
        "nowhere.yaml",
        "text.wasm/pipeline.yaml",
        "binary.yaml",
    ];
    let ran = check(folder.path(), ["-f"].into_iter().chain(paths)).ended(3);
    golden::check("errors/paths", &ran.stderr);
}

/// root may read everything, so this runs as another user.
#[test]
fn a_folder_that_may_not_be_read_is_named() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = folder();
    let closed = folder.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read_dir(&closed).is_ok() {
        skipped("root may read everything");
        return;
    }
    let ran = check(folder.path(), ["-f", "closed"]).ended(3);
    assert!(
        ran.stderr
            .contains("closed:1:1: can't read the folder: Permission denied"),
        "{}",
        ran.stderr
    );
}

#[test]
fn an_empty_or_missing_folder_of_bundled_components_is_named() {
    let folder = folder();
    folder.write("pipeline.yaml", format!("{HEAD}{}", STAGES[1].1));
    for place in ["hollow", "nowhere"] {
        let place = folder.path().join(place);
        let state = warm();
        let ran = check_with(
            folder.path(),
            state.path(),
            &place,
            ["-f", "pipeline.yaml"],
            b"",
        )
        .ended(3);
        let expected = format!(
            "no components were found in {}; name their folder with --components",
            place.display()
        );
        assert!(ran.stderr.contains(&expected), "{}", ran.stderr);
    }
}

/// A component that is cut or changed at any position is refused, and the process survives.
#[test]
fn no_damage_of_a_component_is_more_than_a_refusal() {
    let folder = folder();
    let whole = fs::read(guest("echo")).unwrap();
    folder.write(
        "pipeline.yaml",
        format!("{HEAD}    - {{ name: a, role: model, component: ./damaged.wasm }}\n"),
    );
    for part in 1..8 {
        let at = whole.len() * part / 8;
        let mut changed = whole.clone();
        changed[at..(at + 64).min(whole.len())].fill(0xff);
        for damaged in [&whole[..at], &changed] {
            folder.write("damaged.wasm", damaged);
            let ran = check(folder.path(), ["-f", "pipeline.yaml"]);
            // In data or in a name, damage changes nothing visible.
            let is_refused =
                ran.code == Some(3) && ran.stderr.contains("spec.stages[0].component: ");
            assert!(
                is_refused || ran.code == Some(0) && damaged.len() == whole.len(),
                "at {at}: {ran:?}"
            );
            assert!(!ran.stderr.contains("panicked"), "at {at}: {ran:?}");
        }
    }
}

#[test]
fn a_file_that_is_too_long_is_refused() {
    let folder = folder();
    folder.write("pipeline.yaml", "#".repeat((4 << 20) + 1));
    let ran = check(folder.path(), ["-f", "pipeline.yaml"]).ended(3);
    assert!(
        ran.stderr.contains("at most 4194304 are allowed"),
        "{}",
        ran.stderr
    );
    fs::File::create(folder.path().join("long.wasm"))
        .unwrap()
        .set_len((256 << 20) + 1)
        .unwrap();
    folder.write(
        "pipeline.yaml",
        format!("{HEAD}    - {{ name: a, role: model, component: ./long.wasm }}\n"),
    );
    let ran = check(folder.path(), ["-f", "pipeline.yaml"]).ended(3);
    golden::check("errors/component-too-long", &ran.stderr);
}
