//! The ways to refer to manifests, components and files.

use std::fs;

use serde_json::Value;

use super::{ECHO, HEAD, with_guests};
use crate::harness::command::{check, check_with};
use crate::harness::golden;
use crate::harness::state::warm;
use crate::harness::{components, root};

/// The names and versions that `check` accepted.
fn found(stdout: &str) -> Vec<String> {
    let lines = stdout.lines().filter_map(|line| line.strip_prefix("ok "));
    lines
        .map(|line| line.split_once(" (").unwrap().0.replace(" version ", "/"))
        .collect()
}

fn named(name: &str, version: &str) -> String {
    format!("{HEAD}{ECHO}")
        .replace("name: p", &format!("name: {name}"))
        .replace("\"1\"", &format!("\"{version}\""))
}

#[test]
fn files_folders_and_standard_input_are_accepted() {
    let folder = with_guests(&["echo"]);
    fs::create_dir(folder.path().join("many")).unwrap();
    for (file, text) in [
        ("one.yaml", named("one", "1")),
        (
            "two.yml",
            format!("{}---\n{}", named("two", "1"), named("two", "2")),
        ),
        ("many/b.yaml", named("b", "1").replace("./echo", "../echo")),
        ("many/a.yml", named("a", "1").replace("./echo", "../echo")),
        ("many/notes.txt", "no manifest".to_owned()),
    ] {
        folder.write(file, text);
    }
    for (arguments, expected) in [
        (&["-f", "one.yaml"][..], &["one/1"][..]),
        (&["-f", "two.yml", "one.yaml"], &["two/1", "two/2", "one/1"]),
        (
            &["--file", "one.yaml", "-f", "two.yml"],
            &["one/1", "two/1", "two/2"],
        ),
        (&["-f", "many"], &["a/1", "b/1"]),
        (&["-f", "many", "one.yaml"], &["a/1", "b/1", "one/1"]),
        (&["-f", "-", "one.yaml"], &["input/1", "one/1"]),
    ] {
        let (state, input) = (warm(), named("input", "1"));
        let ran = check_with(
            folder.path(),
            state.path(),
            &components(),
            arguments.iter().copied(),
            input.as_bytes(),
        );
        let ran = ran.ended(0);
        assert_eq!(
            (found(&ran.stdout), ran.stderr.as_str()),
            (expected.iter().map(|n| (*n).to_owned()).collect(), "")
        );
    }
}

#[test]
fn valid_pipelines_are_shown() {
    let ran = check(&root(), ["-f", "examples/tumor/tumor-v1.yaml"]).ended(0);
    golden::check("check/table", &golden::without_digests(&ran.stdout));
    let ran = check(
        &root(),
        ["-f", "examples/tumor/tumor-v1.yaml", "-o", "json"],
    )
    .ended(0);
    let json: Value = serde_json::from_str(&ran.stdout).unwrap();
    golden::check(
        "check/json",
        &golden::without_digests(&serde_json::to_string_pretty(&json).unwrap()),
    );
}

/// The digest covers what is computed, not file locations and comments.
#[test]
fn paths_are_relative_to_the_manifest_and_not_in_the_digest() {
    let folder = with_guests(&["echo"]);
    fs::create_dir_all(folder.path().join("deep/down")).unwrap();
    let up = format!("{HEAD}{ECHO}").replace("./echo", "../../echo");
    let absolute = up.replace("../..", folder.path().to_str().unwrap());
    folder.write("here.yaml", format!("{HEAD}{ECHO}"));
    folder.write(
        "deep/down/up.yaml",
        up.replace(
            "version: \"1\"",
            "version: \"1\", labels: { a: b }, description: x",
        ),
    );
    folder.write("deep/absolute.yaml", absolute);
    let digest = |file: &str| {
        check(folder.path(), ["-f", file])
            .ended(0)
            .stdout
            .lines()
            .next()
            .unwrap()
            .to_owned()
    };
    let here = digest("here.yaml");
    assert!(here.contains("sha256:"), "{here}");
    assert_eq!(
        (digest("deep/down/up.yaml"), digest("deep/absolute.yaml")),
        (here.clone(), here)
    );
}

#[test]
fn a_bundled_component_can_be_referred_to_with_its_version() {
    let folder = with_guests(&[]);
    let manifest = |component: &str| {
        format!(
            "{HEAD}    - {{ name: a, role: preprocess, component: {component}, settings: {{ mean: [1], std: [1] }} }}\n"
        )
    };
    for (component, code) in [
        ("scale", 0),
        ("scale@0.1", 0),
        ("scale@0.1.0", 0),
        ("scale@0", 0),
        ("scale@0.10", 3),
    ] {
        folder.write("pipeline.yaml", manifest(component));
        check(folder.path(), ["-f", "pipeline.yaml"]).ended(code);
    }
}

/// Stored content can be referred to by its digest, without its original files.
#[test]
fn stored_content_can_be_referred_to_by_digest() {
    let folder = with_guests(&["echo"]);
    let state = warm();
    let check = |name: &str| {
        check_with(
            folder.path(),
            state.path(),
            &components(),
            ["-f", name],
            b"",
        )
    };
    let request = r#"{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1.5]}]}"#;
    let expect = r#"{"outputs":[{"name":"y","shape":[1],"datatype":"FP32","data":[1.5]}]}"#;
    folder.write("request.json", request);
    folder.write("expect.json", expect);
    let tests = "  tests:\n    - { name: t, request: ./request.json, expect: ./expect.json }\n";
    folder.write("paths.yaml", format!("{HEAD}{ECHO}{tests}"));
    let first = check("paths.yaml").ended(0);

    let manifest = stored(state.path(), "\"apiVersion\"");
    let digests: Vec<&str> = manifest
        .split('"')
        .filter(|text| text.starts_with("sha256:"))
        .collect();
    assert_eq!(digests.len(), 3, "{manifest}");
    let by_digest = |component: &str, request: &str, expect: &str| {
        format!("{HEAD}{ECHO}{tests}")
            .replace("./echo.wasm", component)
            .replace("./request.json", request)
            .replace("./expect.json", expect)
    };
    let at = |index: usize| digests[index];
    // Keys are sorted: the component comes before the test's `expect` and `request`.
    folder.write("digests.yaml", by_digest(at(0), at(2), at(1)));
    for file in ["echo.wasm", "request.json", "expect.json", "paths.yaml"] {
        fs::remove_file(folder.path().join(file)).unwrap();
    }
    assert_eq!(check("digests.yaml").ended(0).stdout, first.stdout);
}

/// The blob that contains this text.
fn stored(state: &std::path::Path, text: &str) -> String {
    let folders = fs::read_dir(state.join("blobs")).unwrap().flatten();
    let files = folders.flat_map(|folder| fs::read_dir(folder.path()).unwrap().flatten());
    let mut texts = files.filter_map(|file| fs::read_to_string(file.path()).ok());
    texts.find(|blob| blob.contains(text)).unwrap()
}
