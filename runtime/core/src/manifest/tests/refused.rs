//! Every error with its full text. Each row changes one thing in a manifest that is otherwise
//! valid.

use super::*;

pub(super) fn refused(text: &str) -> String {
    match parse("t.yaml", text) {
        Ok(_) => "taken".to_owned(),
        Err(problems) => problems.to_string(),
    }
}

#[track_caller]
pub(super) fn check(from: &str, to: &str, expect: &str) {
    assert!(TUMOR.contains(from), "{from}");
    assert_eq!(refused(&TUMOR.replacen(from, to, 1)), expect, "{to}");
}

const NAME_RULE: &str =
    "one is 1 to 128 of A-Z, a-z, 0-9, `.`, `_` and `-`, and starts with a letter or a digit";

#[test]
fn keys() {
    check(
        "component: ./scale.wasm",
        "componet: ./scale.wasm",
        "t.yaml:8:7: spec.stages[0].componet: unknown key; did you mean `component`?",
    );
    check(
        "component: ./scale.wasm",
        "image: ./scale.wasm",
        "t.yaml:6:7: spec.stages[0].component: missing\n\
         t.yaml:8:7: spec.stages[0].image: unknown key; known: `name`, `role`, `component`, `settings`, `files`, \
         `inputs`, `outputs`, `limits`, `batch` and `isolation`",
    );
    check(
        "      component: ./scale.wasm\n",
        "",
        "t.yaml:6:7: spec.stages[0].component: missing",
    );
    check(
        "./scale.wasm",
        "",
        "t.yaml:8:7: spec.stages[0].component: has no value",
    );
    check(
        "role: preprocess",
        "name: x",
        "t.yaml:6:7: spec.stages[0].role: missing\nt.yaml:7:7: spec.stages[0]: the key `name` is there twice",
    );
    check(
        "mean:",
        "1.5:",
        "t.yaml:9:19: spec.stages[0].settings: a key must be text, found the number 1.5; quote it if that is its name",
    );
    check(
        "mean:",
        "? [a]\n        :",
        "t.yaml:9:21: spec.stages[0].settings: a key must be text, found a list; quote it if that is its name",
    );
}

#[test]
fn the_head() {
    check(
        "Pipeline",
        "Pipelin",
        "t.yaml:2:7: kind: unknown kind `Pipelin`; did you mean `Pipeline`?",
    );
    check(
        "Pipeline",
        "Service",
        "t.yaml:2:7: kind: unknown kind `Service`; kinds served here: `Graph`, `Pipeline`, `Rollout` and `Route`",
    );
    check("kind: Pipeline\n", "", "t.yaml:1:1: kind: missing");
    check(
        "hotstage.dev/v1",
        "hotstage.dev/v2",
        "t.yaml:1:13: apiVersion: unknown value `hotstage.dev/v2`; did you mean `hotstage.dev/v1`?",
    );
    check(
        "hotstage.dev/v1",
        "v1",
        "t.yaml:1:13: apiVersion: unknown value `v1`; known: `hotstage.dev/v1`",
    );
    check(
        "name: tumor",
        "name: tumor/../x",
        &format!(
            "t.yaml:3:19: metadata.name: `tumor/../x` is not a valid model name: it has a `/`; {NAME_RULE}"
        ),
    );
    check(
        "\"2\"",
        "1.10",
        "t.yaml:3:35: metadata.version: expected text, found the number 1.10; quote it: \"1.10\"",
    );
    check(
        "\"2\"",
        "007",
        "t.yaml:3:35: metadata.version: expected text, found the number 007; quote it: \"007\"",
    );
    check(
        "\"2\"",
        "true",
        "t.yaml:3:35: metadata.version: expected text, found the boolean true; quote it: \"true\"",
    );
    check("\"2\"", "\"\"", "t.yaml:3:35: metadata.version: is empty");
    check(
        "\"2\"",
        "\"2\", labels: { a: 1 }",
        "t.yaml:3:53: metadata.labels.a: expected text, found the number 1; quote it: \"1\"",
    );
}

#[test]
fn stages() {
    check(
        "role: preprocess",
        "role: preprocessor",
        "t.yaml:7:13: spec.stages[0].role: unknown value `preprocessor`; did you mean `preprocess`?",
    );
    check(
        "role: preprocess",
        "role: postprocess",
        "t.yaml:11:13: spec.stages[1].role: a model stage can't follow the postprocess stage `scale`; the order is \
         preprocess, model, postprocess",
    );
    check(
        "name: classify",
        "name: scale",
        "t.yaml:10:13: spec.stages[1].name: another stage is called `scale`: the one on line 6",
    );
    check(
        "name: scale",
        "name: request",
        "t.yaml:6:13: spec.stages[0].name: `request` means the client's request in a source; call the stage something \
         else",
    );
    check(
        "settings: { mean: [1, 2.5], std: [1.0, 1e0] }",
        "settings: [1]",
        "t.yaml:9:17: spec.stages[0].settings: expected a mapping, found a list",
    );
    check(
        "2.5",
        ".nan",
        "t.yaml:9:29: spec.stages[0].settings.mean[1]: .nan isn't a number that JSON has",
    );
    check(
        "2.5",
        "99999999999999999999",
        "t.yaml:9:29: spec.stages[0].settings.mean[1]: 99999999999999999999 needs more than 64 bits; quote it, or \
         write \
         it with an exponent",
    );
    check(
        "{ model:",
        "{ a/b:",
        &format!(
            "t.yaml:13:16: spec.stages[1].files[\"a/b\"]: `a/b` is not a valid file name: it has a `/`; {NAME_RULE}"
        ),
    );
    check(
        "./tumor.onnx",
        "1",
        "t.yaml:13:23: spec.stages[1].files.model: expected text, found the number 1; quote it: \"1\"",
    );
    check(
        "scale.features }",
        "[x] }",
        "t.yaml:14:27: spec.stages[1].inputs.features: expected text, found a list",
    );
    let stages = TUMOR.split_once("  stages:").unwrap().0;
    assert_eq!(
        refused(&format!("{stages}  stages: []\n")),
        "t.yaml:5:11: spec.stages: is empty; a pipeline has at least one stage"
    );
    let many: String = (0..33)
        .map(|index| format!("    - {{ name: s{index}, role: model, component: x }}\n"))
        .collect();
    assert_eq!(
        refused(&format!("{stages}  stages:\n{many}")),
        "t.yaml:6:5: spec.stages: 33 stages; at most 32 are allowed"
    );
}

#[test]
fn outputs_and_tests() {
    check(
        "[probability]",
        "[]",
        "t.yaml:17:12: spec.outputs: is empty; name the tensors to answer, or leave the key out for the last \
         stage's outputs",
    );
    check(
        "[probability]",
        "[a, b, a]",
        "t.yaml:17:19: spec.outputs[2]: `a` is there twice; the first is on line 17",
    );
    check(
        "tolerance: 1e-5",
        "tolerance: -1",
        "t.yaml:19:97: spec.tests[0].tolerance: a tolerance is 0 or more",
    );
    check(
        "tolerance: 1e-5",
        "tolerance: small",
        "t.yaml:19:97: spec.tests[0].tolerance: expected a number, like 1e-5, found the text `small`",
    );
    check(
        "{ outputs: [{}] }",
        "{ outputs: [] }",
        "t.yaml:19:78: spec.tests[0].expect.outputs: is empty; a test expects one output at least; without any, every \
         answer would pass",
    );
    check(
        "{ outputs: [{}] }",
        "{ output: [] }",
        "t.yaml:19:67: spec.tests[0].expect.outputs: missing: the list of tensors; there is `output`",
    );
    check(
        "{ outputs: [{}] }",
        "{ outputs: 1 }",
        "t.yaml:19:78: spec.tests[0].expect.outputs: expected a list, found the number 1",
    );
    check(
        "./row20.json",
        "7",
        "t.yaml:19:45: spec.tests[0].request: expected a path, or a mapping with `inputs`, found the number 7",
    );
    let twice = format!("{TUMOR}    - {{ name: row 20 is malignant, request: a, expect: b }}\n");
    assert_eq!(
        refused(&twice),
        "t.yaml:20:15: spec.tests[1].name: another test is called `row 20 is malignant`: the one on line 19"
    );
}

#[test]
fn everything_at_once_in_the_order_of_the_lines() {
    let text = TUMOR
        .replace("\"2\"", "1.10")
        .replace("role: preprocess", "role: pre")
        .replace("64MiB", "0")
        .replace("tolerance: 1e-5", "tolerence: 1e-5");
    assert_eq!(
        refused(&format!("{text}---\nkind: Pipeline\n---\nkind: Service\n")),
        "t.yaml:3:35: metadata.version: expected text, found the number 1.10; quote it: \"1.10\"\n\
         t.yaml:7:13: spec.stages[0].role: unknown value `pre`; known: `preprocess`, `model` and `postprocess`\n\
         t.yaml:16:25: spec.stages[1].limits.memory: 0B is less than the minimum, 64KiB\n\
         t.yaml:19:86: spec.tests[0].tolerence: unknown key; did you mean `tolerance`?\n\
         t.yaml:21:1: apiVersion: missing\n\
         t.yaml:21:1: metadata: missing\n\
         t.yaml:21:1: spec: missing\n\
         t.yaml:23:7: kind: unknown kind `Service`; kinds served here: `Graph`, `Pipeline`, `Rollout` and `Route`"
    );
}
