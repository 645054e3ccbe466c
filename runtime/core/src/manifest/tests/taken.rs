//! What is accepted, and at which place later problems are reported.

use std::time::Duration;

use super::*;

#[test]
fn a_pipeline_is_read_as_written() {
    let documents = parse("t.yaml", TUMOR).unwrap().pipelines;
    let [written] = documents.as_slice() else {
        panic!("one document")
    };
    let pipeline = written.pipeline();
    assert_eq!(
        (pipeline.name.as_str(), pipeline.version.as_str()),
        ("tumor", "2")
    );
    let [scale, classify] = pipeline.stages.as_slice() else {
        panic!("two stages")
    };
    assert_eq!(scale.role, Role::Preprocess);
    assert_eq!(
        scale.component,
        ComponentRef::Path("./scale.wasm".to_owned())
    );
    assert_eq!(
        Value::Object(scale.settings.clone()),
        serde_json::json!({"mean": [1, 2.5], "std": [1, 1]})
    );
    assert_eq!(scale.limits, StageLimits::default());
    assert_eq!(classify.component.to_string(), "onnx@1");
    assert_eq!(
        classify.files["model"],
        FileRef::Path("./tumor.onnx".to_owned())
    );
    assert_eq!(classify.inputs["features"], "scale.features");
    assert_eq!(classify.outputs["scores"], "probability");
    assert_eq!(
        classify.limits,
        StageLimits {
            memory: 64 << 20,
            time: Duration::from_secs(1),
            ..StageLimits::default()
        }
    );
    assert_eq!(pipeline.outputs, Some(vec!["probability".to_owned()]));
    let [test] = pipeline.tests.as_slice() else {
        panic!("one test")
    };
    assert_eq!(
        (test.name.as_str(), test.tolerance),
        ("row 20 is malignant", 1e-5)
    );
    assert_eq!(test.request, DocumentRef::Path("./row20.json".to_owned()));
    assert_eq!(
        test.expect,
        DocumentRef::Inline(serde_json::json!({"outputs": [{}]}))
    );
}

#[test]
fn unambiguous_slips_are_accepted() {
    for (from, to) in [
        ("version: \"2\"", "version: 2"),
        ("settings: { mean: [1, 2.5], std: [1.0, 1e0] }", "settings:"),
        (
            "limits: { memory: 64MiB, time: 1s }",
            "limits: { memory: 67108864, time: 1000ms, handles: ~ }",
        ),
        ("kind: Pipeline", "\"kind\": 'Pipeline'"),
        ("tolerance: 1e-5", "tolerance: null"),
    ] {
        assert!(TUMOR.contains(from));
        let text = TUMOR.replace(from, to);
        assert!(
            parse("t.yaml", &text).is_ok_and(|documents| documents.pipelines[0]
                .pipeline()
                .version
                .as_str()
                == "2"),
            "{to}"
        );
    }
}

#[test]
fn a_file_holds_several_documents() {
    let second = TUMOR.replace("\"2\"", "\"3\"");
    let text = format!("---\n{TUMOR}---\n# nothing here\n---\n{second}...\n");
    let documents = parse("t.yaml", &text).unwrap();
    let versions: Vec<&str> = documents
        .pipelines
        .iter()
        .map(|document| document.pipeline().version.as_str())
        .collect();
    assert_eq!(versions, ["2", "3"]);
    assert_eq!(check_set(&documents), Ok(()));

    let mut twice = parse("a.yaml", TUMOR).unwrap();
    twice.append(parse("b.yaml", TUMOR).unwrap());
    assert_eq!(
        check_set(&twice).unwrap_err().to_string(),
        "b.yaml:3:35: metadata.version: pipeline `tumor` version `2` is declared twice; the first is in a.yaml, line 3"
    );
}

#[test]
fn descriptions_for_people_are_kept() {
    let beside = "version: \"2\", description: Classifies, labels: { team: a, empty: \"\" }, annotations: { a.b/c: d }";
    let text = TUMOR.replace("version: \"2\"", beside);
    let written = parse("t.yaml", &text).unwrap().pipelines.remove(0);
    assert_eq!(
        written.metadata().description.as_deref(),
        Some("Classifies")
    );
    assert_eq!(written.metadata().labels["empty"], "");
    assert_eq!(written.metadata().annotations["a.b/c"], "d");
    assert_eq!(
        written.resolve(&mut Texts).unwrap().digest(),
        resolved(TUMOR).digest()
    );
}

#[test]
fn a_later_problem_has_its_line() {
    let written = parse("t.yaml", TUMOR).unwrap().pipelines.remove(0);
    for (path, expect) in [
        (
            KeyPath::stage(0).key("component"),
            "t.yaml:8:18: spec.stages[0].component: no",
        ),
        // For a mapping, its key's line; for a value inside, its own.
        (
            KeyPath::stage(0).key("settings"),
            "t.yaml:9:7: spec.stages[0].settings: no",
        ),
        (
            KeyPath::stage(0).key("settings").key("mean").index(1),
            "t.yaml:9:29: spec.stages[0].settings.mean[1]: no",
        ),
        // A value that is not written is reported where it would be.
        (
            KeyPath::stage(0).key("inputs").key("x"),
            "t.yaml:6:7: spec.stages[0].inputs.x: no",
        ),
        (
            KeyPath::stage(1).key("inputs").key("x"),
            "t.yaml:14:7: spec.stages[1].inputs.x: no",
        ),
        (
            KeyPath::default().key("spec").key("outputs").index(0),
            "t.yaml:17:13: spec.outputs[0]: no",
        ),
    ] {
        assert_eq!(written.problem(&path, "no").to_string(), expect);
    }
}

#[test]
fn all_missing_references_are_reported_at_once() {
    let text = TUMOR
        .replace("./tumor.onnx }", "./absent.onnx, other: ./absent.txt }")
        .replace("settings:", "files: { x: absent }\n      settings:");
    let written = parse("t.yaml", &text).unwrap().pipelines.remove(0);
    assert_eq!(
        written.resolve(&mut Texts).unwrap_err().to_string(),
        "t.yaml:9:19: spec.stages[0].files.x: no file `absent`\n\
         t.yaml:14:23: spec.stages[1].files.model: no file `./absent.onnx`\n\
         t.yaml:14:45: spec.stages[1].files.other: no file `./absent.txt`"
    );
}
